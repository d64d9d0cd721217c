"""Typing mistakes in credentials: what looks like something else is refused, what looks like nothing known passes."""

import pytest

from trunkline.domain.credentials import CredentialField, TypedCredentials, mistakes

ID, SECRET, KEY = "cid.example", "cs1.example-secret", "ak1.example"


def found(**typed: str) -> dict[str, str]:
    """The mistakes, by the fields' names."""
    values = {"environment": "production", "client_id": ID, "client_secret": SECRET, "app_key": KEY, **typed}
    return {field.value: sentence for field, sentence in mistakes(TypedCredentials(**values)).items()}


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"environment": "integration"},
        {"environment": "http://127.0.0.1:8050"},
        {"environment": "https://sandbox.example/base"},
        {"client_id": "anything-at-all", "client_secret": "some secret".replace(" ", ""), "app_key": "key"},
        {"client_secret": "", "app_key": ""},  # secrets that stay as they are
        {"client_secret": "cid", "app_key": "cs"},
    ],
)
def test_what_may_be_right_passes(typed: dict[str, str]) -> None:
    assert found(**typed) == {}


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("client_secret", f" {SECRET}", "The client secret has white space or a line break around it"),
        ("client_secret", f"{SECRET}\n", "The client secret has white space or a line break around it"),
        ("client_id", f"{ID}\t", "The client id has white space or a line break around it"),
        ("app_key", f"{KEY}\r\n", "The app key has white space or a line break around it"),
        ("app_key", "ak1.exa\nmple", "The app key has white space or a line break in it"),
        ("app_key", "ak1.exa\u200bmple", "The app key has white space or a line break in it"),
        ("client_id", "", "The client id is empty."),
        ("client_secret", "  ", "The client secret is empty."),
        ("client_id", SECRET, "This looks like a client secret, not like a client id"),
        ("client_id", KEY, "This looks like an app key, not like a client id"),
        ("client_id", "1000001", "This looks like a tenant id, not like a client id"),
        ("client_secret", ID, "This looks like a client id, not like a client secret"),
        ("client_secret", KEY.upper(), "This looks like an app key, not like a client secret"),
        ("app_key", ID, "This looks like a client id, not like an app key"),
        ("app_key", SECRET, "This looks like a client secret, not like an app key"),
        ("client_secret", f'"{SECRET}"', "The client secret has quotes around it"),
        ("client_secret", "cs1.••••••••", "The client secret was copied while it was hidden"),
        ("environment", "prod", "The environment is production, integration, or the base URL of a sandbox."),
        ("environment", "", "The environment is production, integration, or the base URL of a sandbox."),
        ("environment", "ftp://sandbox.example", "The environment is production, integration, or the base URL"),
        ("environment", "https://auth.servicetitan.io", "This is an address of ServiceTitan's own: write production."),
        ("environment", "https://api-integration.servicetitan.io", "ServiceTitan's own: write integration."),
        ("environment", "https://next.servicetitan.com/#/", "ServiceTitan's own: write integration."),
    ],
)
def test_a_mistake_is_told_in_one_sentence_at_its_own_field(field: str, value: str, sentence: str) -> None:
    told = found(**{field: value})
    assert list(told) == [field]
    assert sentence in told[field]
    assert "example-secret" not in told[field]


def test_an_id_and_a_secret_that_changed_places_are_told_at_both_fields() -> None:
    assert set(found(client_id=SECRET, client_secret=ID)) == {"client_id", "client_secret"}


def test_a_client_id_that_another_environment_has_already_was_set_up_for_the_wrong_one() -> None:
    typed = TypedCredentials("production", ID, SECRET, KEY)
    told = mistakes(typed, {ID: "integration"})
    assert list(told) == [CredentialField.ENVIRONMENT]
    assert "set up for integration already" in told[CredentialField.ENVIRONMENT]
    assert mistakes(typed, {ID: "production", "cid.other": "integration"}) == {}
    assert mistakes(typed, {ID: "http://127.0.0.1:8050"}) == {}  # sandboxes all accept the same


def test_what_was_typed_is_not_shown_when_it_is_printed() -> None:
    assert "example-secret" not in repr(TypedCredentials("production", ID, SECRET, KEY))
    assert "ak1" not in repr(TypedCredentials("production", ID, SECRET, KEY))
