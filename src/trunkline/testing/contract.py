"""The contract that every adapter keeps. One line makes an adapter inherit it::

    TestExample = contract(ExampleSpeaker())

The speaker plays the vendor (:mod:`trunkline.sandbox.phones.speaker` says what it has to be able to do); the adapter is
found by its entry point. What is played is compared with recorded traces, `<system>/<scenario>.jsonl` and
`<system>/<scenario>.call.json` in the folder that the setting `phone_traces` names.
"""

from collections.abc import Callable, ItemsView, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.calls.reading import calls_of, in_memory, understand
from trunkline.domain.call import Call, CallState, Outcome
from trunkline.domain.events import CallEvent, Direction, Party
from trunkline.phone_systems.base import (
    HISTORY_KIND,
    LOOKUP_KIND,
    PROTOCOLS,
    Adapter,
    RawMessage,
    Unreadable,
    WebhookAdapter,
)
from trunkline.phone_systems.delivery import Answer, Delivery, Refused
from trunkline.phone_systems.registry import adapter_class
from trunkline.sandbox.phones.speaker import (
    SCENARIOS,
    Dialled,
    HistorySpeaker,
    Letter,
    Said,
    Speaker,
    WebhookSpeaker,
)
from trunkline.testing.traces import as_line, from_line

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ACCOUNT = "main"
ADDRESS = "https://bridge.example.com/hooks/main"
ORDERS = 12
_CALL = Dialled(AT)


def contract(speaker: Speaker, *, traces: str | None = None) -> type["AdapterContract"]:
    """The tests for the adapter of the system that `speaker` plays.

    `traces` is the folder of its traces where that is not named after the system: one that is heard in two ways.
    """
    parts: list[type[AdapterContract]] = []
    if isinstance(speaker, WebhookSpeaker):
        parts.append(WebhookContract)
    if isinstance(speaker, HistorySpeaker):
        parts.append(HistoryContract)
    bases = tuple(parts) or (AdapterContract,)
    return type(
        f"Test{speaker.system.title()}",
        bases,
        {"speaker": speaker, "traces": traces or speaker.system, "__test__": True},
    )


def _is_answered(call: Call) -> bool:
    return call.outcome is Outcome.ANSWERED


def _is_inbound(call: Call) -> bool:
    return call.direction is Direction.INBOUND


# What each scenario must come to, whatever the vendor.
_TOLD: dict[str, Callable[[Call], bool]] = {
    "answered": lambda call: _is_answered(call) and _is_inbound(call),
    "missed": lambda call: call.outcome is Outcome.MISSED and _is_inbound(call),
    "voicemail": lambda call: call.outcome is Outcome.VOICEMAIL and _is_inbound(call),
    "blind_transfer": lambda call: _is_answered(call) and _is_inbound(call),
    "attended_transfer": lambda call: _is_answered(call) and _is_inbound(call),
    "ring_group": lambda call: _is_answered(call) and _is_inbound(call),
    "outbound": lambda call: _is_answered(call) and call.direction is Direction.OUTBOUND,
    "internal": lambda call: call.direction is Direction.INTERNAL and call.external_number is None,
    "withheld": lambda call: call.external_number is None and _is_inbound(call),
}
_TRANSFERS = ("blind_transfer", "attended_transfer")


class AdapterContract:
    """What holds for every adapter."""

    __test__ = False
    speaker: ClassVar[Any]
    traces: ClassVar[str]

    def adapter(self, *secrets: str) -> Adapter:
        """The adapter, as found by its name."""
        made: Adapter = adapter_class(self.speaker.system).configure(
            ACCOUNT, self.speaker.options(*secrets or self._usual(), address=ADDRESS)
        )
        return made

    def _usual(self) -> tuple[str, ...]:
        return (self.speaker.secret,) if isinstance(self.speaker, WebhookSpeaker) else ()

    def messages(self, scenario: str) -> list[RawMessage]:
        """What a scenario says, as the inbox has it."""
        return [_as_message(said) for said in self.speaker.play(scenario, _CALL)]

    def calls(self, messages: Sequence[RawMessage]) -> list[Call]:
        """The calls they make."""
        return in_memory(self.adapter(), list(enumerate(messages)))

    # What it declares -------------------------------------------------------------------------------------------

    def test_its_class_says_what_it_can_do_and_its_adapter_can(self) -> None:
        found, made = adapter_class(self.speaker.system), self.adapter()
        assert (found.system, made.account) == (self.speaker.system, ACCOUNT)
        assert made.capabilities == found.capabilities
        for capability, protocol in PROTOCOLS.items():
            assert isinstance(made, protocol) == (capability in found.capabilities), capability

    def test_an_option_nobody_knows_is_told_with_the_name_of_the_account(self) -> None:
        options = {**self.speaker.options(*self._usual(), address=ADDRESS), "no_such_option": 1}
        with pytest.raises(ValueError, match=rf"^Phone system {ACCOUNT}: .*no_such_option"):
            adapter_class(self.speaker.system).configure(ACCOUNT, options)

    def test_only_known_scenarios_are_played(self) -> None:
        assert set(self.speaker.scenarios) <= set(SCENARIOS)

    # What its messages mean -------------------------------------------------------------------------------------

    def test_a_scenario_is_as_recorded(self, scenario: str, phone_traces: Path, records_traces: bool) -> None:
        spoken = self.speaker.play(scenario, _CALL)
        told = msgspec.json.format(msgspec.json.encode(self.calls([_as_message(said) for said in spoken])))
        trace = phone_traces / self.traces / f"{scenario}.jsonl"
        outcome = trace.with_suffix(".call.json")
        if records_traces:
            trace.parent.mkdir(parents=True, exist_ok=True)
            trace.write_bytes(b"".join(as_line(said) for said in spoken))
            outcome.write_bytes(told + b"\n")
        assert [from_line(line) for line in trace.read_bytes().splitlines()] == spoken
        assert outcome.read_bytes() == told + b"\n"

    def test_a_scenario_is_one_call_as_people_would_tell_it(self, scenario: str) -> None:
        calls = self.calls(self.messages(scenario))
        assert [call.state for call in calls] == [CallState.ENDED]
        (call,) = calls
        assert _TOLD[scenario](call), call
        told = self._told_about(scenario)
        if "number" in told:
            assert call.external_number == _CALL.caller
        if "did" in told:
            assert call.did == _CALL.did
        if "agent" in told:
            assert call.answered_by is not None
            assert call.answered_by.extension or call.answered_by.name or call.answered_by.provider_id
        if "transfers" in told:
            assert call.last_agent != call.answered_by
        if "legs" in told:
            assert len(call.legs) > 1

    def _told_about(self, scenario: str) -> set[str]:
        told = set() if scenario in ("withheld", "internal") else {"number"}
        if scenario not in ("outbound", "internal"):
            told.add("did")
        if scenario in ("answered", "ring_group", "outbound", *_TRANSFERS):
            told.add("agent")
        if scenario in _TRANSFERS:
            told.add("transfers")
        if scenario == "ring_group":
            told.add("legs")
        return told - set(self.speaker.silent_about)

    def test_any_order_and_any_repetition_gives_the_same_call(self, scenario: str) -> None:
        adapter, placed = self.adapter(), list(enumerate(self.messages(scenario)))
        expected = in_memory(adapter, placed)
        for seed in range(ORDERS):
            dice = Random(seed)
            shuffled = placed + dice.sample(placed, len(placed) // 2)
            dice.shuffle(shuffled)
            assert in_memory(adapter, shuffled) == expected

    def test_a_message_that_never_came_makes_no_second_call_and_no_mistake(self, scenario: str) -> None:
        adapter, placed = self.adapter(), list(enumerate(self.messages(scenario)))
        most = self._most_calls(adapter, placed)
        for missing in range(len(placed)):
            calls = in_memory(adapter, placed[:missing] + placed[missing + 1 :])
            assert len(calls) <= most, missing

    @staticmethod
    def _most_calls(adapter: Adapter, placed: Sequence[tuple[int, RawMessage]]) -> int:
        """Where the message is missing that joined two calls, they stay apart."""
        events = [item for _, message in placed for item in adapter.parse(message)]
        return len({item.call_key for item in events if isinstance(item, CallEvent)})

    def test_reading_a_message_again_gives_the_same_events(self, scenario: str) -> None:
        for message in self.messages(scenario):
            assert self.adapter().parse(message) == self.adapter().parse(message)

    # What it does not know --------------------------------------------------------------------------------------

    def test_what_no_documentation_has_is_passed_over(self) -> None:
        strange = self.speaker.strange(_CALL)
        assert strange
        for said in strange:
            events, problem = understand(self.adapter(), 1, _as_message(said))
            assert problem is None, said
            assert all(call.state is not CallState.ENDED for call in calls_of(events)), said

    def test_garbage_is_unreadable_and_nothing_else(self) -> None:
        adapter = self.adapter()
        bodies = [said.body for scenario in self.speaker.scenarios for said in self.speaker.play(scenario, _CALL)]
        kinds = {said.kind for scenario in self.speaker.scenarios for said in self.speaker.play(scenario, _CALL)}

        @settings(max_examples=60, deadline=None)
        @given(st.sampled_from(bodies), st.integers(0, 4000), st.binary(max_size=40), st.sampled_from(sorted(kinds)))
        def read(body: bytes, place: int, noise: bytes, kind: str) -> None:
            cut = body[: place % (len(body) + 1)]
            for spoilt in (noise, cut, cut + noise, cut + noise + body[len(cut) + len(noise) :]):
                try:
                    adapter.parse(RawMessage(spoilt, AT, kind=kind))
                except Unreadable as error:
                    assert str(error).endswith("."), "a sentence"

        read()


class WebhookContract(AdapterContract):
    """What holds where the vendor calls us: nothing unproved is taken, and each delivery once."""

    def deliver(self, letter: Letter, *secrets: str, at: datetime | None = None) -> RawMessage | Answer:
        """What the adapter takes a letter for, at the moment `at`."""
        adapter = self.adapter(*secrets)
        assert isinstance(adapter, WebhookAdapter)
        return adapter.verify(_as_delivery(letter, at or datetime.now(UTC)))

    def delivered(self, scenario: str, at: datetime) -> list[Said]:
        """What of a scenario comes by delivery; what we asked, and what we were asked, come otherwise."""
        spoken = self.speaker.play(scenario, Dialled(at))
        return [said for said in spoken if said.kind not in (HISTORY_KIND, LOOKUP_KIND)]

    def letter(
        self, said: Said | None = None, secret: str | None = None, *, late_s: float = 0.0, delivery: str = "d1"
    ) -> Letter:
        """A signed letter of now, or of `late_s` ago."""
        at = datetime.now(UTC) - timedelta(seconds=late_s)
        first = self.delivered(self.speaker.scenarios[0], at)[0]
        made: Letter = self.speaker.sign(
            said or first, secret or self.speaker.secret, at=at, delivery=delivery, address=ADDRESS
        )
        return made

    def taken(self, letter: Letter, *secrets: str) -> RawMessage:
        """As :meth:`deliver`, for what is no handshake."""
        message = self.deliver(letter, *secrets)
        assert isinstance(message, RawMessage)
        return message

    def test_the_vendor_is_believed_and_its_secret_is_not_kept(self, scenario: str) -> None:
        spoken = self.delivered(scenario, datetime.now(UTC))
        letters = [self.letter(said, delivery=f"d{place}") for place, said in enumerate(spoken)]
        messages = [self.taken(letter) for letter in letters]
        assert not any(self.speaker.secret.encode() in message.body for message in messages)
        if spoken:
            assert len(in_memory(self.adapter(), list(enumerate(messages)))) == 1

    def test_another_secret_is_refused(self) -> None:
        with pytest.raises(Refused) as caught:
            self.deliver(self.letter(secret=self.speaker.another_secret))
        assert 400 <= caught.value.status < 500
        assert self.speaker.secret not in str(caught.value)

    def test_what_was_made_of_a_good_letter_is_refused(self) -> None:
        forged = self.speaker.forge(self.letter())
        assert forged
        for letter in forged:
            with pytest.raises(Refused):
                self.deliver(letter)

    def test_a_letter_without_any_header_is_refused(self) -> None:
        letter = self.letter()
        if not letter.headers:
            pytest.skip("the proof stands in the body; forged letters go without it")
        with pytest.raises(Refused):
            self.deliver(Letter(letter.body if self.speaker.signs_body else b"{}", (), letter.query, letter.kind))

    def test_one_changed_byte_is_refused(self) -> None:
        if not self.speaker.signs_body:
            pytest.skip("this vendor proves who it is, not what it says")
        letter = self.letter()
        for place in range(0, len(letter.body), max(1, len(letter.body) // 25)):
            changed = bytearray(letter.body)
            changed[place] ^= 1
            with pytest.raises(Refused):
                self.deliver(Letter(bytes(changed), letter.headers, letter.query, letter.kind))

    def test_each_of_two_secrets_is_believed_while_one_replaces_the_other(self) -> None:
        old, new = self.speaker.secret, self.speaker.another_secret
        for secret in (old, new):
            assert self.taken(self.letter(secret=secret), new, old)
        with pytest.raises(Refused):
            self.deliver(self.letter(secret=old), new)

    def test_what_is_stale_or_early_is_refused(self) -> None:
        if self.speaker.stale_after_s is None:
            pytest.skip("this vendor's proof holds no time")
        for late_s in (self.speaker.stale_after_s + 5, 3600.0, -self.speaker.stale_after_s - 5):
            with pytest.raises(Refused):
                self.deliver(self.letter(late_s=late_s))
        assert self.taken(self.letter(late_s=self.speaker.stale_after_s - 20))

    def test_a_delivery_that_is_repeated_is_known_again(self) -> None:
        letter = self.letter()
        first, again = self.taken(letter), self.taken(letter)
        assert first.delivery_id is not None
        assert first.delivery_id == again.delivery_id

    def test_deliveries_that_say_different_things_are_told_apart(self, scenario: str) -> None:
        spoken = self.delivered(scenario, datetime.now(UTC))
        ids = [self.taken(self.letter(said, delivery=f"d{place}")).delivery_id for place, said in enumerate(spoken)]
        assert len(set(ids)) == len(ids)

    def test_the_handshake_is_answered(self) -> None:
        now = datetime.now(UTC)
        asked = self.speaker.handshake(self.speaker.secret, at=now, address=ADDRESS)
        if asked is None:
            pytest.skip("this vendor asks nothing before it delivers")
        answer = self.deliver(asked.letter, at=now)
        assert isinstance(answer, Answer)
        assert answer.status == asked.status
        assert asked.body in (None, answer.body)
        assert {name.lower(): value for name, value in answer.headers.items()}.items() >= {
            name.lower(): value for name, value in asked.headers.items()
        }.items()
        assert len(answer.body) + sum(len(name) + len(value) for name, value in answer.headers.items()) < 1024

    def test_proofs_known_from_elsewhere_hold_and_hold_for_nothing_else(self) -> None:
        for vector in self.speaker.vectors:
            options = {**self.speaker.options(vector.secret, address=ADDRESS), **vector.options}
            adapter = adapter_class(self.speaker.system).configure(ACCOUNT, options)
            assert isinstance(adapter, WebhookAdapter)
            assert adapter.verify(_as_delivery(vector.letter, vector.at))
            changed = Letter(vector.letter.body + b"0", vector.letter.headers, vector.letter.query, vector.letter.kind)
            with pytest.raises(Refused):
                adapter.verify(_as_delivery(changed, vector.at))


class HistoryContract(AdapterContract):
    """What holds where the vendor can be asked afterwards: its records and what was heard live are the same calls."""

    def records(self, scenario: str) -> list[RawMessage]:
        """The records of a scenario, as the inbox has them."""
        spoken = self.speaker.history(scenario, _CALL)
        assert {said.kind for said in spoken} == {HISTORY_KIND}
        return [_as_message(said) for said in spoken]

    def test_its_history_alone_tells_the_call(self, scenario: str) -> None:
        (heard,), (told,) = self.calls(self.messages(scenario)), self.calls(self.records(scenario))
        assert (told.state, told.outcome, told.direction) == (CallState.ENDED, heard.outcome, heard.direction)
        assert told.external_number == heard.external_number
        assert (told.answered_at is None) == (heard.answered_at is None)
        if told.started_at and heard.started_at:
            assert abs((told.started_at - heard.started_at).total_seconds()) <= 60

    def test_its_history_adds_no_call_to_what_was_heard(self, scenario: str) -> None:
        (heard,) = self.calls(self.messages(scenario))
        (both,) = self.calls([*self.messages(scenario), *self.records(scenario)])
        assert (both.outcome, both.direction, both.external_number) == (
            heard.outcome,
            heard.direction,
            heard.external_number,
        )
        assert _told(both.answered_by) >= _told(heard.answered_by)

    def test_its_history_tells_what_was_not_heard(self, scenario: str) -> None:
        """Only the first message came; then the line was cut."""
        (heard,) = self.calls(self.messages(scenario))
        (both,) = self.calls([*self.messages(scenario)[:1], *self.records(scenario)])
        assert (both.state, both.outcome) == (CallState.ENDED, heard.outcome)


def _told(party: Party | None) -> ItemsView[str, object]:
    told: dict[str, object] = msgspec.to_builtins(party) if party else {}
    return told.items()


def _as_message(said: Said) -> RawMessage:
    return RawMessage(said.body, AT + timedelta(seconds=said.after_s), kind=said.kind)


def _as_delivery(letter: Letter, at: datetime) -> Delivery:
    headers = tuple((name.lower(), value) for name, value in letter.headers)
    return Delivery(letter.body, at, headers, letter.query, letter.kind)
