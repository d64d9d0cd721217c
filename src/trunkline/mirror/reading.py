"""Reading one resource from where its copy stands: export feeds by token, lists page by page, or the one answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog

from trunkline.mirror.catalog import Kind, Resource
from trunkline.mirror.drift import Found
from trunkline.mirror.workshop import Workshop
from trunkline.servicetitan.answers import decode
from trunkline.servicetitan.client import RawPage, ServiceTitan
from trunkline.servicetitan.errors import InvalidRequest, UnexpectedAnswer
from trunkline.store.mirror import FeedState, Reading, Staged
from trunkline.store.rows import StagedRows

log = structlog.get_logger(__name__)
T = TypeVar("T")

OVERLAP = timedelta(minutes=5)  # what is asked for by date overlaps: clocks differ
COMPLETE_EVERY = timedelta(days=1)  # a list tells of what changed, but not of what vanished
TRIES = 3  # of an answer that is cut off or garbled

Pages = AsyncIterator["Fetched"]


@dataclass(frozen=True)
class Fetched:
    """One page, ready to be stored; `token` goes on after it, `reading` is its part in a complete reading."""

    staged: Staged | StagedRows
    token: str | None
    last: bool
    reading: Reading | None
    drift: Found


class Reader:
    """Reads the resources of one tenant; `forget` is told that ServiceTitan refused a resource's token."""

    def __init__(self, client: ServiceTitan, region: str, forget: Callable[[str], Awaitable[None]]) -> None:
        self._client = client
        self._workshop = Workshop(client.tenant_id, region)
        self._forget = forget

    def pages(self, resource: Resource, state: FeedState) -> Pages:
        """What is new since `state`; everything where nothing was read yet.

        Raises:
            ServiceTitanError: as the client's reads.
        """
        if resource.kind is Kind.EXPORT:
            return self._export_pages(resource, state)
        if resource.kind is Kind.LIST:
            return self._list_pages(resource, state)
        return self._plain_answer(resource)

    async def _export_pages(self, resource: Resource, state: FeedState) -> Pages:
        token = state.continue_from or _since(state)
        fell_back = False
        while True:
            try:
                page = await _patiently(partial(self._export_page, resource, token))
            except InvalidRequest:
                if fell_back or token == _since(state):
                    raise
                fell_back = True
                log.warning("ServiceTitan refused a continuation token; going on by date", feed=resource.name)
                token = _since(state)
                await self._forget(resource.name)
                continue
            token = page.continue_from or token
            yield await self._fetched(resource, page.data, page.continue_from, last=not page.has_more)
            if not page.has_more:
                return

    async def _export_page(self, resource: Resource, token: str | None) -> RawPage:
        path, query = resource.operation.path, resource.fixed_query
        return _checked(
            await self._client.export(path, RawPage, query, continue_from=token, include_recent_changes=True)
        )

    async def _list_pages(self, resource: Resource, state: FeedState) -> Pages:
        """Lists have no token: what was modified since the newest row, and from time to time everything.

        How new that is counts only once the last page is there, since pages are not ordered by date.
        """
        complete = _is_complete_reading_due(resource, state)
        query: dict[str, Any] = {**resource.fixed_query, "pageSize": resource.page_size}
        if not complete and (since := _since(state)):
            query[resource.since] = since
        if "sort" in resource.parameters:
            query["sort"] = "+Id"  # else rows change places while we turn the pages
        newest: str | None = None
        number = 1
        while True:
            try:
                page = await _patiently(partial(self._list_page, resource, {**query, "page": number}))
            except InvalidRequest:
                if query.pop("sort", None) is None:
                    raise
                continue  # not every list can be sorted by id
            fetched = await self._fetched(
                resource, page.data, None, last=not page.has_more, reading=number == 1 if complete else None
            )
            newest = max(filter(None, (newest, fetched.staged.newest)), default=None)
            staged = msgspec.structs.replace(fetched.staged, newest=newest if fetched.last else None)
            yield replace(fetched, staged=staged)
            if fetched.last:
                return
            number += 1

    async def _list_page(self, resource: Resource, query: dict[str, Any]) -> RawPage:
        return _checked(await self._client.get(resource.operation.path, RawPage, query, bulk=True))

    async def _plain_answer(self, resource: Resource) -> Pages:
        path, query = resource.operation.path, resource.fixed_query
        answer = await _patiently(lambda: self._client.get(path, msgspec.Raw, query, bulk=True))
        yield await self._fetched(resource, _rows_of(answer), None, last=True, reading=True)

    async def _fetched(
        self, resource: Resource, page: msgspec.Raw, token: str | None, *, last: bool, reading: bool | None = None
    ) -> Fetched:
        """Prepare a page, a JSON array; `reading` says whether it is the first of a complete reading, if of any."""
        landed = await self._workshop.land(resource, memoryview(page), more=not last)
        read = None if reading is None else Reading(first=reading, lines=landed.read)
        return Fetched(landed.staged, token, last, read, landed.drift)


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again where the answer is cut off or garbled: the next is most likely whole."""
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except UnexpectedAnswer as error:
            log.info("an answer could not be read; asking again", reason=str(error))
    return await ask()


def _checked(page: RawPage) -> RawPage:
    if not _is_list(page.data):
        raise UnexpectedAnswer("ServiceTitan's answer cannot be read (its rows are no list).")
    return page


def _rows_of(answer: msgspec.Raw) -> msgspec.Raw:
    """The rows in an answer: a list, a list under `data`, or the answer itself."""
    if _is_list(answer):
        return answer
    data = decode(answer, dict[str, msgspec.Raw]).get("data")
    return data if data is not None and _is_list(data) else msgspec.Raw(b"[%b]" % bytes(answer))


def _is_list(value: msgspec.Raw) -> bool:
    return bytes(memoryview(value)[:40]).lstrip()[:1] == b"["


def _is_complete_reading_due(resource: Resource, state: FeedState) -> bool:
    if not resource.incremental or _since(state) is None or state.full_at is None:
        return True
    return datetime.now(UTC) - state.full_at >= COMPLETE_EVERY


def _since(state: FeedState) -> str | None:
    """Where to begin without a token; from the very beginning until everything was read once."""
    if not state.complete or state.max_modified_on is None:
        return None
    return f"{state.max_modified_on - OVERLAP:%Y-%m-%dT%H:%M:%SZ}"
