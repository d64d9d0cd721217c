"""What stands in the log: one line an event, no secret, and no library that says the same thing for ever."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import structlog

from trunkline import logs

Said = Callable[[], list[dict[str, str]]]


@contextmanager
def logging_as_served(capsys: pytest.CaptureFixture[str]) -> Iterator[Said]:
    """Gives what was said in the body; logging is as it was afterwards."""
    root, dbos = logging.getLogger(), logging.getLogger("dbos")
    before = (root.handlers[:], root.level, dbos.handlers[:])
    logs.configure()
    try:
        yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers[:], root.level, dbos.handlers[:] = before
        structlog.reset_defaults()


def mistake() -> None:
    raise ValueError("a mistake")


def test_secrets_are_hidden_by_their_names_and_by_their_forms(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as_served(capsys) as said:
        log = structlog.get_logger("trunkline.test")
        log.warning("said", client_secret="anything", app_key="anything", number="+14375550142")
        log.warning("said", detail="Authorization: Bearer abc.def-ghi and cs1.example-secret, whsec_aGVsbG8=")
        logging.getLogger("psycopg.pool").warning("cannot connect to postgresql://jane:example@db.example/trunkline")
        logging.getLogger("dbos").warning("app key ak1.example was refused")
        first, *others = said()
    assert (first["client_secret"], first["app_key"], first["number"]) == ("(hidden)", "(hidden)", "+14375550142")
    text = json.dumps(others)
    for secret in ("abc.def", "cs1", "aGVsbG8", "jane", "example@", "ak1"):
        assert secret not in text
    assert "postgresql://(hidden)@db.example/trunkline" in text


def test_a_library_says_each_thing_once_a_minute_and_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with logging_as_served(capsys) as said:
        for seconds in (0, 1, 59, 60, 61):
            monkeypatch.setattr("logging.time.time", lambda now=1e6 + seconds: now)
            try:
                mistake()
            except ValueError:
                logging.getLogger("dbos").warning("cannot poll: %s", "Traceback\n  File ...", exc_info=True)
        monkeypatch.undo()
        found = said()
    assert [line["event"] for line in found] == ["cannot poll: Traceback"] * 2
    assert all("exception" not in line for line in found)


def test_a_library_that_logs_as_we_do_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as_served(capsys) as said:
        for _ in range(2):
            structlog.get_logger("stamina").warning("stamina.retry_scheduled", wait_for=0.1)
        found = said()
    assert [(line["event"], line["wait_for"]) for line in found] == [("stamina.retry_scheduled", 0.1)]


def test_our_own_errors_keep_their_traces_and_are_never_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as_served(capsys) as said:
        log = structlog.get_logger("trunkline.test")
        for _ in range(2):
            try:
                mistake()
            except ValueError:
                log.exception("failed")
        found = said()
    assert [line["event"] for line in found] == ["failed"] * 2
    assert all("ValueError: a mistake" in line["exception"] for line in found)
