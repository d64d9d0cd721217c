"""Whose call it is, and what its card shows, where one phone system serves several tenants."""

from collections.abc import Mapping

import msgspec

from trunkline.domain.caller import CallerCard, Elsewhere, Match, MatchKind


def owner(tenants: Mapping[int, Match | None], *, did: str | None = None, dids: Mapping[str, int] | None = None) -> int:
    """The tenant a call belongs to: whom the number dialled leads to, else the only one that knows the caller for
    certain, else the first.

    `tenants` are the network's, at least one, with what each knows about the caller; `dids` gives numbers their tenant.
    """
    dialled = (dids or {}).get(did) if did is not None else None
    if dialled is not None and dialled in tenants:
        return dialled
    certain = [tenant for tenant, match in tenants.items() if match is not None and match.kind is MatchKind.SINGLE]
    return certain[0] if len(certain) == 1 else next(iter(tenants))


def shared_card(
    cards: Mapping[int, CallerCard] | Mapping[int, CallerCard | None], own: int, names: Mapping[int, str]
) -> CallerCard | None:
    """The card of tenant `own`, and whom the others know; `names` are the companies'."""
    card = cards.get(own)
    if card is None:
        return None
    elsewhere = tuple(
        Elsewhere(tenant, names[tenant], one.match)
        for tenant, one in cards.items()
        if tenant != own and one is not None and (one.match.candidates or one.match.staff)
    )
    return msgspec.structs.replace(card, elsewhere=elsewhere)
