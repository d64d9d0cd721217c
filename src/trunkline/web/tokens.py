"""The tokens that open the desk, each for a role, and the cookies that are derived from them. Pure."""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping

from trunkline.web.rights import Role

SIGNED_IN_S = 14 * 24 * 3600
SHORTEST_TOKEN = 16


class UnsafeTokens(Exception):
    """The tokens do not keep apart whom they should; the message is one sentence that says what to set."""


def check_tokens(host: str, access: str | None, dispatcher: str | None) -> None:
    """Refuse to serve customers' data on `host` without asking who is there, or with tokens that prove little.

    Raises:
        UnsafeTokens: with one sentence that says what to set.
    """
    if access is None and dispatcher is not None:
        raise UnsafeTokens("A dispatcher token protects nothing by itself: set TRUNKLINE_ACCESS_TOKEN, too.")
    if access is None and not is_loopback(host):
        raise UnsafeTokens(
            f"Listening on {host} would show customers' data to the network:"
            " set TRUNKLINE_ACCESS_TOKEN, or listen on 127.0.0.1."
        )
    for kind, token in (("access", access), ("dispatcher", dispatcher)):
        if token is not None and len(token) < SHORTEST_TOKEN:
            variable = f"TRUNKLINE_{kind.upper()}_TOKEN"
            raise UnsafeTokens(f"The {kind} token is too short: set {variable} to {SHORTEST_TOKEN} or more signs.")
    if access is not None and access == dispatcher:
        raise UnsafeTokens(
            "The dispatcher token is the access token: set TRUNKLINE_DISPATCHER_TOKEN to another one, or leave it out."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    name = host.strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


class Keeper:
    """Knows each role's token; checks it and what was derived from it in constant time."""

    def __init__(self, tokens: Mapping[Role, str]) -> None:
        self._tokens = {role: token.encode() for role, token in tokens.items()}
        self._keys = {
            role: hashlib.sha256(b"trunkline sign-in\0" + token).digest() for role, token in self._tokens.items()
        }

    def role_of_token(self, given: str) -> Role | None:
        """Whose token `given` is; every token is compared, so that the time tells nothing."""
        text = given.strip().encode()
        matches = [role for role, token in self._tokens.items() if hmac.compare_digest(text, token)]
        return matches[0] if matches else None

    def cookie(self, role: Role, now: float) -> str:
        """What a signed-in browser keeps: role, expiry and their keyed digest, never the token."""
        claim = f"{role}.{int(now) + SIGNED_IN_S}"
        return f"{claim}.{self._digest(role, claim)}"

    def role_of_cookie(self, value: str, now: float) -> Role | None:
        """For whom `value` was made, where that was done with this role's token and has not expired."""
        claim, _, digest = value.rpartition(".")
        name, _, expires = claim.partition(".")
        role = next((one for one in self._keys if one == name), None)
        if role is None or not hmac.compare_digest(digest.encode(), self._digest(role, claim).encode()):
            return None
        return role if int(expires) > now else None

    def _digest(self, role: Role, claim: str) -> str:
        # The role is in what is digested: a token that changes hands brings no cookie of its former role along.
        return hmac.new(self._keys[role], claim.encode(), hashlib.sha256).hexdigest()
