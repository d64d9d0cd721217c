"""The adapter for older phone systems keeps the contract of all adapters, whatever maker's lines it reads."""

from datetime import UTC, datetime, timedelta

import pytest
from smdr_kit import heard

from trunkline.sandbox.phones.smdr import OTHERS, SPEAKER, SmdrSpeaker
from trunkline.sandbox.phones.speaker import Dialled, Said
from trunkline.testing.contract import contract

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

TestSmdr = contract(SPEAKER)


class _Heard(SmdrSpeaker):
    """A speaker whose lines come as the connection stores them: what it knew of the lines before is beside them."""

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """The lines, through a connection."""
        printed = [(call.at + timedelta(seconds=after_s), line) for after_s, line in self.lines(scenario, call)]
        messages = heard(self.options(address=""), printed)
        return [
            Said((message.received_at - call.at).total_seconds(), message.body, message.kind) for message in messages
        ]


class _Untraced:
    """One folder of traces for each system: Avaya's lines are in it."""

    test_a_scenario_is_as_recorded = None


class TestMitel(_Untraced, contract(_Heard("mitel"))):  # type: ignore[misc]
    """MiVoice Business."""


class TestNec(_Untraced, contract(_Heard("nec"))):  # type: ignore[misc]
    """SL1100 and its like."""


class TestPanasonic(_Untraced, contract(_Heard("panasonic"))):  # type: ignore[misc]
    """KX-TDA, KX-NS and their like."""


def test_every_format_is_played() -> None:
    assert set(OTHERS) == {"mitel", "nec", "panasonic"}


@pytest.mark.parametrize("scenario", SPEAKER.scenarios)
def test_the_speaker_notes_what_the_connection_notes(scenario: str) -> None:
    call = Dialled(AT)
    assert SPEAKER.play(scenario, call) == _Heard("avaya").play(scenario, call)
