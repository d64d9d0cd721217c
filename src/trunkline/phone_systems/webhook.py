"""Anything that can send a signed webhook: our own JSON, signed after the Standard Webhooks specification.

The format is documented in docs/webhook.md.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Self

import msgspec
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from trunkline.domain.events import CallEvent, Direction, EndReason, EventKind, Party, PartyKind
from trunkline.phone_systems.base import Capability, Parsed, RawMessage, Unreadable
from trunkline.phone_systems.delivery import Answer, Delivery, Refused
from trunkline.phone_systems.options import read_options

LONGEST_ID = 255  # longer ones would not fit an index
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class WebhookOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Secrets start with ``whsec_``; several are accepted at a time, so that they can be changed without a gap."""

    secrets: list[str]

    def __repr__(self) -> str:
        return f"WebhookOptions({len(self.secrets)} secrets)"


_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]


class _Agent(msgspec.Struct):
    extension: str | None = None
    name: str | None = None
    email: str | None = None
    id: str | None = None


class _Event(msgspec.Struct):
    kind: str
    call_id: _Id
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    event_id: Annotated[str, msgspec.Meta(max_length=LONGEST_ID)] = ""
    leg_id: _Id | None = None
    aliases: tuple[_Id, ...] = ()
    direction: Direction | None = None
    external_number: str | None = None
    external_name: str | None = None
    did: str | None = None
    agent: _Agent | None = None
    queue: str | None = None
    reason: str | None = None
    recording_url: str | None = None
    text: str | None = None


class _Events(msgspec.Struct):
    events: list[_Event]


class WebhookAdapter:
    """A phone system without an adapter of its own."""

    system: ClassVar[str] = "webhook"
    capabilities: ClassVar[Capability] = Capability.WEBHOOK
    acknowledgement: ClassVar[Answer] = Answer(202)

    def __init__(self, account: str, options: WebhookOptions) -> None:
        self.account = account
        try:
            self._verifiers = [_verifier(secret) for secret in options.secrets]
        except (ValueError, RuntimeError, EmptyWebhookSecretError):
            raise ValueError(f"Phone system {account}: a webhook secret is whsec_ followed by base64.") from None
        if not self._verifiers:
            raise ValueError(f"Phone system {account}: give at least one webhook secret.")

    @classmethod
    def configure(cls, account: str, options: Mapping[str, object]) -> Self:
        """An adapter from settings.

        Raises:
            ValueError: with one sentence that names the option.
        """
        return cls(account, read_options(WebhookOptions, account, options))

    def verify(self, delivery: Delivery) -> RawMessage:
        """Prove who sent `delivery`; nothing of its body is parsed before.

        Raises:
            Refused: it is too old, not signed, or signed with another secret.
        """
        given = {name: delivery.header(name) for name in _HEADERS}
        if len(given["webhook-id"]) > LONGEST_ID:
            raise Refused(f"The header webhook-id is longer than {LONGEST_ID} characters.", status=400)
        delivery.check_age(given["webhook-timestamp"])
        if not any(_holds(verifier, delivery.body, given) for verifier in self._verifiers):
            raise Refused("The signature does not match any secret of this account.")
        return RawMessage(delivery.body, delivery.received_at, delivery_id=given["webhook-id"])

    def parse(self, message: RawMessage) -> list[Parsed]:
        """The events in one delivery.

        Raises:
            Unreadable: the JSON is broken, or a field has the wrong type.
        """
        try:
            events = _decode(message.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(f"The webhook's JSON cannot be read: {error}.") from None
        return [self._event(event) for event in events]

    def _event(self, event: _Event) -> CallEvent:
        kind = EventKind(event.kind) if event.kind in set(EventKind) else EventKind.UNKNOWN
        agent = event.agent
        party = Party(PartyKind.AGENT, agent.extension, agent.name, agent.id, agent.email) if agent else None
        if party is None and event.queue and kind is EventKind.ROUTED:
            party = Party(PartyKind.QUEUE, name=event.queue)
        return CallEvent(
            system=self.system,
            account=self.account,
            call_key=event.call_id,
            kind=kind,
            occurred_at=event.occurred_at,
            event_id=event.event_id,
            leg_key=event.leg_id,
            aliases=event.aliases,
            direction=event.direction,
            external_number=event.external_number,
            external_name=event.external_name,
            did=event.did,
            party=party,
            queue=event.queue,
            reason=_reason(event.reason),
            vendor_kind=event.kind,
            media_url=event.recording_url,
            text=event.text,
        )


def _decode(body: bytes) -> list[_Event]:
    probe = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if "events" in probe:
        return msgspec.json.decode(body, type=_Events).events
    return [msgspec.json.decode(body, type=_Event)]


def _reason(text: str | None) -> EndReason | None:
    if text is None:
        return None
    return EndReason(text) if text in set(EndReason) else EndReason.UNKNOWN


def _verifier(secret: str) -> Webhook:
    if not secret.startswith("whsec_"):
        raise ValueError("not a webhook secret")
    return Webhook(secret)


def _holds(verifier: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    try:
        verifier.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: the signature is no base64
        return False
    return True
