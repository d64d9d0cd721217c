"""The tracker: events find their call, the call is folded anew, people are told - in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec
import structlog
from psycopg import AsyncConnection

from trunkline.calls.account import Account, Network, PhoneAccount
from trunkline.calls.identify import Identification
from trunkline.calls.intake import StoredMessage
from trunkline.calls.lately import Lately
from trunkline.calls.reading import understand
from trunkline.calls.views import CallView
from trunkline.domain import phone
from trunkline.domain.call import Call, CallState
from trunkline.domain.caller import CallerCard
from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, LiveCalls
from trunkline.domain.fold import fold, keys_of
from trunkline.domain.joining import as_behind
from trunkline.domain.network import owner, shared_card
from trunkline.faultpoints import fault_point
from trunkline.phone_systems.base import Parsed
from trunkline.store import calls as rows
from trunkline.store import inbox as inbox_rows
from trunkline.store import inspection
from trunkline.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

Tell = Callable[[CallView], None]
OnEnded = Callable[[int, int], Awaitable[None]]
Ended = tuple[int, int]  # whose call, and which
_Ahead = dict[tuple[int, str], asyncio.Task[CallerCard | None]]  # lookups under way, by tenant and number


class _Haste(NamedTuple):
    """What makes a pop quick: lookups that have begun, and who is told of a call without reading it again."""

    ahead: _Ahead
    tell: Tell


def _tell_nobody(_view: CallView) -> None:
    """The database's notice reaches those who watch."""


def _telling_nobody() -> AbstractContextManager[Tell]:
    return nullcontext(_tell_nobody)


_NO_HASTE = _Haste({}, _tell_nobody)
_NOT_STORED = "This message could not be brought into its call; please report it with the message."


class Tracker:
    """Takes raw messages from the inbox to the calls; `on_ended` is told (tenant, call) once a call is over.

    `in_front` names, for each phone system that stands in front of others, those behind it; `telling` tells those who
    watch in this process (:meth:`trunkline.calls.feed.LiveFeed.telling`).
    """

    def __init__(
        self,
        database: Database,
        identification: Identification,
        on_ended: OnEnded,
        in_front: Mapping[str, Sequence[str]] | None = None,
        telling: Callable[[], AbstractContextManager[Tell]] = _telling_nobody,
    ) -> None:
        self._database = database
        self._identification = identification
        self._on_ended = on_ended
        self._in_front = in_front or {}
        self._telling = telling
        self._lately = Lately()

    async def take(self, account: PhoneAccount, messages: Sequence[StoredMessage]) -> None:
        """Bring `messages` into the calls. Taking them again changes nothing.

        Raises:
            DatabaseUnavailable: try again; what was taken already is passed over.
        """
        await fault_point("tracker.before_commit")
        try:
            ended = await self._commit(account, messages)
        except DatabaseUnavailable:
            raise
        except Exception:
            if len(messages) > 1:  # the one that cannot be stored must not hold up the others
                for stored in messages:
                    await self.take(account, [stored])
                return
            log.exception("a message could not be taken to its call", account=account.name, inbox_id=messages[0].id)
            async with self._database.transaction() as connection:
                await inbox_rows.mark_unreadable(connection, messages[0].id, _NOT_STORED)
            return
        await fault_point("tracker.after_commit")
        for tenant_id, call_id in ended:
            await self._on_ended(tenant_id, call_id)

    async def _commit(self, account: PhoneAccount, messages: Sequence[StoredMessage]) -> list[Ended]:
        parsed = [(stored.id, *understand(account.adapter, stored.id, stored.message)) for stored in messages]
        events = [(row_id, event) for row_id, found, _ in parsed for event in found if not account.learn]
        ahead = self._look_ahead(account, [event for _, event in events if isinstance(event, CallEvent)])
        # What is lost with a crash of the server is still in the inbox, and unprocessed there.
        with self._telling() as tell:
            async with self._database.pipelined_transaction(durable=False) as connection:
                ended = await self._apply(connection, account, events, _Haste(ahead, tell)) if events else []
                for row_id, _, problem in parsed:
                    if problem is not None:
                        await inbox_rows.mark_unreadable(connection, row_id, problem)
                await inbox_rows.mark_processed(connection, [stored.id for stored in messages])
        self._lately.heard(
            account, [key for _, event in events if isinstance(event, CallEvent) for key in keys_of(event)]
        )
        return ended

    async def end_unheard(self, account: Account, silent: Sequence[rows.SilentCall]) -> None:
        """Calls of which nothing has been heard for so long that they are over.

        Raises:
            DatabaseUnavailable: try again; nothing was done.
        """
        async with self._database.pipelined_transaction() as connection:
            await rows.lock_account(connection, account.tenant_id, account.name)
            endings = [(None, _unheard(one.id, one.call, one.heard_at)) for one in silent]
            ended = await self._bring_in(connection, account, endings)
        for tenant_id, call_id in ended:
            await self._on_ended(tenant_id, call_id)

    async def identify_anew(self, tenant_id: int, number: str) -> None:
        """Calls in progress with this number get the card of now: somebody decided whose number it is.

        Raises:
            DatabaseUnavailable: nothing was done.
        """
        async with self._database.connection() as connection:
            found = await rows.open_calls_with(connection, tenant_id, number)
        if not found:
            return
        card = await self._identification.card(tenant_id, number)
        for account, calls in groupby(found, key=itemgetter(0)):
            async with self._database.transaction() as connection:
                await rows.lock_account(connection, *account)
                known = await rows.load(connection, [call_id for _, call_id in calls])
                for one in known.calls.values():
                    if one.card is not None and one.tenant_id == tenant_id and one.call.state is not CallState.ENDED:
                        shared = msgspec.structs.replace(card, elsewhere=one.card.elsewhere)
                        await rows.save(connection, [rows.folded(one.id, tenant_id, one.call, shared)])

    async def fold_within(self, connection: AsyncConnection, account: Account, call_ids: Sequence[int]) -> None:
        """Fold calls anew from their events, within the caller's transaction and locks."""
        await self._fold(connection, account, call_ids, await rows.load(connection, call_ids), _NO_HASTE)

    async def rebuild(self, call_id: int, told: Sequence[tuple[PhoneAccount, Sequence[StoredMessage]]]) -> None:
        """Make a call anew of all messages that told of it, by phone system: an adapter was mended.

        Raises:
            DatabaseUnavailable: nothing was done.
        """
        ended: list[Ended] = []
        async with self._database.transaction() as connection:
            for account, _ in told:
                await rows.lock_account(connection, account.tenant_id, account.name)
            await inspection.forget_events(connection, call_id, [one.id for _, stored in told for one in stored])
            for account, stored in told:
                ended += await self._tell_again(connection, account, call_id, stored)
            if told:  # also where nothing is left to tell of it
                await self.fold_within(connection, told[0][0], [call_id])
        for tenant_id, ended_id in ended:
            await self._on_ended(tenant_id, ended_id)

    async def _tell_again(
        self, connection: AsyncConnection, account: PhoneAccount, call_id: int, stored: Sequence[StoredMessage]
    ) -> list[Ended]:
        events: list[tuple[int | None, CallEvent]] = []
        for one in stored:
            found, problem = understand(account.adapter, one.id, one.message)
            events += [(one.id, item) for item in found if isinstance(item, CallEvent)]
            await inbox_rows.mark_understood(connection, one.id, problem)
        keys = sorted({key for _, event in events for key in keys_of(event)})
        await inspection.keep_keys(connection, account.tenant_id, account.name, call_id, keys)
        return await self._bring_in(connection, account, events)

    async def _apply(
        self, connection: AsyncConnection, account: Account, parsed: Sequence[tuple[int, Parsed]], haste: _Haste
    ) -> list[Ended]:
        await rows.lock_account(connection, account.tenant_id, account.name)
        ended: list[Ended] = []
        events: list[tuple[int | None, CallEvent]] = []
        for row_id, item in parsed:
            if isinstance(item, CallEvent):
                events.append((row_id, item))
            else:  # the list speaks of the calls of this very batch, too
                ended += await self._bring_in(connection, account, events, haste)
                events = [(row_id, event) for event in await self._endings(connection, account, item)]
        ended += await self._bring_in(connection, account, events, haste)
        return list(dict.fromkeys(ended))

    async def _bring_in(
        self,
        connection: AsyncConnection,
        account: Account,
        events: Sequence[tuple[int | None, CallEvent]],
        haste: _Haste = _NO_HASTE,
    ) -> list[Ended]:
        if not events:
            return []
        keys = {key for _, event in events for key in keys_of(event)}
        new = {event.call_key for event in self._unheard_of(account, [event for _, event in events])}
        known = await rows.find(connection, account.tenant_id, account.name, keys, new=len(new))
        touched, are_stale = await self._place(connection, account, events, known)
        if are_stale:
            known = await rows.load(connection, touched)
        return await self._fold(connection, account, touched, known, haste)

    async def _endings(self, connection: AsyncConnection, account: Account, live: LiveCalls) -> list[CallEvent]:
        """Calls that are not on the phone system's own list ended while nobody listened."""
        gone = await rows.open_calls_not_in(connection, account.tenant_ids, live)
        return [_unheard(call_id, call, live.as_of) for call_id, call in gone]

    async def _place(
        self,
        connection: AsyncConnection,
        account: Account,
        events: Sequence[tuple[int | None, CallEvent]],
        known: rows.Known,
    ) -> tuple[list[int], bool]:
        """Give every event to its call, and bring `known` up to date; calls that turn out to be one are merged.

        Returns which calls that touched, and whether a merge made what is known of them stale.
        """
        owners = known.owners
        first_owners: dict[str, int] = {}
        begun: list[rows.KnownCall] = []
        new: list[rows.NewEvent] = []
        touched: set[int] = set()
        are_stale = False
        for inbox_id, event in events:
            keys = keys_of(event)
            found = {owners[key] for key in keys if key in owners}
            if not found:
                call = await rows.begin(connection, account.tenant_ids[0], event, known.new_ids)
                call_id, known.calls[call.id] = call.id, call
                begun.append(call)
            elif len(found) == 1:
                call_id = found.pop()
            else:
                # What is merged has to be there.
                await rows.add(connection, account.tenant_id, account.name, calls=begun)
                begun = []
                call_id, are_stale = await self._merge(connection, found, owners, touched), True
            fresh = {key: call_id for key in keys if key not in owners}
            first_owners.update(fresh)
            owners.update(fresh)
            new.append(rows.NewEvent(call_id, inbox_id, event))
            known.events.setdefault(call_id, {}).setdefault(event.event_id, event)
            touched.add(call_id)
        new_keys = [rows.NewKey(key, owners[key], first) for key, first in first_owners.items()]
        await rows.add(connection, account.tenant_id, account.name, calls=begun, keys=new_keys, events=new)
        return sorted(touched), are_stale

    def _unheard_of(self, account: Account, events: Iterable[CallEvent]) -> list[CallEvent]:
        """Events of calls that are new, as far as this process can tell."""
        return [event for event in events if not self._lately.knows_any(account, keys_of(event))]

    def _look_ahead(self, account: Account, events: Iterable[CallEvent]) -> _Ahead:
        """Look up who calls while the first events of their calls are stored."""
        new = self._unheard_of(account, events)
        outside = {one.external_number for one in new if one.direction is not Direction.INTERNAL}
        numbers = {phone.parse(text, account.region) for text in outside if text}
        return {
            (tenant_id, number): asyncio.create_task(self._identification.card_at_ring(tenant_id, number))
            for tenant_id in account.tenant_ids
            for number in numbers
            if number is not None
        }

    async def _merge(
        self, connection: AsyncConnection, call_ids: Iterable[int], owners: dict[str, int], touched: set[int]
    ) -> int:
        candidates = sorted(call_ids)
        older = await rows.older_of(connection, candidates)
        for younger in candidates:
            if younger != older:
                await rows.merge(connection, older, younger)
                touched.discard(younger)
                owners.update({key: older for key, owner in owners.items() if owner == younger})
        return older

    async def _fold(
        self,
        connection: AsyncConnection,
        account: Account,
        call_ids: Sequence[int],
        known: rows.Known,
        haste: _Haste,
    ) -> list[Ended]:
        """Fold and save; returns the calls that just ended."""
        call_ids = [call_id for call_id in call_ids if known.events.get(call_id)]
        calls = [fold(self._joined(known.events[call_id].values()), region=account.region) for call_id in call_ids]
        cards = await asyncio.gather(
            *(
                self._card(account, call, known.calls[call_id], haste.ahead)
                for call_id, call in zip(call_ids, calls, strict=True)
            )
        )
        changed = [
            (known.calls[call_id], rows.folded(call_id, tenant_id, call, card))
            for call_id, call, (tenant_id, card) in zip(call_ids, calls, cards, strict=True)
            if (call, card) != (known.calls[call_id].call, known.calls[call_id].card)
        ]
        if changed:
            await rows.save(connection, [now for _, now in changed])
        ended = []
        for before, now in changed:
            if now.tenant != before.tenant_id:
                await rows.notify_moved(connection, before.tenant_id, now.id)
            if CallState.ENDED not in (now.call.state, before.call.state):  # the logbook has no word on it
                haste.tell(CallView(now.id, now.tenant, before.ref, before.version + 1, now.call, now.card))
            elif before.call.state is not CallState.ENDED:
                ended.append((now.tenant, now.id))
        return ended

    def _joined(self, events: Iterable[CallEvent]) -> Iterable[CallEvent]:
        """Events of a call that several phone systems told of, as those in front are to be understood."""
        events = list(events)
        told_by = {event.account for event in events}
        if len(told_by) == 1:
            return events
        fronts = {name for name in told_by if not told_by.isdisjoint(self._in_front.get(name, ()))}
        return as_behind(events, frozenset(fronts))

    async def _card(
        self, account: Account, call: Call, before: rows.KnownCall, ahead: _Ahead
    ) -> tuple[int, CallerCard | None]:
        """Whose call it is, and its card: looked up at the ring, at the latest at the end; anew when the number is
        another. Colleagues need none.
        """
        outside = call.direction is not None and call.direction is not Direction.INTERNAL
        if not outside and call.external_number is None:
            return before.tenant_id, None
        if before.card is not None and before.card.number == call.external_number:
            return before.tenant_id, before.card
        if account.network is None:
            return before.tenant_id, await self._look_up(before.tenant_id, call, ahead)
        found = await asyncio.gather(*(self._look_up(tenant, call, ahead) for tenant in account.tenant_ids))
        return _share(account.network, call, before, dict(zip(account.tenant_ids, found, strict=True)))

    async def _look_up(self, tenant_id: int, call: Call, ahead: _Ahead) -> CallerCard | None:
        number = call.external_number
        begun = ahead.get((tenant_id, number)) if number is not None else None
        if begun is not None and (card := await begun) is not None:
            return card
        if call.state is CallState.ENDED:
            return await self._identification.card_at_end(tenant_id, number)
        return None if begun is not None else await self._identification.card_at_ring(tenant_id, number)


def _share(
    network: Network, call: Call, before: rows.KnownCall, cards: dict[int, CallerCard | None]
) -> tuple[int, CallerCard | None]:
    """Whose call it is stays as it was once there was a number to tell by."""
    own = before.tenant_id
    if before.card is None or before.card.number is None:
        did = phone.parse(call.did) or call.did if call.did else None
        own = owner(
            {tenant: card.match if card else None for tenant, card in cards.items()}, did=did, dids=network.dids
        )
    return own, shared_card(cards, own, network.tenants)


def _unheard(call_id: int, call: Call, at: datetime) -> CallEvent:
    return CallEvent(
        system=call.system,
        account=call.account,
        call_key=call.call_key,
        kind=EventKind.ENDED,
        occurred_at=at,
        event_id=f"gone:{call_id}",
        reason=EndReason.UNHEARD,
    )
