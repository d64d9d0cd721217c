"""The logbook's notes and bookings in ServiceTitan: which operation serves which kind."""

from datetime import datetime

from trunkline.domain.logging_plan import LogKind, marker, new_caller
from trunkline.servicetitan.bookings import add_booking, bookings_with
from trunkline.servicetitan.client import ServiceTitan
from trunkline.servicetitan.errors import NeedsFixing
from trunkline.servicetitan.notes import Note, add_customer_note, add_job_note, customer_notes, job_notes

_PAUSED = (
    "This company is paused, or its secrets cannot be read; the call is logged once it is resumed in the settings."
)


class ServiceTitanNotes:
    """Notes on one tenant's customers and jobs, and its bookings."""

    def __init__(self, client: ServiceTitan) -> None:
        self._client = client

    async def add(self, kind: LogKind, target_id: int, text: str) -> int | None:
        """Write a note or make a booking; job notes have no id in ServiceTitan's reply."""
        if kind is LogKind.BOOKING:
            who = new_caller(text)
            return await add_booking(
                self._client, target_id, name=who.name, number=who.number, summary=text, external_id=who.ref
            )
        if kind is LogKind.CUSTOMER_NOTE:
            return await add_customer_note(self._client, target_id, text)
        await add_job_note(self._client, target_id, text)
        return None

    async def find(self, kind: LogKind, target_id: int, ref: str, *, since: datetime) -> Note | None:
        """What stands there of the call `ref`; a note only if it was written at or after `since` (UTC)."""
        if kind is LogKind.BOOKING:
            booked = await bookings_with(self._client, target_id, ref)
            return next((Note(one.summary or "", one.created_on, one.id) for one in booked), None)
        read = customer_notes if kind is LogKind.CUSTOMER_NOTE else job_notes
        notes = await read(self._client, target_id, since=since)
        return next((note for note in notes if marker(ref) in note.text), None)


class PausedNotes:
    """A tenant that is paused: nothing is written, and what should be waits until it is resumed."""

    async def add(self, kind: LogKind, target_id: int, text: str) -> int | None:
        """Wait."""
        raise NeedsFixing(_PAUSED)

    async def find(self, kind: LogKind, target_id: int, ref: str, *, since: datetime) -> Note | None:
        """Wait."""
        raise NeedsFixing(_PAUSED)
