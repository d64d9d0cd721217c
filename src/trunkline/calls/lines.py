"""Calling through a phone system, and listening to what it recorded."""

import httpx

from trunkline.calls.inspector import Inspector
from trunkline.domain import phone
from trunkline.phone_systems.base import OriginateAdapter, Originated, Recording, RecordingAdapter
from trunkline.store import calls as rows
from trunkline.store.database import Database


class CannotCall(ValueError):
    """There is no calling that number through that phone system; the message is one sentence."""


class PhoneLines:
    """What is asked of the phone systems themselves, for a company."""

    def __init__(self, database: Database, inspector: Inspector, http: httpx.AsyncClient) -> None:
        self._database = database
        self._inspector = inspector
        self._http = http

    async def originate(
        self, tenant_id: int, name: str, agent: str, number: str, *, caller_id: str | None = None
    ) -> Originated:
        """Ring `agent` on the phone system `name`, then call `number`, as people write it.

        Raises:
            NoSuchAccount: the company has no phone system of this name.
            CannotCall: it sets up no calls, or that is no number to call.
            PhoneSystemError: it was not set up, or nobody knows.
        """
        account = self._inspector.account(tenant_id, name)
        if not isinstance(account.adapter, OriginateAdapter):
            raise CannotCall(f"The phone system {name} sets up no calls for us.")
        outside = phone.parse(number, account.region)
        if outside is None:
            raise CannotCall(f"{number[:40]!r} is not a whole phone number; write it with its area code.")
        return await account.adapter.originate(self._http, agent, outside, caller_id=caller_id)

    async def recording(self, tenant_id: int, call_id: int, place: int) -> Recording | None:
        """The recording at `place` of a call, from where it is kept; `None` where there is none that needs us.

        Raises:
            NoSuchAccount: the call's phone system is not set up any more.
            PhoneSystemError: it cannot be had.
            DatabaseUnavailable: it cannot be told now.
        """
        async with self._database.connection() as connection:
            known = await rows.load(connection, [call_id])
        found = known.calls.get(call_id)
        if found is None or found.tenant_id != tenant_id or not 0 <= place < len(found.call.recordings):
            return None
        url = found.call.recordings[place]
        teller = next((one.account for one in known.events[call_id].values() if one.media_url == url), None)
        account = self._inspector.account(tenant_id, teller or found.call.account)
        if not isinstance(account.adapter, RecordingAdapter):
            return None
        return await account.adapter.recording(self._http, url)
