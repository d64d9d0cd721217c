"""Faults that can be switched on: what ServiceTitan and the network do to clients on bad days."""

from dataclasses import dataclass, field
from random import Random

KINDS = ("delay", "429", "500", "lost-reply", "html", "expired-token")


@dataclass(frozen=True)
class Fault:
    """`amount` is seconds for a delay, otherwise the share of requests (0 to 1); `method` limits it to GET or POST."""

    kind: str
    amount: float
    method: str | None = None


def parse_fault(text: str) -> Fault:
    """Read ``kind=amount`` or ``kind=amount@METHOD``.

    Raises:
        ValueError: with one sentence that says what is possible.
    """
    setting, _, method = text.partition("@")
    kind, _, amount = setting.partition("=")
    if kind not in KINDS:
        raise ValueError(f"There is no fault {kind!r}; choose one of {', '.join(KINDS)}.")
    try:
        value = float(amount or 1)
    except ValueError:
        raise ValueError(f"{text!r} needs a number after the '=', as in {kind}=0.1.") from None
    if value < 0 or (kind != "delay" and value > 1):
        raise ValueError(f"{text!r}: a share lies between 0 and 1.")
    if method not in {"", "GET", "POST"}:
        raise ValueError(f"{text!r}: after the '@' stands GET or POST.")
    return Fault(kind, value, method or None)


@dataclass
class Faults:
    """The faults in force, drawn with a seeded generator so that a run can be repeated."""

    active: list[Fault] = field(default_factory=list)
    dice: Random = field(default_factory=lambda: Random(1))

    def draw(self, kind: str, method: str) -> float:
        """The amount of the fault that hits this request, or 0."""
        for fault in self.active:
            if fault.kind == kind and fault.method in {None, method}:
                if kind == "delay":
                    return fault.amount
                if self.dice.random() < fault.amount:
                    return fault.amount
        return 0.0
