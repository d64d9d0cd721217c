"""Faults that can be switched on: what ServiceTitan and the network do to clients on bad days."""

from dataclasses import dataclass, field, replace
from random import Random

KINDS = (
    "delay", "429", "500", "lost-reply", "html", "expired-token", "token-429",
    "truncated", "rejected-token", "extra-fields", "null-required", "unknown-word",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Fault:
    """`amount` is seconds for a delay, otherwise the share of requests (0 to 1).

    `where` limits it to one method, or to paths that contain a text beginning with ``/``; `times` to so many requests.
    """

    kind: str
    amount: float = 1.0
    where: str | None = None
    times: int | None = None

    def meets(self, method: str, path: str) -> bool:
        """Whether the fault may hit such a request."""
        return self.where is None or self.where == method or (self.where.startswith("/") and self.where in path)


def parse_fault(text: str) -> Fault:
    """Read ``kind=amount``, ``kind=amount@METHOD`` or ``kind=amount@/part/of/path``, each with ``#times`` after it.

    Raises:
        ValueError: with one sentence that says what is possible.
    """
    rest, _, times = text.partition("#")
    setting, _, where = rest.partition("@")
    kind, _, amount = setting.partition("=")
    if kind not in KINDS:
        raise ValueError(f"There is no fault {kind!r}; choose one of {', '.join(KINDS)}.")
    try:
        value = float(amount or 1)
    except ValueError:
        raise ValueError(f"{text!r} needs a number after the '=', as in {kind}=0.1.") from None
    if value < 0 or (kind != "delay" and value > 1):
        raise ValueError(f"{text!r}: a share lies between 0 and 1.")
    if where and where not in METHODS and not where.startswith("/"):
        raise ValueError(
            f"{text!r}: after the '@' stands {', '.join(METHODS)}, or a part of a path that begins with '/'."
        )
    if times and not (times.isdecimal() and int(times)):
        raise ValueError(f"{text!r}: after the '#' stands how many times it happens.")
    return Fault(kind, value, where or None, int(times) if times else None)


@dataclass
class Faults:
    """The faults in force, drawn with a seeded generator so that a run can be repeated."""

    active: list[Fault] = field(default_factory=list)
    dice: Random = field(default_factory=lambda: Random(1))

    def draw(self, kind: str, method: str, path: str) -> float:
        """The amount of the fault that hits this request, or 0."""
        for fault in self.active:
            if fault.kind != kind or not fault.meets(method, path):
                continue
            if kind == "delay" or self.dice.random() < fault.amount:
                self._count(fault)
                return fault.amount
        return 0.0

    def _count(self, fault: Fault) -> None:
        if fault.times is None:
            return
        at = self.active.index(fault)
        self.active[at : at + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
