"""Phone systems, for whoever looks after them: what each said, what was understood, what is wrong."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from litestar.params import Body, FromPath, JSONBody, PathParameter, QueryParameter
from litestar.response import Redirect, Stream, Template

from trunkline.calls.inspector import Inspector, MessageView, NoSuchAccount, Phones
from trunkline.calls.lines import CannotCall
from trunkline.phone_systems.base import SetUpByFile
from trunkline.phone_systems.errors import OutcomeUnknown, PhoneSystemError, RetryLater
from trunkline.web.api import Tenant, problems
from trunkline.web.guard import require
from trunkline.web.office import Office, TheOffice
from trunkline.web.ports import PhoneDesk
from trunkline.web.rendering import page
from trunkline.web.rights import Right

PAGE_OF_MESSAGES = 25
MOST_MESSAGES = 200

Id = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]
Before = Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1, description="Go on after the message with this id.")]
WholeNumbers = NamedDependency[bool]
Unread = Annotated[bool, QueryParameter(description="Only what was not understood.")]
Fields = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


def phones(office: Office) -> PhoneDesk:
    """The phone desk.

    Raises:
        NotFoundException: this installation has none.
    """
    if office.phones is None:
        raise NotFoundException("No phone systems are looked after here.")
    return office.phones


def _whole_numbers(
    request: Request[Any, Any, Any],
    numbers: Annotated[bool, QueryParameter(description="Show telephone numbers whole: for administrators.")] = False,
) -> bool:
    """Whether numbers are to be shown whole.

    Raises:
        Refusal: they are, and whoever asks may not see them so.
    """
    if numbers:
        require(request.scope, Right.WHOLE_NUMBERS)
    return numbers


_ASKED = {"whole_numbers": Provide(_whole_numbers, sync_to_thread=False)}


class PhonePages(Controller):
    """One phone system, one message, and what people do with a call's messages."""

    include_in_schema = False
    dependencies = _ASKED

    @get("/phone-systems/{account:str}", right=Right.DESK)
    async def system(
        self,
        office: TheOffice,
        *,
        account: FromPath[str],
        tenant: Tenant = None,
        unread: Unread = False,
        before: Before = None,
        whole_numbers: WholeNumbers,
    ) -> Template:
        """What a phone system said, beside what was understood of it."""
        info = office.tenant(tenant)
        inspector = phones(office).inspector
        chosen = {"unread": unread, "before": before, "numbers": whole_numbers}
        found = await _messages(inspector, info.tenant_id, account, limit=PAGE_OF_MESSAGES, **chosen)
        system = next(one for one in (await inspector.phones(info.tenant_id)).systems if one.account == account)
        learned = await inspector.learned(info.tenant_id, account) if system.learning and before is None else []
        shown = {"system": system, "messages": found, "learned": learned, "unread": unread, "numbers": whole_numbers}
        more = found[-1].id if len(found) == PAGE_OF_MESSAGES else None
        return page("phone_system.html", info, {"here": "Health", "before": more, **shown})

    @get("/phone-systems/{account:str}/messages/{message_id:int}", right=Right.DESK)
    async def message(
        self,
        office: TheOffice,
        account: FromPath[str],
        message_id: Id,
        whole_numbers: WholeNumbers,
        tenant: Tenant = None,
    ) -> Template:
        """One message, whole."""
        info = office.tenant(tenant)
        found = await _message(phones(office).inspector, info.tenant_id, account, message_id, whole_numbers)
        return page(
            "phone_message.html", info, {"here": "Health", "account": account, "one": found, "numbers": whole_numbers}
        )

    @post("/phone-systems/{account:str}/set-up-file", status_code=200, cache_control=None, right=Right.ADMINISTRATION)
    async def set_up_file(
        self, request: Request[Any, Any, Any], office: TheOffice, account: FromPath[str], data: Fields
    ) -> Response[bytes]:
        """The file that sets a phone system up, with our key in it: made for this one download, kept nowhere."""
        desk, info = phones(office), office.tenant(_tenant(data))
        try:
            adapter = desk.inspector.account(info.tenant_id, account).adapter
        except NoSuchAccount as error:
            raise NotFoundException(str(error)) from None
        if not isinstance(adapter, SetUpByFile):
            raise NotFoundException("This phone system is set up without a file.")
        made = adapter.set_up_file(desk.public_url or str(request.base_url).rstrip("/"))
        headers = {"content-disposition": f'attachment; filename="{made.name}"', "cache-control": "no-store"}
        return Response(made.body, media_type=made.media_type, headers=headers)

    @post("/calls/{call_id:int}/rebuild", right=Right.MENDING)
    async def rebuild(self, office: TheOffice, call_id: Id, data: Fields) -> Redirect:
        """Make the call anew of its messages."""
        info = office.tenant(_tenant(data))
        await _rebuild(office, info.tenant_id, call_id)
        return Redirect(f"/calls/{call_id}?tenant={info.tenant_id}", status_code=303)

    @post("/calls/{call_id:int}/apart", right=Right.MENDING)
    async def apart(self, office: TheOffice, call_id: Id, data: Fields) -> Redirect:
        """Show apart what two phone systems told of."""
        info = office.tenant(_tenant(data))
        await _part(office, info.tenant_id, call_id)
        return Redirect(f"/calls/{call_id}?tenant={info.tenant_id}", status_code=303)

    @get("/calls/{call_id:int}/recordings/{place:int}", right=Right.DESK)
    async def recording(
        self, office: TheOffice, call_id: Id, place: Annotated[int, PathParameter(ge=0, le=1000)], tenant: Tenant = None
    ) -> Stream:
        """Listen to a recording that the phone system keeps for us."""
        info = office.tenant(tenant)
        try:
            found = await phones(office).lines.recording(info.tenant_id, call_id, place)
        except NoSuchAccount as error:
            raise NotFoundException(str(error)) from None
        except PhoneSystemError as error:
            raise _trouble(error) from None
        if found is None:
            raise NotFoundException("There is no such recording that needs our help to be heard.")
        return Stream(_pieces(found.chunks), media_type=found.media_type)


class ToCall(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to call, through which phone system, for which agent (an extension, or what the vendor calls a user)."""

    account: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    agent: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    number: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    caller_id: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] | None = None


class CallSetUp(msgspec.Struct, frozen=True):
    """The phone system rings the agent; `call_key` is its own key of the call, where it says so."""

    call_key: str | None


class PhoneApi(Controller):
    """The same for programs."""

    path = "/api/v1"
    tags = ("Phone systems",)
    dependencies = _ASKED

    @get(
        "/phone-systems",
        summary="Phone systems, alarms, ledger",
        responses=problems(400, 401, 404, 503),
        right=Right.DESK,
    )
    async def systems(self, office: TheOffice, tenant: Tenant = None) -> Phones:
        """How each phone system is, what is wrong, and of each day what it told of and what became of that."""
        info = office.tenant(tenant, guess=False)
        return await phones(office).inspector.phones(info.tenant_id)

    @get(
        "/phone-systems/{account:str}/messages",
        summary="Raw messages",
        responses=problems(400, 401, 403, 404, 503),
        right=Right.DESK,
    )
    async def messages(
        self,
        office: TheOffice,
        *,
        account: FromPath[str],
        tenant: Tenant = None,
        unread: Unread = False,
        before: Before = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MOST_MESSAGES, description="How many.")] = 50,
        whole_numbers: WholeNumbers,
    ) -> list[MessageView]:
        """What a phone system said, the newest first, each with what is understood of it. Secrets are taken out."""
        info = office.tenant(tenant, guess=False)
        chosen = {"unread": unread, "before": before, "numbers": whole_numbers, "limit": limit}
        return await _messages(phones(office).inspector, info.tenant_id, account, **chosen)

    @post(
        "/calls/originate",
        summary="Click to call",
        status_code=201,
        responses=problems(400, 401, 403, 404, 409, 502, 503),
        right=Right.DESK,
    )
    async def originate(self, office: TheOffice, data: JSONBody[ToCall], tenant: Tenant = None) -> CallSetUp:
        """Ring the agent's phone, then call the number. Never repeated by itself: 409 says that nobody knows."""
        info = office.tenant(tenant, guess=False)
        try:
            made = await phones(office).lines.originate(
                info.tenant_id, data.account, data.agent, data.number, caller_id=data.caller_id
            )
        except NoSuchAccount as error:
            raise NotFoundException(str(error)) from None
        except CannotCall as error:
            raise ValidationException(str(error)) from None
        except PhoneSystemError as error:
            raise _trouble(error) from None
        return CallSetUp(made.call_key)

    @post(
        "/calls/{call_id:int}/rebuild",
        summary="Build a call anew",
        status_code=204,
        responses=problems(401, 403, 404, 503),
        right=Right.MENDING,
    )
    async def rebuild(self, office: TheOffice, call_id: Id, tenant: Tenant = None) -> None:
        """Read all messages that told of the call again, as they are understood now."""
        await _rebuild(office, office.tenant(tenant, guess=False).tenant_id, call_id)

    @post(
        "/calls/{call_id:int}/apart",
        summary="Part joined calls",
        status_code=204,
        responses=problems(401, 403, 404, 503),
        right=Right.MENDING,
    )
    async def apart(self, office: TheOffice, call_id: Id, tenant: Tenant = None) -> None:
        """What two phone systems told of is shown apart from now on."""
        await _part(office, office.tenant(tenant, guess=False).tenant_id, call_id)


async def _messages(inspector: Inspector, tenant_id: int, account: str, **chosen: Any) -> list[MessageView]:
    try:
        return await inspector.messages(tenant_id, account, **chosen)
    except NoSuchAccount as error:
        raise NotFoundException(str(error)) from None


async def _message(inspector: Inspector, tenant_id: int, account: str, message_id: int, numbers: bool) -> MessageView:
    try:
        found = await inspector.message(tenant_id, account, message_id, numbers=numbers)
    except NoSuchAccount as error:
        raise NotFoundException(str(error)) from None
    if found is None:
        raise NotFoundException("There is no such message of this phone system.")
    return found


async def _rebuild(office: Office, tenant_id: int, call_id: int) -> None:
    try:
        is_there = await phones(office).inspector.rebuild(tenant_id, call_id)
    except NoSuchAccount as error:
        raise NotFoundException(str(error)) from None
    if not is_there:
        raise NotFoundException("There is no such call here; it may belong to another company.")


async def _part(office: Office, tenant_id: int, call_id: int) -> None:
    if not await phones(office).joiner.part(tenant_id, call_id):
        raise NotFoundException("Nothing is joined to this call.")


def _tenant(data: dict[str, str]) -> int | None:
    text = data.get("tenant", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _trouble(error: PhoneSystemError) -> HTTPException:
    """502 where the phone system is to blame, 409 where nobody knows, 503 where trying again may help."""
    status = 409 if isinstance(error, OutcomeUnknown) else 503 if isinstance(error, RetryLater) else 502
    return HTTPException(str(error), status_code=status)


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk
