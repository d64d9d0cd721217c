"""What a raw message says: the same to the tracker, to whoever looks at one message, and to whoever only tries."""

from collections.abc import Iterable, Sequence

import msgspec
import structlog

from trunkline.domain.call import Call
from trunkline.domain.events import CallEvent
from trunkline.domain.fold import fold, keys_of
from trunkline.phone_systems.base import Adapter, Parsed, RawMessage, Unreadable

log = structlog.get_logger(__name__)


def understand(adapter: Adapter, inbox_id: int, message: RawMessage) -> tuple[list[Parsed], str | None]:
    """What one message says, or one sentence about why that is nothing. One bad message never stops the next.

    Events without an id of the phone system's own get one from `inbox_id`, so that they are known again.
    """
    try:
        parsed = adapter.parse(message)
    except Unreadable as error:
        log.warning("a message could not be understood", account=adapter.account, inbox_id=inbox_id, reason=str(error))
        return [], str(error)
    except Exception:
        log.exception("an adapter failed on a message", account=adapter.account, inbox_id=inbox_id)
        return [], "The adapter failed on this message; please report it with the message."
    return [_with_id(item, f"{inbox_id}.{place}") for place, item in enumerate(parsed)], None


def _with_id(item: Parsed, event_id: str) -> Parsed:
    """Phone systems' own ids need be unique within a call only, and must not be taken for those given here."""
    if not isinstance(item, CallEvent):
        return item
    own = f"{item.call_key}/{item.event_id}" if item.event_id else event_id
    return msgspec.structs.replace(item, event_id=own)


def calls_of(events: Iterable[Parsed], *, region: str = "US") -> list[Call]:
    """The calls that events tell of, joined by their keys as the tracker joins them, the oldest first."""
    owner: dict[str, list[CallEvent]] = {}
    keys_held: dict[int, set[str]] = {}
    for event in (item for item in events if isinstance(item, CallEvent)):
        keys = set(keys_of(event))
        groups = {id(owner[key]): owner[key] for key in keys if key in owner}
        members = max(groups.values(), key=len, default=[])
        for other in groups.values():
            if other is not members:
                members.extend(other)
                keys |= keys_held.pop(id(other))
        members.append(event)
        keys_held.setdefault(id(members), set()).update(keys)
        owner.update(dict.fromkeys(keys, members))
    calls = [fold(members, region=region) for members in {id(one): one for one in owner.values()}.values()]
    return sorted(calls, key=lambda call: (str(call.started_at), call.call_key))


def in_memory(adapter: Adapter, messages: Sequence[tuple[int, RawMessage]], *, region: str = "US") -> list[Call]:
    """The calls that these messages, with their places in the inbox, would make. Nothing is stored."""
    return calls_of(
        (item for place, message in messages for item in understand(adapter, place, message)[0]), region=region
    )
