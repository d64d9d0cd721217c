"""Delivers what a speaker says as its vendor would: signed, in its time, tried again on the vendor's plan."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx

from trunkline.sandbox.phones.speaker import Dialled, Said, Speaker, WebhookSpeaker

_NOT_DELIVERED = {"history", "lookup"}  # what we ask for, and what we are asked


@dataclass(frozen=True)
class Line:
    """Where deliveries go. `address` is what the vendor believes it calls; `pace` stretches all its waits."""

    url: str
    secret: str
    address: str
    pace: float = 1.0


@dataclass
class Sent:
    """What became of the deliveries, and how each status was counted."""

    acknowledged: int = 0
    given_up: int = 0
    tries: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


class Sender:
    """Delivers for one speaker; `sent` grows meanwhile."""

    def __init__(self, speaker: WebhookSpeaker, line: Line, http: httpx.AsyncClient) -> None:
        self.sent = Sent()
        self._speaker = speaker
        self._line = line
        self._http = http
        self._serials = count(1)

    async def play(self, calls: Sequence[tuple[str, Dialled]], *, every_s: float) -> None:
        """Play these calls, one beginning `every_s` seconds after another."""
        async with asyncio.TaskGroup() as tasks:
            for scenario, call in calls:
                tasks.create_task(self._call(scenario, call))
                await asyncio.sleep(every_s)

    async def _call(self, scenario: str, call: Dialled) -> None:
        said_before_s = 0.0
        for said in self._speaker.play(scenario, call):
            await asyncio.sleep(max(0.0, said.after_s - said_before_s) * self._line.pace)
            said_before_s = max(said_before_s, said.after_s)
            if said.kind not in _NOT_DELIVERED:
                await self.deliver(said, delivery=f"{call.serial}-{next(self._serials)}")

    async def deliver(self, said: Said, *, delivery: str) -> bool:
        """One delivery, tried as often as the vendor tries; whether it was acknowledged."""
        waited_s = 0.0
        for at_s in (0.0, *self._speaker.retries_s):
            await asyncio.sleep(max(0.0, at_s - waited_s) * self._line.pace)
            waited_s = at_s
            status = await self._post(said, delivery)
            self.sent.tries += 1
            self.sent.statuses[status] += 1
            if 200 <= status < 300:
                self.sent.acknowledged += 1
                return True
            if status and status not in self._speaker.retries_on:
                break
        self.sent.given_up += 1
        return False

    async def _post(self, said: Said, delivery: str) -> int:
        """The status; 0 where there was no answer."""
        line = self._line
        letter = self._speaker.sign(said, line.secret, at=datetime.now(UTC), delivery=delivery, address=line.address)
        url = line.url + (f"/{letter.kind}" if letter.kind else "") + (f"?{letter.query}" if letter.query else "")
        try:
            answer = await self._http.post(url, content=letter.body, headers=list(letter.headers))
        except httpx.HTTPError:
            return 0
        return answer.status_code


async def send_calls(speaker: WebhookSpeaker, line: Line, calls: int, *, first_serial: int, every_s: float) -> Sent:
    """Play so many calls of all kinds, with ids from `first_serial` on; what became of their deliveries."""
    async with httpx.AsyncClient(timeout=15.0) as http:
        sender = Sender(speaker, line, http)
        await sender.play(schedule(speaker, calls, first_serial=first_serial, every_s=every_s), every_s=every_s)
    return sender.sent


def schedule(speaker: Speaker, calls: int, *, first_serial: int, every_s: float) -> list[tuple[str, Dialled]]:
    """So many calls of all kinds that the speaker plays, each with ids of its own and a caller of 555-01xx."""
    now = datetime.now(UTC)
    return [
        (
            speaker.scenarios[place % len(speaker.scenarios)],
            Dialled(
                now + timedelta(seconds=place * every_s),
                serial=first_serial + place,
                caller=f"+143755501{place % 100:02d}",
            ),
        )
        for place in range(calls)
    ]
