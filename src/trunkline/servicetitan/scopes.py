"""What the app's features need of ServiceTitan's scopes, and what a tenant's token grants.

Scopes are chosen in the developer portal (*Change API Scopes*) and take effect for a tenant once its administrator has
approved that version of the app; the token says which these are (FAQ "APIs, App Keys & Client Keys").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from trunkline.contract.codes import allowing, granting, is_certain
from trunkline.contract.operations import Operation, View, scopes
from trunkline.servicetitan.catalog import find

_RIGHTS: tuple[View, ...] = ("View", "Modify")


@dataclass(frozen=True, order=True)
class Need:
    """A scope as the developer portal names it, with View or Modify."""

    scope: str
    right: View

    def __str__(self) -> str:
        return f"{self.scope} ({self.right})"

    @property
    def codes(self) -> tuple[str, ...]:
        """How a token may name it."""
        return allowing(self.scope, self.right)


@dataclass(frozen=True)
class Feature:
    """Something that Trunkline does, and the operations it does that with."""

    name: str
    operations: tuple[str, ...]

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """What these operations need."""
        found = {Need(one.scope, one.right) for name in self.operations if (one := find(name)).scope is not None}
        return tuple(sorted(found))


class FeatureScopes(msgspec.Struct, frozen=True):
    """One feature; needs are like ``Customers (View)``, `off` is one sentence about what is missing."""

    name: str
    needs: list[str]
    missing: list[str]
    off: str | None


class ScopeSummary(msgspec.Struct, frozen=True):
    """A :class:`ScopeReport` in words. `needed` is in the order in which to choose, least privilege first; `unused` is
    granted and needed by nothing, `unknown` are granted codes that stand for nothing this app is registered for."""

    features: list[FeatureScopes]
    needed: list[str]
    unused: list[str]
    unknown: list[str]


@dataclass(frozen=True)
class ScopeReport:
    """Features against what is granted; `granted` is empty where the token does not say."""

    features: tuple[Feature, ...]
    granted: frozenset[str]

    def missing(self, feature: Feature) -> tuple[Need, ...]:
        """What the token does not grant of what `feature` needs; nothing where the token does not say."""
        return tuple(need for need in feature.needs if self.granted and not self.granted.intersection(need.codes))

    def off(self, feature: Feature) -> str | None:
        """Why a feature, or a part of it, is switched off, in one sentence; `None` where all is granted."""
        missing = self.missing(feature)
        if not missing:
            return None
        return f"It needs {listed(missing)}, which this tenant has not approved."

    @property
    def needed(self) -> tuple[Need, ...]:
        """All that the features need, least privilege first: what to choose in the portal."""
        found = {need for feature in self.features for need in feature.needs}
        return tuple(sorted(found, key=lambda need: (_RIGHTS.index(need.right), need.scope)))

    @property
    def unused(self) -> tuple[Need, ...]:
        """What is granted although no feature needs it."""
        known = (Need(scope.name, right) for right in _RIGHTS for scope in scopes())
        return tuple(need for need in known if need not in self.needed and self.granted.intersection(need.codes))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Granted codes that stand for nothing this app is registered for."""
        known = {code for right in _RIGHTS for scope in scopes() for code in Need(scope.name, right).codes}
        return tuple(sorted(self.granted - known))

    def summary(self) -> ScopeSummary:
        """All of it in words."""
        features = [
            FeatureScopes(one.name, _words(one.needs), _words(self.missing(one)), self.off(one))
            for one in self.features
        ]
        return ScopeSummary(features, _words(self.needed), _words(self.unused), list(self.unknown))


def _words(needs: Iterable[Need]) -> list[str]:
    return [str(need) for need in needs]


def listed(needs: Sequence[Need]) -> str:
    """Needs in a sentence."""
    names = [str(need) for need in needs]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def lacking(operation: Operation, granted: frozenset[str]) -> str | None:
    """Why a token that grants these codes is of no use for `operation`; `None` where it is, or may be.

    Where nobody has seen a scope's code, or the token names none at all, asking ServiceTitan is the only way to know.
    """
    if operation.scope is None or not granted or not is_certain(operation.scope):
        return None
    if granted.intersection(granting(operation)):
        return None
    return f"Off: it needs the scope {operation.scope} ({operation.right}), which this tenant has not approved."


def changed(before: Iterable[str], after: Iterable[str]) -> str | None:
    """One sentence about what a new version of the app grants and did not grant before, and the reverse."""
    more, less = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    parts = [
        f"{said} {', '.join(codes)}" for said, codes in (("now grants", more), ("no longer grants", less)) if codes
    ]
    return f"ServiceTitan {' and '.join(parts)}." if parts else None
