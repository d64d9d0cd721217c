"""What is written down about an adapter is so."""

from pathlib import Path

import pytest

from trunkline.domain.events import CallEvent, EventKind
from trunkline.phone_systems.base import Capability, RawMessage
from trunkline.phone_systems.grades import RULES, UNRATED, Report, report, reports
from trunkline.phone_systems.registry import adapter_class, names
from trunkline.sandbox import phones
from trunkline.sandbox.phones.speaker import SCENARIOS, Dialled, HistorySpeaker, WebhookSpeaker
from trunkline.testing.contract import ADDRESS, AT

ROOT = Path(__file__).parents[2]
_CAPABILITIES = {
    "history": Capability.HISTORY,
    "originate": Capability.ORIGINATE,
    "recordings": Capability.RECORDINGS,
}


@pytest.fixture(params=names())
def told(request: pytest.FixtureRequest) -> Report:
    """What is written down about each of our adapters."""
    return report(request.param)


def kept(told: Report) -> set[str]:
    """The rules that it says are kept."""
    return {rule for rules in RULES.values() for rule in rules} - told.open.keys() - told.exempt.keys()


def module_of(system: str) -> str:
    return adapter_class(system).__module__.removeprefix("trunkline.phone_systems.").partition(".")[0]


def test_each_adapter_of_ours_is_graded(told: Report) -> None:
    assert told.grade in {UNRATED, *RULES}
    assert not [why for why in (*told.open.values(), *told.exempt.values(), *told.scenarios.values()) if len(why) < 8]


def test_what_it_says_is_there(told: Report) -> None:
    rules, module = kept(told), module_of(told.system)
    tests = ROOT / "tests" / "phone_systems"
    if "contract" in rules:
        assert "contract(" in (tests / f"test_contract_{module}.py").read_text("utf-8")
    if "documented" in rules:
        page = ROOT / "docs" / ("webhook.md" if told.system == "webhook" else f"phone-systems/{told.system}.md")
        assert f'system = "{told.system}"' in page.read_text("utf-8")
    if "errors" in rules:
        told_apart = "".join(path.read_text("utf-8") for path in tests.glob(f"test_{module}*.py"))
        assert [name for name in ("RetryLater", "NeedsFixing", "GivenUp", "OutcomeUnknown") if name in told_apart]
    if "supervision" in rules:
        assert adapter_class(told.system).capabilities & (Capability.SUBSCRIPTION | Capability.STREAM)
    for rule, capability in _CAPABILITIES.items():
        assert (rule in rules) == (capability in adapter_class(told.system).capabilities), rule


def test_its_speaker_plays_what_it_says(told: Report) -> None:
    rules = kept(told)
    if "speaker" not in rules:
        assert told.system not in phones.NAMES
        return
    speaker = phones.speaker(told.system)
    assert speaker.system == told.system
    assert set(speaker.scenarios) | told.scenarios.keys() == set(SCENARIOS)
    assert not set(speaker.scenarios) & told.scenarios.keys()
    if "history" in rules:
        assert isinstance(speaker, HistorySpeaker)
    if "proof" in rules and isinstance(speaker, WebhookSpeaker):
        assert speaker.vectors or speaker.forge is not None
    if "content" in rules:
        secrets = (speaker.secret,) if isinstance(speaker, WebhookSpeaker) else ()
        made = adapter_class(told.system).configure("main", speaker.options(*secrets, address=ADDRESS))
        kinds = {
            event.kind
            for scenario in speaker.scenarios
            for said in speaker.play(scenario, Dialled(AT))
            for event in made.parse(RawMessage(said.body, AT, kind=said.kind))
            if isinstance(event, CallEvent)
        }
        assert EventKind.CONTENT in kinds


def test_all_are_told() -> None:
    assert [one.system for one in reports()] == names()
