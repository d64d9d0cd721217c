"""Typing mistakes in what connects a tenant, told before anything is sent.

The formats are those that ServiceTitan's developer portal hands out (client id ``cid.…``, client secret ``cs1.…``, app
key ``ak1.…``). They are published nowhere as a promise, so what looks like nothing known passes: only what looks like
something else is refused.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec


class CredentialField(StrEnum):
    """What a person types; the values are the fields' names in settings and forms."""

    ENVIRONMENT = "environment"
    CLIENT_ID = "client_id"
    CLIENT_SECRET = "client_secret"  # noqa: S105 - a field's name
    APP_KEY = "app_key"


_NAMED = {"production", "integration"}
_NAMES = {
    CredentialField.CLIENT_ID: "client id",
    CredentialField.CLIENT_SECRET: "client secret",
    CredentialField.APP_KEY: "app key",
}
_FORMS = (
    (CredentialField.CLIENT_ID, re.compile(r"cid\.", re.IGNORECASE)),
    (CredentialField.CLIENT_SECRET, re.compile(r"cs\d*\.", re.IGNORECASE)),
    (CredentialField.APP_KEY, re.compile(r"ak\d*\.", re.IGNORECASE)),
)
_QUOTES = "\"'`“”‘’<>"
_MASKS = "•*●…"


class TypedCredentials(msgspec.Struct, frozen=True):
    """What was typed; an empty secret is one that stays as it is.

    `environment` is production, integration, or the base URL of a sandbox.
    """

    environment: str
    client_id: str
    client_secret: str = ""
    app_key: str = ""

    def __repr__(self) -> str:
        return f"TypedCredentials({self.environment!r}, {self.client_id!r})"


def mistakes(typed: TypedCredentials, environments: Mapping[str, str] | None = None) -> dict[CredentialField, str]:
    """One sentence for each field that cannot be right; none of them repeats a secret.

    `environments` gives each client id that is set up already its environment: a client id of ServiceTitan's belongs to
    one only.
    """
    found: dict[CredentialField, str] = {}
    if sentence := _environment_mistake(typed.environment):
        found[CredentialField.ENVIRONMENT] = sentence
    values = {
        CredentialField.CLIENT_ID: typed.client_id,
        CredentialField.CLIENT_SECRET: typed.client_secret,
        CredentialField.APP_KEY: typed.app_key,
    }
    for field, value in values.items():
        if sentence := _mistake(field, value):
            found[field] = sentence
    other = (environments or {}).get(typed.client_id, typed.environment)
    if not found and other != typed.environment and {other, typed.environment} <= _NAMED:
        found[CredentialField.ENVIRONMENT] = (
            f"This client id is set up for {other} already, and belongs to one environment only: choose {other}, or"
            f" take the client id of {typed.environment}."
        )
    return found


def looks_secret(text: str) -> bool:
    """Whether `text` has the form of a client secret or an app key, wherever it was typed."""
    secret_forms = (form for field, form in _FORMS if field is not CredentialField.CLIENT_ID)
    return any(form.match(text.strip()) for form in secret_forms)


def _mistake(field: CredentialField, value: str) -> str | None:
    name = _NAMES[field]
    if not value.strip():
        return f"The {name} is empty." if value or field is CredentialField.CLIENT_ID else None
    other = next((other for other, form in _FORMS if other is not field and form.match(value)), field)
    is_number = field is CredentialField.CLIENT_ID and value.isdigit()
    rules = (
        (value != value.strip(), f"The {name} has white space or a line break around it: copy it again without."),
        (
            not value.isprintable() or any(sign.isspace() for sign in value),
            f"The {name} has white space or a line break in it: copy it again in one piece.",
        ),
        (value[0] in _QUOTES or value[-1] in _QUOTES, f"The {name} has quotes around it: copy it again without."),
        (
            any(sign in _MASKS for sign in value),
            f"The {name} was copied while it was hidden: show it in the portal first, then copy it.",
        ),
        (
            other is not field,
            f"This looks like {_article(_NAMES[other])}, not like {_article(name)}: each has its own field.",
        ),
        (is_number, "This looks like a tenant id, not like a client id: each has its own field."),
    )
    return next((sentence for applies, sentence in rules if applies), None)


def _article(name: str) -> str:
    return f"{'an' if name.startswith('app') else 'a'} {name}"


def _environment_mistake(text: str) -> str | None:
    if text in _NAMED:
        return None
    parts = urlsplit(text)
    host = (parts.hostname or "") if parts.scheme in {"http", "https"} else ""
    if not host:
        return "The environment is production, integration, or the base URL of a sandbox."
    if host.endswith((".servicetitan.io", ".servicetitan.com")):
        name = "integration" if re.search(r"integration|next", host) else "production"
        return f"This is an address of ServiceTitan's own: write {name}."
    return None
