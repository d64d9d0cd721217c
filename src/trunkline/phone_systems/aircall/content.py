"""Transcripts and summaries that Aircall makes of calls. Their shape is hardly documented: what has a text is taken."""

from collections.abc import Iterator

from trunkline.phone_systems.loose import Fields

EVENTS = frozenset({"transcription.created", "summary.created", "action_item.created", "custom_summary.result_created"})
_TEXT_KEYS = ("content", "text", "summary", "result", "description", "title")
_SPEAKERS = {"internal": "Agent", "external": "Customer"}


def call_of(data: Fields) -> str | None:
    """The id of the call it is about."""
    return data.text("call_id") or data.inner("call").text("id")


def text_of(data: Fields) -> str | None:
    """The whole text: a transcript has a line for each utterance, with who speaks."""
    return "\n".join(_lines(data)) or None


def _lines(data: Fields) -> Iterator[str]:
    if isinstance(data.held.get("utterances"), list):
        for utterance in data.each("utterances"):
            text = utterance.text("text")
            speaker = _SPEAKERS.get(utterance.text("participant_type") or "")
            if text:
                yield f"{speaker}: {text}" if speaker else text
        return
    for key in _TEXT_KEYS:
        text, within = data.text(key), data.inner(key)
        if lines := [text] if text else list(_lines(within)) if within else []:
            yield from lines
            return
