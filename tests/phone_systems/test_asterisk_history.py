"""Asterisk's call records beside its events: what nobody heard is told, what was heard is left alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from trunkline.calls.reading import in_memory
from trunkline.domain.call import CallState, Outcome
from trunkline.phone_systems.asterisk import AsteriskAdapter
from trunkline.phone_systems.base import HistoryAdapter, RawMessage, StreamAdapter, Unreadable
from trunkline.phone_systems.errors import NeedsFixing
from trunkline.phone_systems.registry import adapter
from trunkline.sandbox.phones.cdr_file import SPEAKER
from trunkline.sandbox.phones.speaker import Dialled

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LOGIN = {"host": "127.0.0.1", "username": "trunkline", "secret": "ami-example"}


def asterisk(path: Path | None = None) -> AsteriskAdapter:
    """An Asterisk, with the file of its records where there is one."""
    file = {"path": str(path), "preset": "freepbx", "time_zone": "America/Chicago"}
    made = adapter("asterisk", "main", {**LOGIN, **({"cdr_file": file} if path else {})})
    assert isinstance(made, AsteriskAdapter)
    return made


def exported(folder: Path, scenario: str) -> Path:
    """The records of a call as a file."""
    path = folder / "cdr.csv"
    path.write_text(SPEAKER.file(row for _, row in SPEAKER.rows(scenario, Dialled(AT))))
    return path


async def records(made: AsteriskAdapter) -> list[RawMessage]:
    """All of the day."""
    async with httpx.AsyncClient() as http:
        return [message async for page in made.history(http, AT - DAY, AT + DAY) for message in page]


def frame(**fields: str) -> RawMessage:
    """An event of the call as Asterisk sends it."""
    key = f"{int(AT.timestamp())}.10"
    told = {"Linkedid": key, "Uniqueid": key, "Channel": "PJSIP/trunk-00000000", **fields}
    return RawMessage("".join(f"{name}: {value}\r\n" for name, value in told.items()).encode(), AT)


BEGIN = {"Event": "Newchannel", "Context": "from-trunk", "CallerIDNum": "4375550142", "Exten": "4375550100"}


async def test_the_end_that_nobody_heard_is_in_the_file(tmp_path: Path) -> None:
    made = asterisk(exported(tmp_path, "answered"))
    (heard,) = in_memory(made, [(1, frame(**BEGIN))])
    (both,) = in_memory(made, list(enumerate([frame(**BEGIN), *await records(made)])))
    assert (heard.state, heard.outcome) == (CallState.NEW, None)
    assert (both.state, both.outcome, both.call_key) == (CallState.ENDED, Outcome.ANSWERED, heard.call_key)
    assert both.answered_by is not None
    assert (both.system, both.answered_by.extension, both.talk_s) == ("asterisk", "201", 60)


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
async def test_the_file_alone_tells_each_call_once(tmp_path: Path, scenario: str) -> None:
    made = asterisk(exported(tmp_path, scenario))
    (call,) = in_memory(made, list(enumerate(await records(made))))
    assert call.state is CallState.ENDED


async def test_without_a_file_the_history_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(NeedsFixing, match=r"^The option cdr_file does not say .*\.$"):
        await records(asterisk())
    (row,) = await records(asterisk(exported(tmp_path, "answered")))
    with pytest.raises(Unreadable, match=r"\.$"):
        asterisk().parse(row)


def test_it_is_a_stream_with_a_history() -> None:
    assert isinstance(asterisk(), StreamAdapter)
    assert isinstance(asterisk(), HistoryAdapter)


def test_an_option_of_the_file_that_is_wrong_is_told_by_its_name() -> None:
    options = {**LOGIN, "cdr_file": {"path": "x", "preset": "freepbx", "time_zone": "Mars/Base"}}
    with pytest.raises(ValueError, match=r"^Phone system main: time_zone 'Mars/Base' .*\.$"):
        adapter("asterisk", "main", options)
