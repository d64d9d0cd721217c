"""The logbook's notes in ServiceTitan: which operation serves which kind."""

from datetime import datetime

from trunkline.domain.logging_plan import LogKind
from trunkline.servicetitan.client import ServiceTitan
from trunkline.servicetitan.errors import NeedsFixing
from trunkline.servicetitan.notes import Note, add_customer_note, add_job_note, customer_notes, job_notes

_PAUSED = (
    "This company is paused, or its secrets cannot be read; the call is logged once it is resumed in the settings."
)


class ServiceTitanNotes:
    """Notes on one tenant's customers and jobs."""

    def __init__(self, client: ServiceTitan) -> None:
        self._client = client

    async def add(self, kind: LogKind, target_id: int, text: str) -> int | None:
        """Write a note; job notes have no id in ServiceTitan's reply."""
        if kind is LogKind.CUSTOMER_NOTE:
            return await add_customer_note(self._client, target_id, text)
        await add_job_note(self._client, target_id, text)
        return None

    async def recent(self, kind: LogKind, target_id: int, *, since: datetime) -> list[Note]:
        """The target's notes written at or after `since` (UTC)."""
        read = customer_notes if kind is LogKind.CUSTOMER_NOTE else job_notes
        return await read(self._client, target_id, since=since)


class PausedNotes:
    """A tenant that is paused: nothing is written, and what should be waits until it is resumed."""

    async def add(self, kind: LogKind, target_id: int, text: str) -> int | None:
        """Wait."""
        raise NeedsFixing(_PAUSED)

    async def recent(self, kind: LogKind, target_id: int, *, since: datetime) -> list[Note]:
        """Wait."""
        raise NeedsFixing(_PAUSED)
