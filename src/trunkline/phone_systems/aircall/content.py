"""Transcripts and summaries that Aircall makes of calls. Their shape is hardly documented: what has a text is taken."""

from collections.abc import Iterator, Mapping
from typing import Any

from trunkline.phone_systems.aircall.calls import as_mapping, as_text

EVENTS = frozenset({"transcription.created", "summary.created", "action_item.created", "custom_summary.result_created"})
_TEXT_KEYS = ("content", "text", "summary", "result", "description", "title")
_SPEAKERS = {"internal": "Agent", "external": "Customer"}


def call_of(data: Mapping[str, Any]) -> str | None:
    """The id of the call it is about."""
    return as_text(data.get("call_id")) or as_text(as_mapping(data.get("call")).get("id"))


def text_of(data: Mapping[str, Any]) -> str | None:
    """The whole text: a transcript has a line for each utterance, with who speaks."""
    return "\n".join(_lines(data)) or None


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    utterances = data.get("utterances")
    if isinstance(utterances, list):
        for utterance in map(as_mapping, utterances):
            text = as_text(utterance.get("text"))
            speaker = _SPEAKERS.get(as_text(utterance.get("participant_type")) or "")
            if text:
                yield f"{speaker}: {text}" if speaker else text
        return
    for key in _TEXT_KEYS:
        value = data.get(key)
        if isinstance(value, str) and value.strip():
            yield value.strip()
            return
        if isinstance(value, dict) and (lines := list(_lines(value))):
            yield from lines
            return
