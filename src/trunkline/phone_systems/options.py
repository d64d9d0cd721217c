"""Options of an adapter, read strictly: a name nobody knows is a mistake, not a wish."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def read_options(kind: type[T], account: str, options: Mapping[str, object]) -> T:
    """`options` as `kind`, which must forbid unknown fields.

    Raises:
        ValueError: with one sentence that names the account and the option.
    """
    try:
        return msgspec.convert(dict(options), kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"Phone system {account}: {error}.") from None
