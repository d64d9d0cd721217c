"""Who may come in: host names, the access token, and where a POST comes from."""

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

COOKIE = "trunkline"
SIGNED_IN_S = 14 * 24 * 3600
SHORTEST_TOKEN = 16
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})

# Webhooks prove themselves by signature; probes say nothing about anyone.
_OPEN_PREFIXES = ("/hooks/", "/caller-id/")
_OPEN_PATHS = frozenset({"/healthz", "/readyz"})
# What the sign-in page itself needs.
_SIGN_IN_PATHS = frozenset(
    {
        "/sign-in",
        "/static/app.css",
        "/static/theme.js",
        "/static/favicon.svg",
        "/static/vendor/atkinson-hyperlegible-next-latin-wght-normal.woff2",
    }
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class TokenNeeded(Exception):
    """The server would listen where others can reach it, and nothing asks them who they are."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    name = host.strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def require_token_unless_loopback(host: str, token: str | None) -> None:
    """Refuse to serve customers' data to a network without asking who is there.

    Raises:
        TokenNeeded: with one sentence that says what to set.
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise TokenNeeded(
            f"The access token is too short: set TRUNKLINE_ACCESS_TOKEN to {SHORTEST_TOKEN} or more signs."
        )
    if token is None and not is_loopback(host):
        raise TokenNeeded(
            f"Listening on {host} would show customers' data to the network:"
            " set TRUNKLINE_ACCESS_TOKEN, or listen on 127.0.0.1."
        )


class Keeper:
    """Knows the access token; checks it and what was derived from it in constant time."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._key = hashlib.sha256(b"trunkline sign-in\0" + self._token).digest()

    def is_token(self, given: str) -> bool:
        """Whether `given` is the token."""
        return hmac.compare_digest(given.strip().encode(), self._token)

    def cookie(self, now: float) -> str:
        """What a signed-in browser keeps: an expiry and its keyed digest, never the token."""
        expires = str(int(now) + SIGNED_IN_S)
        return f"{expires}.{self._digest(expires)}"

    def is_cookie(self, value: str, now: float) -> bool:
        """Whether `value` was made with this token and has not expired."""
        expires, _, digest = value.partition(".")
        genuine = hmac.compare_digest(digest.encode(), self._digest(expires).encode())
        return genuine and int(expires) > now

    def _digest(self, expires: str) -> str:
        return hmac.new(self._key, expires.encode(), hashlib.sha256).hexdigest()


class Refusal(Exception):
    """The request may not come in; `sign_in` says that a person at a browser should be shown the sign-in page."""

    def __init__(self, status: int, sentence: str, *, sign_in: bool = False) -> None:
        super().__init__(sentence)
        self.status = status
        self.sign_in = sign_in


class Gate:
    """Says who may come in. Without a token it answers to known host names only (DNS rebinding)."""

    def __init__(self, keeper: Keeper | None, host_names: Iterable[str]) -> None:
        self._keeper = keeper
        self._host_names = LOOPBACK_NAMES | {name.lower() for name in host_names}

    def check(self, scope: HTTPScope) -> None:
        """Raises:
        Refusal: with the status and one sentence.
        """
        path = asked_path(scope)
        if path in _OPEN_PATHS or path.startswith(_OPEN_PREFIXES):
            return
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._keeper is None and _without_port(host) not in self._host_names:
            raise Refusal(421, f"This server does not answer to the name {host[:80]!r}: add it to allowed_hosts.")
        if scope["method"] not in _SAFE_METHODS and not _same_origin(headers, host):
            raise Refusal(403, "This request came from another site, so it was not carried out.")
        if self._keeper is not None and path not in _SIGN_IN_PATHS:
            self._check_token(self._keeper, headers)

    @staticmethod
    def _check_token(keeper: Keeper, headers: dict[bytes, bytes]) -> None:
        scheme, _, given = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if given and scheme.lower() == "bearer":
            if keeper.is_token(given):
                return
            raise Refusal(401, "The access token is wrong.")
        if keeper.is_cookie(_cookie(headers), time.time()):
            return
        is_page = b"text/html" in headers.get(b"accept", b"") or b"hx-request" in headers
        raise Refusal(401, "Sign in with the access token first.", sign_in=is_page)


class Guard:
    """Middleware around every route; raises :class:`Refusal`."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, if it may."""
        if scope["type"] == ScopeType.HTTP:
            self._gate.check(scope)
        await self._app(scope, receive, send)


def asked_path(scope: Scope) -> str:
    """The path as it was asked for: a mount sees the rest of its own only. What is written in another way is closed."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _same_origin(headers: dict[bytes, bytes], host: str) -> bool:
    origin = headers.get(b"origin")
    if origin is None:  # not a browser, or an old one that sends no Origin with a POST of its own page
        return headers.get(b"sec-fetch-site", b"same-origin") in (b"same-origin", b"none")
    return urlsplit(origin.decode("latin-1")).netloc.lower() == host


def _cookie(headers: dict[bytes, bytes]) -> str:
    # By hand: SimpleCookie gives up at the first cookie that it cannot read, and other programs' cookies come along.
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def sign_in_address(path: str) -> str:
    """The sign-in page that leads back to `path`."""
    return "/sign-in" if path == "/" else f"/sign-in?next={quote(path)}"


def safe_next(path: str) -> str:
    """`path` where it is one of ours, else the board: sign-in must not lead to another site."""
    parts = urlsplit(path)
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if ours and path.isprintable() and "\\" not in path else "/"


async def add_security_headers(message: Message, _scope: Scope) -> None:
    """A `before_send` hook: every response carries them, errors too. What says nothing else about it is never kept."""
    if message["type"] == "http.response.start":
        headers = [*message["headers"], *SECURITY_HEADERS]
        if not any(name == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"no-store"))
        message["headers"] = headers
