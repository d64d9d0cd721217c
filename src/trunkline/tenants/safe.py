"""Secrets at rest: encrypted with a key that is not in the database."""

from collections.abc import Sequence

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Unreadable(Exception):
    """A stored secret cannot be read; the message says in one sentence what to do."""


class _Sealed(msgspec.Struct, frozen=True):
    """What is encrypted: whose it is stands inside, since Fernet signs nothing that stands beside."""

    tenant_id: int
    field: str
    secret: str


class Safe:
    """Encrypts with the first of `keys` (Fernet keys, base64) and decrypts with any of them.

    Raises:
        ValueError: with one sentence: a key is none.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except (ValueError, TypeError):
            raise ValueError(
                "A secret key is 32 bytes in URL-safe base64; `trunkline tenants new-key` prints one."
            ) from None

    def seal(self, tenant_id: int, field: str, secret: str) -> str:
        """`secret`, encrypted; it opens only as the same field of the same tenant."""
        return self._fernet.encrypt(msgspec.json.encode(_Sealed(tenant_id, field, secret))).decode()

    def open(self, tenant_id: int, field: str, text: str) -> str:
        """The secret that :meth:`seal` made `text` of.

        Raises:
            Unreadable: it was encrypted with another key, was changed, or belongs to another tenant or field.
        """
        try:
            sealed = msgspec.json.decode(self._fernet.decrypt(text), type=_Sealed)
        except (InvalidToken, msgspec.DecodeError):
            raise Unreadable(
                "The stored secrets cannot be read with this key: set TRUNKLINE_SECRET_KEY to the key they were stored"
                " with, or enter them again."
            ) from None
        if (sealed.tenant_id, sealed.field) != (tenant_id, field):
            raise Unreadable("A stored secret belongs to another tenant or field: enter the secrets again.")
        return sealed.secret

    def reseal(self, tenant_id: int, field: str, text: str) -> str:
        """The same secret, encrypted with the first key; raises as :meth:`open`."""
        return self.seal(tenant_id, field, self.open(tenant_id, field, text))


def new_key() -> str:
    """A key that nobody has."""
    return Fernet.generate_key().decode()
