"""Decisions as external data of customers and locations: one key for each number, and one by which all are found.

The lists of ServiceTitan find records by a key and its value only, so every record with decisions also carries
:data:`MARK`. It stays when the last decision is undone: taking it away would race with the next decision.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from trunkline.domain import phone
from trunkline.domain.decisions import THE_NUMBER, DecisionKind, Owner, OwnerKind
from trunkline.servicetitan.external_data import Record, Values
from trunkline.store.decisions import DecisionRow, Restored

MARK, MARKED = "trunkline.keeps", "numbers"
LONGEST_NAME = 60

RECORDS = {OwnerKind.CUSTOMER: Record.CUSTOMER, OwnerKind.LOCATION: Record.LOCATION}

# What is about the record that holds the key, and what is about the number itself, are apart: one record may hold both.
_OWNERS, _NUMBERS = "trunkline.owner.", "trunkline.number."


class _Value(msgspec.Struct, frozen=True):
    kind: DecisionKind
    at: datetime
    by: str


def values(decisions: Sequence[DecisionRow]) -> dict[str, str | None]:
    """What is to be merged into the record that keeps these decisions."""
    return {MARK: MARKED} | {_key(row): None if row.withdrawn else _value(row) for row in decisions}


def read(keeper: Owner, held: Values) -> tuple[list[Restored], int]:
    """The decisions at a record, and how many of its values cannot be understood."""
    found, odd = [], 0
    for key, value in held.items():
        prefix = next((one for one in (_OWNERS, _NUMBERS) if key.startswith(one)), None)
        if prefix is None:
            continue
        number = key.removeprefix(prefix)
        decision = _read(value)
        if decision is None or phone.parse(number) != number or decision.kind.is_about_owner != (prefix == _OWNERS):
            odd += 1
            continue
        owner = keeper if prefix == _OWNERS else THE_NUMBER
        found.append(Restored(number, owner, decision.kind, decision.by, decision.at, keeper))
    return found, odd


def _key(row: DecisionRow) -> str:
    return f"{_OWNERS if row.kind.is_about_owner else _NUMBERS}{row.number}"


def _value(row: DecisionRow) -> str:
    at = row.decided_at.astimezone(UTC)
    return msgspec.json.encode(_Value(row.kind, at, row.decided_by[:LONGEST_NAME])).decode()


def _read(value: str) -> _Value | None:
    try:
        decision = msgspec.json.decode(value, type=_Value)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
    return decision if decision.at.tzinfo is not None else None
