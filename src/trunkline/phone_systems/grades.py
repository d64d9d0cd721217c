"""How complete an adapter is: rules from bronze to platinum, answered in a file of each system in `quality/`.

docs/adding-a-phone-system.md says what each rule asks; a test keeps the answers true.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files

import msgspec

from trunkline.phone_systems.base import Capability
from trunkline.phone_systems.registry import adapter_class, names

# What a grade asks, on top of the grades before it.
RULES: Mapping[str, tuple[str, ...]] = {
    "bronze": ("contract", "scenarios", "documented"),
    "silver": ("proof", "supervision", "errors"),
    "gold": ("history", "speaker"),
    "platinum": ("originate", "recordings", "content"),
}
UNRATED = "unrated"
_DONE, _EXEMPT = "done", "exempt: "


class Report(msgspec.Struct, frozen=True):
    """One adapter. `open` are rules that are not kept yet, `exempt` those that cannot apply, each with the reason;
    `scenarios` are kinds of calls that the system does not tell apart, with the reason."""

    system: str
    grade: str
    capabilities: tuple[str, ...]
    open: dict[str, str] = {}
    exempt: dict[str, str] = {}
    scenarios: dict[str, str] = {}


def reports() -> list[Report]:
    """Every adapter that is installed; those of other packages are unrated."""
    return [report(system) for system in names()]


def report(system: str) -> Report:
    """One adapter.

    Raises:
        ValueError: there is none, or its file answers a rule in no known way.
    """
    found = adapter_class(system).capabilities
    capabilities = tuple(one.name.lower().replace("_", "-") for one in Capability if one in found and one.name)
    file = files("trunkline.phone_systems") / "quality" / f"{system}.toml"
    if not file.is_file():
        return Report(system, UNRATED, capabilities)
    told = tomllib.loads(file.read_text("utf-8"))
    answers = {rule: str(told.get(grade, {}).get(rule, "")) for grade, rules in RULES.items() for rule in rules}
    for rule, answer in answers.items():
        if answer != _DONE and not answer.startswith((_EXEMPT, "todo: ")):
            raise ValueError(f'{system}: {rule} is answered {answer!r}; write "done", "exempt: why" or "todo: what".')
    left = {rule: answer.removeprefix("todo: ") for rule, answer in answers.items() if answer.startswith("todo: ")}
    exempt = {rule: answer.removeprefix(_EXEMPT) for rule, answer in answers.items() if answer.startswith(_EXEMPT)}
    return Report(system, _grade(left), capabilities, left, exempt, dict(told.get("scenarios", {})))


def _grade(left: Mapping[str, str]) -> str:
    reached = UNRATED
    for grade, rules in RULES.items():
        if any(rule in left for rule in rules):
            break
        reached = grade
    return reached
