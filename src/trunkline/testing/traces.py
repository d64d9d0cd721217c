"""Traces: what a speaker said, one JSON object a line."""

import msgspec

from trunkline.sandbox.phones.speaker import Said


def as_line(said: Said) -> bytes:
    """One thing that was said: JSON as JSON where that keeps every byte, text as text."""
    line: dict[str, object] = {"after_s": said.after_s, **({"kind": said.kind} if said.kind else {})}
    try:
        body = msgspec.json.decode(said.body)
        is_kept = msgspec.json.encode(body) == said.body
    except (msgspec.DecodeError, UnicodeDecodeError):
        is_kept = False
    shown: dict[str, object] = {"body": body} if is_kept else {"text": said.body.decode()}
    return msgspec.json.encode({**line, **shown}) + b"\n"


def from_line(line: bytes) -> Said:
    """What :func:`as_line` wrote."""
    read = msgspec.json.decode(line)
    body = read["text"].encode() if "text" in read else msgspec.json.encode(read["body"])
    return Said(read["after_s"], body, read.get("kind", ""))
