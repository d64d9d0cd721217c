"""RingCentral, as its webhooks and its call log speak."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from trunkline.sandbox.phones.ringcentral.call_log import history
from trunkline.sandbox.phones.ringcentral.calls import SCRIPTS, play
from trunkline.sandbox.phones.ringcentral.words import (
    ACCOUNT,
    DANA,
    MENU,
    QUEUE,
    Sessions,
    inside,
    outside,
    session_id,
    written,
)
from trunkline.sandbox.phones.speaker import Dialled, Handshake, Letter, Said, Vector

_ASKED = "00000000-0000-4000-8000-0000000000aa"
_USUAL = (("User-Agent", "RingCentral-Webhook/8.3"), ("Content-Type", "application/json; charset=UTF-8"))


class RingCentralSpeaker:
    """Proves itself by the token it was given with the order; nothing is signed."""

    system: ClassVar[str] = "ringcentral"
    scenarios: ClassVar[Sequence[str]] = tuple(SCRIPTS)
    silent_about: ClassVar[frozenset[str]] = frozenset()
    secret: ClassVar[str] = "not-a-real-Secret-0001"  # noqa: S105 - that is what it says
    another_secret: ClassVar[str] = "not-a-real-Secret-0002"  # noqa: S105
    signs_body: ClassVar[bool] = False
    stale_after_s: ClassVar[float | None] = None
    retries_s: ClassVar[Sequence[float]] = ()  # none are documented: a hook that fails is put on a black list
    retries_on: ClassVar[range] = range(0)
    vectors: ClassVar[Sequence[Vector]] = ()  # there is no digest

    def options(self, *secrets: str, address: str) -> Mapping[str, object]:
        """Its REST API's credentials, and which extensions are machines: one named by its name, one by its id."""
        return {
            "client_id": "example-client",
            "client_secret": "not-a-real-secret",
            "jwt_token": "not-a-real-jwt",
            "verification_tokens": list(secrets),
            "queues": [QUEUE.name],
            "menus": [MENU.id],
        }

    def play(self, scenario: str, call: Dialled) -> list[Said]:
        """One party a notification, as RingCentral mostly does."""
        return play(SCRIPTS[scenario], call)

    def history(self, scenario: str, call: Dialled) -> list[Said]:
        """The call log's records, in the detailed view."""
        return history(scenario, call)

    def strange(self, call: Dialled) -> list[Said]:
        """Codes, reasons, directions, origins and kinds of events that nobody has documented."""
        told = Sessions(call)
        dana = told.party(2, "Inbound", outside(call.caller), inside(DANA, call.did))
        dana.is_now(0.0, "Levitated", "Because")
        told.party(3, "Sideways", outside(call.caller), inside(DANA, call.did)).is_now(1.0, "Setup")
        told.notify(2.0, f"/restapi/v1.0/account/{ACCOUNT}/telephony/moods", {"mood": ["good"]})
        session = {"telephonySessionId": session_id(call, 1), "sequence": 9, "origin": {"type": "Telepathy", "via": 1}}
        path = f"/restapi/v1.0/account/{ACCOUNT}/telephony/sessions"
        told.notify(3.0, path, {**session, "parties": None})
        told.notify(4.0, path, {**session, "parties": [{"id": "p-x-4", "status": None, "from": None, "mood": {}}]})
        told.said.append(Said(5.0, written({"uuid": "1", "event": None, "body": None})))
        return told.said

    def sign(self, said: Said, secret: str, *, at: datetime, delivery: str, address: str) -> Letter:
        """The token in a header; the notification's own uuid tells deliveries apart."""
        return Letter(said.body, (*_USUAL, ("Verification-Token", secret)), kind=said.kind)

    def forge(self, letter: Letter) -> Sequence[Letter]:
        """The token missing, empty, twice, in another case, cut, longer, elsewhere, or beside a wrong one."""
        usual, (name, token) = letter.headers[:-1], letter.headers[-1]
        wrong = [(), ((name, ""),), ((name, token), (name, token)), (("Authorization", f"Bearer {token}"),)]
        wrong += [((name, other),) for other in (token.swapcase(), token[:-1], f"{token}x", f" {token}", "é")]
        wrong += [((name, token), ("Validation-Token", "other")), ((name, "other"), ("Validation-Token", token))]
        wrong += [(("Validation-Token", "other"),)]  # with a body it is an event, and no handshake
        forged = [replace(letter, headers=(*usual, *headers)) for headers in wrong]
        return [*forged, Letter(letter.body, usual, query=f"verification-token={token}"), Letter(b"", usual)]

    def handshake(self, secret: str, *, at: datetime, address: str) -> Handshake | None:
        """A token of its own, with no body, before it delivers anything."""
        asked = Letter(b"", (*_USUAL, ("Validation-Token", _ASKED)))
        return Handshake(asked, 200, headers={"Validation-Token": _ASKED})


SPEAKER = RingCentralSpeaker()
