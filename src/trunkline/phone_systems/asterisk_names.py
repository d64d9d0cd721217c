"""Names that mean the same in Asterisk's events and in its call records."""

import re

# FreePBX's entry contexts for outside calls; shops add their own.
TRUNK_CONTEXTS = frozenset(
    {
        "from-trunk", "from-pstn", "from-digital", "from-analog", "from-dahdi", "from-pstn-e164-us",
        "from-pstn-toheader", "from-trunk-pai", "from-sip-external", "from-did-direct",
    }
)  # fmt: skip
VOICEMAIL_APPS = frozenset({"voicemail", "minivmgreet", "minivmrecord"})
_ENDPOINT = re.compile(r"[^/]+/(.+)-[0-9a-fA-F]+(?:;\d)?$")


def endpoint(channel: str) -> str:
    """The device of a channel name: `PJSIP/201-0000004b` is `201`'s."""
    match = _ENDPOINT.match(channel)
    return match[1] if match else channel.partition("/")[2]
