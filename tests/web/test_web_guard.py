"""Who may come in: what is refused before the service starts, at the door, at the sign-in, and at the webhooks."""

import hashlib
import hmac
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from web_rig import EVERY_ADDRESS, HOOK, TOKEN, Backstage, Office, delivery, started, until

from company import TENANT, WEBHOOK_SECRET, environment

PAGE = {"accept": "text/html,application/xhtml+xml"}
BEARER = {"authorization": f"Bearer {TOKEN}"}
HERE = "http://127.0.0.1:{port}"
COOKIE = "trunkline"
TWO_WEEKS_S = 14 * 24 * 3600

# Everything that shows something of the company or its customers.
BEHIND_THE_DOOR = (
    f"/?tenant={TENANT}", f"/status?tenant={TENANT}", f"/stream?tenant={TENANT}", f"/calls?tenant={TENANT}",
    f"/calls/1?tenant={TENANT}", f"/lookup?number=4375550142&tenant={TENANT}",
    f"/api/v1/lookup?number=4375550142&tenant={TENANT}", f"/api/v1/calls?tenant={TENANT}", "/api/v1/ping",
    "/api/openapi.json", "/api", "/static/board.js", "/static/../calls", "/calls/", "//calls", "/nowhere",
    "/deep/down/nowhere", "/api/v1/nowhere", "/calls/none", "/settings", "/settings/companies/new",
    "/api/v1/networks/none/lookup?number=4375550142",
)  # fmt: skip


# Before it starts -------------------------------------------------------------------------------------------------


def serve(folder: Path, database_url: str, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "trunkline", "serve", "--data-dir", str(folder), "--port", "0", *options)
    variables = environment(DATABASE_URL=database_url, **more)
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60, check=False)


OPEN = (
    "Listening on {host} would show customers' data to the network: set TRUNKLINE_ACCESS_TOKEN, or listen on 127.0.0.1."
)


ALONE = "A dispatcher token protects nothing by itself: set TRUNKLINE_ACCESS_TOKEN, too."
SAME = "The dispatcher token is the access token: set TRUNKLINE_DISPATCHER_TOKEN to another one, or leave it out."


@pytest.mark.parametrize(
    ("host", "access", "dispatcher", "sentence"),
    [
        (EVERY_ADDRESS, "", "", OPEN),
        ("127.0.0.1", "x" * 15, "", "The access token is too short: set TRUNKLINE_ACCESS_TOKEN to 16 or more signs."),
        (
            "127.0.0.1",
            TOKEN,
            "x" * 15,
            "The dispatcher token is too short: set TRUNKLINE_DISPATCHER_TOKEN to 16 or more signs.",
        ),
        ("127.0.0.1", TOKEN, TOKEN, SAME),
        ("127.0.0.1", "", "x" * 16, ALONE),
        (EVERY_ADDRESS, "", "x" * 16, ALONE),
    ],
)
def test_a_service_that_would_be_open_to_others_does_not_start(
    tmp_path: Path, host: str, access: str, dispatcher: str, sentence: str
) -> None:
    # The refusal comes before the database: this one does not exist.
    nowhere = f"postgresql:///none?host={tmp_path}"
    tokens = {"TRUNKLINE_ACCESS_TOKEN": access, "TRUNKLINE_DISPATCHER_TOKEN": dispatcher}
    ended = serve(tmp_path, nowhere, "--host", host, **tokens)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"Error: {sentence.format(host=host)}\n")


# At the door ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BEHIND_THE_DOOR)
def test_with_a_token_everything_asks_for_it(guarded: Office, path: str) -> None:
    answer = guarded.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"] == "Sign in with the access token first."
    page = guarded.get(path, **PAGE)
    assert page.status_code == 303
    assert page.headers["location"].startswith("/sign-in")
    piece = guarded.get(path, **{"hx-request": "true"})
    assert piece.status_code == 401
    assert piece.headers["hx-redirect"].startswith("/sign-in")


@pytest.mark.parametrize("path", ["/healthz", "/sign-in", "/static/app.css", "/static/theme.js"])
def test_what_the_sign_in_page_and_monitors_need_is_open(guarded: Office, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_the_sign_in_page_needs_nothing_that_is_closed(guarded: Office) -> None:
    page = guarded.get("/sign-in", **PAGE).text
    style = guarded.get("/static/app.css").text
    needed = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert needed
    for address in needed:
        assert guarded.get(address).status_code == 200, address
    # A font for signs that the page does not show is not fetched.
    fonts = [one for one in re.findall(r'url\("([^"]+)"\)', style) if "next-latin-wght" in one]
    assert [guarded.get(font).status_code for font in fonts] == [200]


@pytest.mark.parametrize(
    "given", [TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "Ünicode-token-of-length", "'; drop table calls; --", "%00"]
)
def test_a_wrong_token_is_refused(guarded: Office, given: str) -> None:
    with guarded.client() as client:
        answer = client.get("/api/v1/ping", headers=[(b"authorization", b"Bearer " + given.encode())])
    assert (answer.status_code, answer.json()["detail"]) == (401, "The access token is wrong.")


@pytest.mark.parametrize("header", [TOKEN, f"Basic {TOKEN}", "Bearer", f"Token {TOKEN}"])
def test_a_token_that_is_given_otherwise_does_not_count(guarded: Office, header: str) -> None:
    assert guarded.get("/api/v1/ping", authorization=header).status_code == 401
    assert guarded.get(f"/api/v1/ping?token={TOKEN}&access_token={TOKEN}").status_code == 401


def test_the_token_opens_pages_stream_and_api(guarded: Office) -> None:
    for path in ("/", "/calls", "/status", "/api/v1/ping", f"/api/v1/calls?tenant={TENANT}", "/api/openapi.json"):
        assert guarded.get(path, **BEARER).status_code == 200, path
    with guarded.client(**BEARER) as client, client.stream("GET", "/stream") as stream:
        assert stream.status_code == 200
        assert next(stream.iter_lines()) == "retry: 1000"


# Sign-in ----------------------------------------------------------------------------------------------------------


def sign_in(office: Office, token: str, target: str = "/", **headers: str) -> httpx.Response:
    with office.client(**PAGE, **headers) as client:
        return client.post("/sign-in", data={"token": token, "next": target})


def cookie(expires: float, token: str = TOKEN) -> str:
    """As the service makes them; if this changes, everyone who is signed in has to sign in again."""
    claim = f"administrator.{int(expires)}"
    key = hashlib.sha256(b"trunkline sign-in\0" + token.encode()).digest()
    return f"{claim}.{hmac.new(key, claim.encode(), hashlib.sha256).hexdigest()}"


def with_cookie(office: Office, value: str) -> int:
    return office.get("/calls", cookie=f"{COOKIE}={value}").status_code


def test_signing_in_gives_a_cookie_that_opens_everything_and_does_not_hold_the_token(guarded: Office) -> None:
    answer = sign_in(guarded, TOKEN, "/calls?tenant=1000001")
    assert (answer.status_code, answer.headers["location"]) == (303, "/calls?tenant=1000001")
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    attributes = {part.strip().partition("=")[0].lower(): part.partition("=")[2] for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite", "path", "max-age"} <= set(attributes)
    assert attributes["samesite"].lower() in {"lax", "strict"}
    assert int(attributes["max-age"]) == TWO_WEEKS_S
    assert "domain" not in attributes
    value = answer.cookies[COOKIE]
    for path in ("/", "/calls", f"/api/v1/calls?tenant={TENANT}", "/status"):
        assert guarded.get(path, cookie=f"{COOKIE}={value}").status_code == 200, path


def test_signing_out_takes_the_cookie_away_and_is_offered_to_whoever_signed_in(guarded: Office) -> None:
    held = f"{COOKIE}={sign_in(guarded, TOKEN).cookies[COOKIE]}"
    assert 'action="/sign-out"' in guarded.get("/calls", cookie=held, **PAGE).text
    assert 'action="/sign-out"' not in guarded.get("/calls", **BEARER, **PAGE).text
    assert 'action="/sign-out"' not in guarded.get("/sign-in", cookie=held, **PAGE).text
    with guarded.client(**PAGE) as client:
        client.cookies.set(COOKIE, held.partition("=")[2])
        answer = client.post("/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert client.post("/sign-out", headers={"origin": "https://other.example"}).status_code == 403
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert {f"{COOKIE}=", "max-age=0", "path=/", "httponly"} <= {part.replace('""', "") for part in attributes}


def test_a_wrong_token_is_told_on_the_sign_in_page_and_gives_no_cookie(guarded: Office) -> None:
    answer = sign_in(guarded, "not-the-token-at-all", "/calls")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "This is not the token." in answer.text
    assert 'name="next" value="/calls"' in answer.text
    assert "not-the-token-at-all" not in answer.text


def test_a_cookie_opens_until_it_expires_and_no_longer(guarded: Office) -> None:
    now = time.time()
    assert with_cookie(guarded, cookie(now + 60)) == 200
    assert with_cookie(guarded, cookie(now - 1)) == 401
    expires = int(sign_in(guarded, TOKEN).cookies[COOKIE].split(".")[1])
    assert abs(expires - now - TWO_WEEKS_S) < 60


def test_a_cookie_cannot_be_made_up(guarded: Office) -> None:
    genuine = cookie(time.time() + 3600)
    assert with_cookie(guarded, genuine) == 200
    claim, _, digest = genuine.rpartition(".")
    role, _, expires = claim.partition(".")
    forged = (
        f"{role}.{int(expires) + 1}.{digest}", f"{claim}.", claim, expires, f".{digest}", f"{role}..{digest}",
        f"{claim}.{digest[:-1]}", f"{claim}.{'0' * 64}", f"{claim}.{digest.upper()}", f"{expires}.{digest}",
        f".{expires}.{digest}", f"dispatcher.{expires}.{digest}", f"nobody.{expires}.{digest}",
        f"{role.upper()}.{expires}.{digest}", cookie(int(expires), TOKEN + "x"), "", "x.y", "x.y.z",
        f"{role}.{'9' * 5000}.{digest}", TOKEN, "%F0%9F%94%91.x",
    )  # fmt: skip
    assert [with_cookie(guarded, value) for value in forged] == [401] * len(forged)
    with guarded.client() as client:
        strange = client.get("/calls", headers=[(b"cookie", COOKIE.encode() + b"=\xff\xfe.\xe9")])
    assert strange.status_code == 401


OTHER_SITES = (
    "//evil.example", "///evil.example", "https://evil.example/", "http:evil.example", "javascript:alert(1)",
    "\\\\evil.example", "/\\evil.example", "/\t/evil.example", "/\n/evil.example", "\t//evil.example",
    " //evil.example", "evil.example", "", "data:text/html,x", "/\\/evil.example", "/\r\nset-cookie: a=b",
    "https:/\\evil.example",
)  # fmt: skip


@pytest.mark.parametrize("target", OTHER_SITES)
def test_signing_in_never_leads_to_another_site(guarded: Office, target: str) -> None:
    answer = sign_in(guarded, TOKEN, target)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert 'name="next" value="/"' in guarded.get(f"/sign-in?next={quote(target)}", **PAGE).text


@pytest.mark.parametrize(
    "target", ["/", "/calls", "/calls/7?tenant=1000001", "/lookup?number=%2B14375550142", "/?a=//b"]
)
def test_signing_in_leads_back_to_our_own_pages(guarded: Office, target: str) -> None:
    assert sign_in(guarded, TOKEN, target).headers["location"] == target


def test_markup_in_next_stays_text(guarded: Office) -> None:
    markup = quote('/"><script>alert(1)</script>')
    page = guarded.get(f"/sign-in?next={markup}", **PAGE).text
    assert "<script>alert" not in page


# Other names, other sites -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "192.0.2.7", ""]
)
@pytest.mark.parametrize("path", ["/", "/stream", "/api/v1/ping", "/static/app.css", "/sign-in"])
def test_without_a_token_a_foreign_host_name_is_refused(office: Office, host: str, path: str) -> None:
    answer = office.get(path, host=host)
    assert answer.status_code == 421
    assert "allowed_hosts" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]:{port}"])
def test_without_a_token_names_of_this_machine_are_answered(office: Office, host: str) -> None:
    assert office.get("/api/v1/ping", host=host.format(port=office.port)).status_code == 200


def test_with_a_token_any_host_name_will_do(guarded: Office) -> None:
    assert guarded.get("/api/v1/ping", host="board.example.com", **BEARER).status_code == 200
    assert guarded.get("/api/v1/ping", host="board.example.com").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"},
        {"origin": ""}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    ],
)  # fmt: skip
def test_a_post_from_another_site_is_refused(guarded: Office, headers: dict[str, str]) -> None:
    answer = sign_in(guarded, TOKEN, **headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_post_of_our_own_page_is_taken(guarded: Office) -> None:
    ours = HERE.format(port=guarded.port)
    assert sign_in(guarded, TOKEN, origin=ours, **{"sec-fetch-site": "same-origin"}).status_code == 303


# Webhooks ---------------------------------------------------------------------------------------------------------


def post(office: Office, body: bytes, headers: dict[str, str], account: str = HOOK) -> httpx.Response:
    with office.client() as client:
        return client.post(f"/hooks/{account}", content=body, headers=headers)


def deliveries(office: Office, delivery_id: str) -> int:
    found = office.execute("select count(*) from calls.inbox where delivery_id = %s", delivery_id)
    return int(found[0][0])


def test_a_signed_delivery_needs_no_access_token_and_becomes_a_call(guarded: Office, backstage: Backstage) -> None:
    body, headers = delivery(started("hook-1", backstage.people.jane.number))
    answer = post(guarded, body, headers)
    assert answer.status_code == 202
    assert answer.content == b""
    # On disk when it was answered, whatever comes of it later.
    assert deliveries(guarded, headers["webhook-id"]) == 1
    until(lambda: guarded.execute("select 1 from calls.calls where call_key = %s", "hook-1"))


def test_a_delivery_that_is_repeated_counts_once(guarded: Office) -> None:
    body, headers = delivery(started("hook-2", "+14375550143"), delivery_id="msg_repeated")
    assert [post(guarded, body, headers).status_code for _ in range(3)] == [202, 202, 202]
    assert deliveries(guarded, "msg_repeated") == 1
    until(lambda: guarded.execute("select 1 from calls.calls where call_key = %s", "hook-2"))
    assert guarded.execute("select count(*) from calls.calls where call_key = %s", "hook-2") == [(1,)]


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_delivery_without_one_of_its_headers_is_refused(guarded: Office, missing: str) -> None:
    body, headers = delivery(started("hook-3", "+14375550143"))
    delivery_id = headers["webhook-id"]
    del headers[missing]
    answer = post(guarded, body, headers)
    assert (answer.status_code, answer.json()["detail"]) == (401, f"The header {missing} is missing.")
    assert deliveries(guarded, delivery_id) == 0


@pytest.mark.parametrize("age", [timedelta(minutes=6), timedelta(days=400), timedelta(minutes=-6)])
def test_a_delivery_that_is_too_old_or_from_the_future_is_refused(guarded: Office, age: timedelta) -> None:
    body, headers = delivery(started("hook-4", "+14375550143"), at=datetime.now(UTC) - age)
    assert post(guarded, body, headers).status_code == 401
    assert deliveries(guarded, headers["webhook-id"]) == 0


def test_a_delivery_with_another_secret_or_body_or_id_or_time_is_refused(guarded: Office) -> None:
    body, headers = delivery(started("hook-5", "+14375550143"))
    other_secret = WEBHOOK_SECRET[:-4] + "AAAA"
    forged = (
        delivery(started("hook-5", "+14375550143"), secret=other_secret),
        (body + b" ", headers),
        (body, headers | {"webhook-id": "msg_other"}),
        (body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
        (body, headers | {"webhook-signature": "v1,"}),
        (body, headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v0,")}),
        (body, headers | {"webhook-timestamp": "now"}),
    )
    assert [post(guarded, *one).status_code for one in forged] == [401] * len(forged)
    assert guarded.execute("select count(*) from calls.calls where call_key = %s", "hook-5") == [(0,)]
    assert post(guarded, body, headers).status_code == 202  # it was the forgery that was refused


def test_a_delivery_for_an_account_that_takes_none_is_not_found(office: Office) -> None:
    body, headers = delivery(started("hook-6", "+14375550143"))
    for account in ("nobody", "front-desk", "front-door%00", "FRONT-DOOR"):
        answer = post(office, body, headers, account)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 5 * 1024 * 1024])
def test_a_delivery_that_is_too_large_is_refused(guarded: Office, size: int) -> None:
    body, headers = delivery(b" " * size)
    answer = post(guarded, body, headers)
    assert answer.status_code == 413
    assert deliveries(guarded, headers["webhook-id"]) == 0


def test_a_delivery_that_does_not_say_how_large_it_is_does_not_go_on_for_ever(guarded: Office) -> None:
    _, headers = delivery(b"{}")
    with guarded.client() as client:
        answer = client.post(f"/hooks/{HOOK}", content=(b" " * 65536 for _ in range(80)), headers=headers)
    assert answer.status_code == 413


def test_a_signed_delivery_that_makes_no_sense_is_taken_and_kept_with_the_reason(guarded: Office) -> None:
    for turn, body in enumerate((b"{", b"[]", b"null", b'{"events": 7}', b'"\xc3\xa9"', b"")):
        content, headers = delivery(body, delivery_id=f"msg_senseless_{turn}")
        assert post(guarded, content, headers).status_code == 202
    kept = "select count(*) from calls.inbox where delivery_id like 'msg_senseless_%%' and error is not null"
    until(lambda: guarded.execute(kept) == [(6,)])


def test_while_the_database_is_away_a_sender_is_told_to_try_again_and_nothing_is_lost(guarded: Office) -> None:
    body, headers = delivery(started("hook-away", "+14375550143"), delivery_id="msg_away")
    name = guarded.execute("select current_database()")[0][0]
    elsewhere = Office(guarded.base_url, guarded.database_url.replace(f"/{name}?", "/postgres?"), guarded.log)
    elsewhere.execute(f"alter database {name} allow_connections false")
    try:
        elsewhere.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", name)
        answer = post(guarded, body, headers)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.json()["detail"].startswith("The database does not answer")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        page = guarded.get("/", **PAGE, **BEARER)
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert guarded.get("/healthz").status_code == 200
        # A delivery that is not signed is refused all the same, and not told to try again.
        assert post(guarded, body, {}).status_code == 401
    finally:
        elsewhere.execute(f"alter database {name} allow_connections true")
    until(lambda: post(guarded, body, headers).status_code == 202)
    until(lambda: guarded.execute("select 1 from calls.calls where call_key = %s", "hook-away"))
    assert deliveries(guarded, "msg_away") == 1
