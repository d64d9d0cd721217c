"""What RingCentral can be asked, against a look-alike that speaks real HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Outcome
from trunkline.phone_systems.base import Originated, RawMessage
from trunkline.phone_systems.delivery import Answer, Delivery
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, OutcomeUnknown, PhoneSystemError
from trunkline.phone_systems.ringcentral import RingCentralAdapter
from trunkline.sandbox.phones.rest import served
from trunkline.sandbox.phones.ringcentral import SPEAKER
from trunkline.sandbox.phones.ringcentral.cloud import Cloud, Fault
from trunkline.sandbox.phones.ringcentral.words import DANA, MENU, QUEUE
from trunkline.sandbox.phones.speaker import Dialled, Letter

ADDRESS = "https://bridge.example.com/hooks/main"
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CUSTOMER = "+14375550142"

Place = tuple[Cloud, RingCentralAdapter, httpx.AsyncClient]


def adapter(base: str, **more: object) -> RingCentralAdapter:
    known = SPEAKER.options(SPEAKER.secret, address=ADDRESS)
    return RingCentralAdapter.configure("main", {**known, "api_base": base, "media_base": base, **more})


def base_of(made: RingCentralAdapter) -> str:
    return made._rest.light._base_url


def knock(made: RingCentralAdapter, letter: Letter) -> tuple[int, dict[str, str]]:
    headers = tuple((name.lower(), value) for name, value in letter.headers)
    answer = made.verify(Delivery(letter.body, datetime.now(UTC), headers))
    assert isinstance(answer, Answer)
    return answer.status, answer.headers


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    options = SPEAKER.options(SPEAKER.secret, address=ADDRESS)
    cloud = Cloud(str(options["client_id"]), str(options["client_secret"]), str(options["jwt_token"]))
    async with served(cloud.app()) as base, httpx.AsyncClient() as http:
        made = adapter(base)
        cloud.knock = lambda letter: knock(made, letter)
        yield cloud, made, http


async def detail(made: RingCentralAdapter, http: httpx.AsyncClient) -> str:
    state = await made.supervise(http, ADDRESS)
    assert state.state == "connected"
    return state.detail or ""


# The order ----------------------------------------------------------------------------------------------------------


async def test_deliveries_are_ordered_once_and_with_our_token(place: Place) -> None:
    cloud, made, http = place
    until = (datetime.now(UTC) + timedelta(seconds=630_720_000)).strftime("%Y-%m-%d")
    assert await detail(made, http) == f"Deliveries are ordered until {until}."
    assert await detail(made, http) == f"Deliveries are ordered until {until}."
    (order,) = cloud.orders.values()
    assert order["eventFilters"] == ["/restapi/v1.0/account/700001/telephony/sessions"]
    assert order["deliveryMode"]["address"] == ADDRESS
    assert cloud.given[order["id"]] == SPEAKER.secret
    assert (cloud.count("POST", "/subscription"), cloud.count("POST", "/oauth/token")) == (1, 1)
    assert not [path for method, path in cloud.asked if method in ("PUT", "DELETE")]


async def test_a_new_token_is_given_at_the_next_start(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    base = base_of(made)
    started_anew = adapter(base, verification_tokens=[SPEAKER.another_secret, SPEAKER.secret])
    await detail(started_anew, http)
    await detail(started_anew, http)
    (order,) = cloud.orders
    assert cloud.given[order] == SPEAKER.another_secret
    assert sum(1 for method, _ in cloud.asked if method == "PUT") == 1


@pytest.mark.parametrize("status", ["Blacklisted", "Suspended"])
async def test_what_ringcentral_stopped_is_ordered_anew_and_told(place: Place, status: str) -> None:
    cloud, made, http = place
    await detail(made, http)
    (stopped,) = cloud.orders.values()
    stopped.update(status=status, blacklistedData={"reason": "no answer", "blacklistedAt": "2026-03-02T15:00:00Z"})
    told = await detail(made, http)
    assert told.startswith(f"RingCentral had stopped deliveries ({status}: no answer); they are ordered anew until ")
    (order,) = cloud.orders.values()
    assert (order["status"], order["id"] == stopped["id"]) == ("Active", False)


async def test_an_order_is_renewed_before_its_end(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    (order,) = cloud.orders
    cloud.orders[order]["expirationTime"] = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    await detail(made, http)
    assert list(cloud.orders) == [order]
    assert datetime.fromisoformat(cloud.orders[order]["expirationTime"]).year > AT.year + 10


async def test_an_order_for_too_little_is_mended(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    (order,) = cloud.orders
    for filters in ([], ["/restapi/v1.0/account/700001/extension/1/telephony/sessions"]):
        cloud.orders[order]["eventFilters"] = filters
        await detail(made, http)
        assert cloud.orders[order]["eventFilters"] == ["/restapi/v1.0/account/700001/telephony/sessions"]


async def test_an_order_that_cannot_be_renewed_is_replaced(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    (order,) = cloud.orders
    cloud.orders[order]["expirationTime"] = datetime.now(UTC).isoformat()
    cloud.faults = [Fault(order, 404)]
    await detail(made, http)
    assert len(cloud.orders) == 1
    assert order not in cloud.orders


async def test_an_order_that_delivers_is_kept_until_there_is_another(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    (order,) = cloud.orders
    cloud.knock = lambda letter: (503, {})
    with pytest.raises(NeedsFixing):
        await adapter(base_of(made)).supervise(http, ADDRESS)
    assert list(cloud.orders) == [order]


async def test_a_second_order_for_our_address_goes_and_others_are_left_alone(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    (first,) = cloud.orders.values()
    cloud.orders["second"] = {**first, "id": "second", "expirationTime": "2026-03-02T15:00:00Z"}
    cloud.orders["theirs"] = {**first, "id": "theirs", "deliveryMode": {"transportType": "WebSocket"}}
    cloud.orders["other"] = {
        **first, "id": "other", "deliveryMode": {"transportType": "WebHook", "address": "https://other.example.com/"},
    }  # fmt: skip
    await detail(made, http)
    assert set(cloud.orders) == {first["id"], "theirs", "other"}


async def test_an_order_whose_address_is_written_in_another_way_is_not_made_twice(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    (order,) = cloud.orders.values()
    order["deliveryMode"]["address"] = f"{ADDRESS}/"
    await detail(made, http)
    assert list(cloud.orders) == [order["id"]]


async def test_an_address_that_does_not_answer_is_told_in_words(place: Place) -> None:
    cloud, made, http = place
    cloud.knock = lambda letter: (502, {})
    with pytest.raises(NeedsFixing, match=r"SUB-525, our address did not answer its test.*\.$"):
        await made.supervise(http, ADDRESS)
    assert not cloud.orders


async def test_a_filter_that_ringcentral_does_not_serve_is_told(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    (order,) = cloud.orders.values()
    order["disabledFilters"] = [{"filter": "x", "reason": "UserPermissionMissing", "message": "No CallControl"}]
    with pytest.raises(NeedsFixing, match="No CallControl"):
        await made.supervise(http, ADDRESS)


async def test_queues_and_menus_that_settings_do_not_name_are_told(place: Place) -> None:
    cloud, made, http = place
    base = base_of(made)
    told = await detail(adapter(base, menus=[], queues=[]), http)
    assert told.endswith("Not in the settings, and so taken for people: 9 Main Menu (menu), 300 Service (queue).")
    for queues, menus in (([QUEUE.number], [MENU.name]), ([QUEUE.id], [MENU.id])):
        assert "people" not in await detail(adapter(base, menus=menus, queues=queues), http)
    cloud.faults = [Fault("/extension", 403, body={"errorCode": "CMN-408", "message": "x"})]
    told = await detail(made, http)
    assert "Which queues and menus there are could not be seen." in told
    assert "must be an administrator" in told


# Signing in, and haste ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"jwt_token": "other"}, {"client_secret": "other"}, {"client_id": "other"}])
async def test_credentials_that_are_refused_need_a_person_and_are_not_shown(
    place: Place, wrong: dict[str, str]
) -> None:  # fmt: skip
    _, made, http = place
    with pytest.raises(NeedsFixing) as caught:
        await adapter(base_of(made), **wrong).supervise(http, ADDRESS)
    assert "not-a-real" not in str(caught.value)


async def test_a_token_that_was_taken_away_is_replaced(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    cloud.tokens.append("of-somebody-else")
    await detail(made, http)
    assert cloud.count("POST", "/oauth/token") == 2


@pytest.mark.parametrize("status", [0, 503])
async def test_a_token_whose_reply_was_lost_is_asked_for_again(place: Place, status: int) -> None:
    cloud, made, http = place
    cloud.faults = [Fault("/oauth/token", status)]
    await detail(made, http)
    assert cloud.count("POST", "/oauth/token") == 2


async def test_a_penalty_is_sat_out_by_everybody(place: Place) -> None:
    cloud, made, http = place
    await detail(made, http)
    cloud.faults = [Fault("/subscription", 429, {"Retry-After": "1"})]
    before = datetime.now(UTC)
    cloud.asked.clear()
    await detail(made, http)
    assert datetime.now(UTC) - before >= timedelta(seconds=1)
    assert cloud.count("GET", "/subscription") == 2


async def test_a_penalty_of_which_nothing_is_said_lasts_as_long_as_ringcentrals_do(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, made, http = place
    assert made._rest.light._penalty_s == 60.0
    monkeypatch.setattr(made._rest.light, "_penalty_s", 1.0)
    cloud.faults = [Fault("/subscription", 429)]
    before = datetime.now(UTC)
    await detail(made, http)
    assert datetime.now(UTC) - before >= timedelta(seconds=1)
    assert cloud.count("GET", "/subscription") == 2


async def test_trouble_of_ringcentral_is_waited_out(place: Place) -> None:
    cloud, made, http = place
    cloud.faults = [Fault("/subscription", 503), Fault("/subscription", 0)]
    await detail(made, http)
    assert len(cloud.orders) == 1


async def test_an_order_whose_reply_was_lost_is_found_at_the_next_look(place: Place) -> None:
    cloud, made, http = place
    cloud.faults = [Fault("/subscription", 0, method="POST")]
    with pytest.raises(OutcomeUnknown):
        await made.supervise(http, ADDRESS)
    await detail(made, http)
    assert len(cloud.orders) == 1
    assert cloud.count("POST", "/subscription") == 1


# History ------------------------------------------------------------------------------------------------------------


def log_of(serials: range, **more: object) -> list[dict[str, Any]]:
    """Records of answered calls, an hour after one another."""
    made = []
    for serial in serials:
        call = Dialled(AT + timedelta(hours=serial), serial)
        (record,) = SPEAKER.history("answered", call)
        made.append({**msgspec.json.decode(record.body), **more})
    return made


async def home(made: RingCentralAdapter, http: httpx.AsyncClient, hours: int = 24) -> list[list[RawMessage]]:
    return [page async for page in made.history(http, AT, AT + timedelta(hours=hours))]


async def test_the_call_log_comes_in_pages_to_its_end(place: Place) -> None:
    cloud, made, http = place
    cloud.records = list(log_of(range(5)))
    pages = await home(made, http)
    assert [len(page) for page in pages] == [2, 2, 1]
    messages = [message for page in pages for message in page]
    calls = in_memory(made, list(enumerate(messages)))
    assert [call.outcome for call in calls] == [Outcome.ANSWERED] * 5
    assert {message.kind for message in messages} == {"history"}


async def test_only_calls_that_began_in_time_and_are_over_come_home(place: Place) -> None:
    cloud, made, http = place
    cloud.records = [*log_of(range(3)), *log_of(range(1, 2), result="In Progress", id="Running")]
    (page, _) = await home(made, http, hours=2)
    assert [msgspec.json.decode(message.body)["startTime"][11:13] for message in page] == ["15", "16"]


async def test_a_record_that_changed_is_another_delivery_and_one_that_did_not_is_none(place: Place) -> None:
    cloud, made, http = place
    cloud.records = list(log_of(range(1)))
    ((first,),) = await home(made, http)
    ((again,),) = await home(made, http)
    cloud.records = list(log_of(range(1), result="Missed"))
    ((changed,),) = await home(made, http)
    assert (first.delivery_id, first.body) == (again.delivery_id, again.body)
    assert first.delivery_id != changed.delivery_id
    name = str(first.delivery_id)
    assert name.startswith("history:")
    assert name.rpartition(":")[0] == str(changed.delivery_id).rpartition(":")[0]


@pytest.mark.parametrize("status", [0, 500])
async def test_a_page_that_failed_is_asked_for_again(place: Place, status: int) -> None:
    cloud, made, http = place
    cloud.records = list(log_of(range(2)))
    cloud.faults = [Fault("/call-log", status)]
    assert [len(page) for page in await home(made, http)] == [2]


async def test_a_call_log_that_may_not_be_read_needs_a_person(place: Place) -> None:
    cloud, made, http = place
    cloud.faults = [Fault("/call-log", 403, body={"errorCode": "CMN-408", "message": "x"})]
    with pytest.raises(NeedsFixing, match=r"administrator\.$"):
        await home(made, http)


@pytest.mark.parametrize("odd", [{"duration": "long"}, {"startTime": "0001-01-01T00:00:00+23:00"}])
async def test_a_call_log_that_cannot_be_read_is_an_error(place: Place, odd: dict[str, object]) -> None:
    cloud, made, http = place
    cloud.faults = [Fault("/call-log", 200, body={"records": [{**log_of(range(1))[0], **odd}], "navigation": None})]
    with pytest.raises(GivenUp):
        await home(made, http)


# Click to call ------------------------------------------------------------------------------------------------------


async def test_a_call_is_set_up_from_the_number_of_the_agent(place: Place) -> None:
    cloud, made, http = place
    with_phones = adapter(base_of(made), phones={DANA.number: "+14375550188"})
    assert await with_phones.originate(http, DANA.number, CUSTOMER, caller_id="+14375550100") == Originated(
        cloud.ring_out_id
    )
    assert cloud.ring_outs == [
        {
            "from": {"phoneNumber": "+14375550188"},
            "to": {"phoneNumber": CUSTOMER},
            "callerId": {"phoneNumber": "+14375550100"},
            "playPrompt": False,
        }
    ]
    cloud.ring_out_id = "older-id"
    assert await made.originate(http, "+14375550188", CUSTOMER) == Originated(None)


async def test_an_agent_without_a_number_is_told_in_ringcentrals_words(place: Place) -> None:
    cloud, made, http = place
    with pytest.raises(GivenUp, match=r"from\.phoneNumber"):
        await made.originate(http, "201", CUSTOMER)
    assert not cloud.ring_outs


@pytest.mark.parametrize("status", [0, 502])
async def test_a_call_whose_reply_was_lost_is_not_set_up_again(place: Place, status: int) -> None:
    cloud, made, http = place
    cloud.faults = [Fault("/ring-out", status)]
    with pytest.raises(OutcomeUnknown):
        await made.originate(http, "+14375550188", CUSTOMER)
    assert len(cloud.ring_outs) == (1 if status == 0 else 0)


# Recordings ---------------------------------------------------------------------------------------------------------


async def test_a_recording_is_fetched_with_our_token(place: Place) -> None:
    cloud, made, http = place
    cloud.sounds = {"one": b"sound"}
    found = await made.recording(http, f"{base_of(made)}/sound/one")
    assert (found.media_type, b"".join([chunk async for chunk in found.chunks])) == ("audio/mpeg", b"sound")


async def test_a_voicemail_message_leads_to_its_sound(place: Place) -> None:
    cloud, made, http = place
    options = SPEAKER.options(SPEAKER.secret, address=ADDRESS)
    async with served(cloud.app()) as media:
        made = RingCentralAdapter.configure("main", {**options, "api_base": base_of(made), "media_base": media})
        text = {"uri": f"{media}/sound/text", "type": "AudioTranscription"}
        cloud.sounds = {"two": b"message"}
        cloud.messages = {
            "kept": {"attachments": [text, {"uri": f"{media}/sound/two", "type": "AudioRecording"}]},
            "gone": {"attachments": [text]},
        }
        found = await made.recording(http, f"{base_of(made)}/message/kept")
        assert b"".join([chunk async for chunk in found.chunks]) == b"message"
        with pytest.raises(GivenUp, match="no recording"):
            await made.recording(http, f"{base_of(made)}/message/gone")


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example.com/one", "http://[", "file:///one", "@elsewhere.example.com/one"]
)
async def test_our_token_goes_to_ringcentral_only(place: Place, url: str) -> None:
    cloud, made, http = place
    with pytest.raises(PhoneSystemError):
        await made.recording(http, url)
    assert cloud.count("GET", "one") == 0


def test_the_usual_address_of_recordings_is_ringcentrals_media_host() -> None:
    """It writes the port that goes without saying."""
    made = RingCentralAdapter.configure("main", SPEAKER.options(SPEAKER.secret, address=ADDRESS))
    url = "https://media.ringcentral.com:443/restapi/v1.0/account/700001/recording/1/content"
    assert httpx.URL(url).netloc == made._media_host
    assert made._rest.media.address(url) == url
