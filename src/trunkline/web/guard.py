"""Who may come in, and where to: host names, tokens, where a POST comes from, and the right that a route needs."""

import time
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from trunkline.web.rights import Right, Role, may, needed, why_not
from trunkline.web.tokens import Keeper

COOKIE = "trunkline"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})

# Webhooks prove themselves by signature; probes say nothing about anyone.
_OPEN_PREFIXES = ("/hooks/", "/caller-id/")
_OPEN_PATHS = frozenset({"/healthz", "/readyz"})
# What the sign-in page itself needs, and what leads back to it.
_SIGN_IN_PATHS = frozenset(
    {
        "/sign-in",
        "/sign-out",
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

    def check(self, scope: HTTPScope) -> Role | None:
        """As whom the request comes in; `None` where nobody is asked who they are.

        Raises:
            Refusal: with the status and one sentence.
        """
        path = asked_path(scope)
        if path in _OPEN_PATHS or path.startswith(_OPEN_PREFIXES):
            return None
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._keeper is None and _without_port(host) not in self._host_names:
            raise Refusal(421, f"This server does not answer to the name {host[:80]!r}: add it to allowed_hosts.")
        if scope["method"] not in _SAFE_METHODS and not _same_origin(headers, host):
            raise Refusal(403, "This request came from another site, so it was not carried out.")
        if path in _SIGN_IN_PATHS:
            return None
        return Role.ADMINISTRATOR if self._keeper is None else self._signed_in(self._keeper, headers)

    @staticmethod
    def _signed_in(keeper: Keeper, headers: dict[bytes, bytes]) -> Role:
        scheme, _, given = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if given and scheme.lower() == "bearer":
            if role := keeper.role_of_token(given):
                return role
            raise Refusal(401, "The access token is wrong.")
        if role := keeper.role_of_cookie(_cookie(headers), time.time()):
            return role
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
            role = self._gate.check(scope)
            scope["auth"] = role
            if role is not None:
                require(scope, needed(scope["route_handler"].opt))
        await self._app(scope, receive, send)


def role_of(scope: Scope) -> Role | None:
    """As whom the request came in; `None` where nobody was asked, or it has not come by the guard."""
    role: Role | None = scope.get("auth")
    return role


def require(scope: Scope, right: Right) -> None:
    """Let nobody on who lacks the right.

    Raises:
        Refusal: 403, with one sentence.
    """
    if not may(role_of(scope), right):
        raise Refusal(403, why_not(right))


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
