"""Notes on customers and jobs: append-only, without idempotency keys; job notes have no id at all."""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from trunkline.servicetitan.client import ServiceTitan

_PAGE_SIZE = 200


class Note(msgspec.Struct, frozen=True, rename="camel"):
    """A note as read back; `created_on` is UTC."""

    text: str
    created_on: datetime
    id: int | None = None


class _Created(msgspec.Struct):
    id: int | None = None


async def add_customer_note(client: ServiceTitan, customer_id: int, text: str) -> int | None:
    """Write a note on a customer and return its id, where ServiceTitan tells it.

    `text` is plain text. Published as ``crm.customers.create_note``.

    Raises:
        OutcomeUnknown: the note may stand there: look with :func:`customer_notes`.
        RetryLater, NeedsFixing, GivenUp: it does not.
    """
    created = await client.post(f"crm/v2/tenant/{{tenant}}/customers/{customer_id}/notes", {"text": text}, _Created)
    return created.id if created else None


async def add_job_note(client: ServiceTitan, job_id: int, text: str) -> None:
    """Write a note on a job; ServiceTitan gives no id.

    Published as ``jpm.jobs.create_note``; raises as :func:`add_customer_note`.
    """
    await client.post(f"jpm/v2/tenant/{{tenant}}/jobs/{job_id}/notes", {"text": text}, _Created)


async def customer_notes(client: ServiceTitan, customer_id: int, *, since: datetime) -> list[Note]:
    """The customer's notes written at or after `since` (UTC).

    Published as ``crm.customers.get_notes``; raises as :meth:`ServiceTitan.get`.
    """
    return [note async for note in _notes(client, f"crm/v2/tenant/{{tenant}}/customers/{customer_id}/notes", since)]


async def job_notes(client: ServiceTitan, job_id: int, *, since: datetime) -> list[Note]:
    """The job's notes written at or after `since` (UTC).

    Published as ``jpm.jobs.get_notes``; raises as :meth:`ServiceTitan.get`.
    """
    return [note async for note in _notes(client, f"jpm/v2/tenant/{{tenant}}/jobs/{job_id}/notes", since)]


async def _notes(client: ServiceTitan, path: str, since: datetime) -> AsyncIterator[Note]:
    # The order of notes is not published, so all pages are read and the filter is ours.
    async for page in client.pages(path, Note, page_size=_PAGE_SIZE):
        for note in page:
            if note.created_on >= since:
                yield note
