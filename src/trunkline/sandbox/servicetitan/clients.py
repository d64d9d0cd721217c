"""Who may sign in at the sandbox, for which tenant and with which scopes; and the tokens given out."""

import base64
import secrets
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from trunkline.contract.codes import codes
from trunkline.contract.operations import scopes

TOKEN_LIFE_S = 900
SCOPES = tuple(sorted(f"{codes(scope.name)[0]}:{right}" for scope in scopes() for right in "rw"))
"""Both rights of every scope, by their most likely codes."""
DEFAULT_TENANT = 1_000_001


@dataclass(frozen=True)
class Client:
    """An app's credentials at one tenant. An app that is not `connected` signs in, and is refused everything."""

    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = SCOPES
    tenant_id: int = DEFAULT_TENANT
    connected: bool = True


@dataclass(frozen=True)
class Token:
    """What a token allows until `expires`, on the clock that never goes back."""

    client_id: str
    tenant_id: int
    scopes: frozenset[str]
    expires: float


class Clients:
    """All clients of a sandbox. What is changed about one shows in the next token that it is given."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self._clients = {client.client_id: client for client in clients}

    def __getitem__(self, client_id: str) -> Client:
        return self._clients[client_id]

    def register(self, client: Client) -> None:
        """Let another one sign in."""
        self._clients[client.client_id] = client

    def grant(self, client_id: str, *scopes: str) -> None:
        """Give a client these scopes and no others."""
        self.register(replace(self[client_id], scopes=scopes))

    def revoke_secret(self, client_id: str) -> None:
        """Refuse the client's secret; tokens that it has live on."""
        self.register(replace(self[client_id], client_secret=secrets.token_hex()))

    def connect(self, client_id: str, *, connected: bool) -> None:
        """Allow or disable the app at the client's tenant, as its administrator does; this shows at once."""
        self.register(replace(self[client_id], connected=connected))

    def sign_in(self, client_id: str, client_secret: str) -> Client | None:
        """The client that has these credentials."""
        client = self._clients.get(client_id)
        right = client and secrets.compare_digest(client.client_secret.encode(), client_secret.encode())
        return client if right else None


def new_token(client: Client) -> tuple[str, Token]:
    """A token as clients see it, and what the sandbox remembers of it."""
    now = int(time.time())
    claims = {
        "nbf": now,
        "exp": now + TOKEN_LIFE_S,
        "client_id": client.client_id,
        "tenant": str(client.tenant_id),
        "jti": secrets.token_hex(8),
        "scope": list(client.scopes),
    }
    parts = ({"alg": "none", "typ": "at+jwt"}, claims)
    text = ".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts)
    remembered = Token(client.client_id, client.tenant_id, frozenset(client.scopes), time.monotonic() + TOKEN_LIFE_S)
    return f"{text}.x", remembered


class _File(msgspec.Struct, forbid_unknown_fields=True):
    client: list[Client]


def read_clients(path: Path) -> tuple[Client, ...]:
    """Clients from a TOML file with a table ``[[client]]`` for each, whose keys are the fields of `Client`.

    Raises:
        ValueError: with one sentence that says what is wrong with the file.
    """
    try:
        clients = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).client
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"{path} does not describe clients: {error}.") from None
    for client in clients:
        check_scopes(client.scopes)
    return tuple(clients)


def check_scopes(given: Iterable[str]) -> None:
    """See that these are codes with their right, as in ``tn.crm.customers:r``.

    Raises:
        ValueError: with one sentence that names the first that is not.
    """
    known = {f"{code}:{right}" for scope in scopes() for code in codes(scope.name) for right in "rw"}
    for scope in given:
        if scope not in known:
            raise ValueError(f"There is no scope {scope!r}; they look like tn.crm.customers:r.")
