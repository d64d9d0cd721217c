"""Settings: read from the file and the environment, secrets only by reference, one sentence per mistake."""

from pathlib import Path

import pytest

from trunkline.settings import SettingsError, load

GOOD = """
[[tenants]]
id = 1000001
name = "Example Plumbing"
timezone = "America/Toronto"

[tenants.servicetitan]
environment = "integration"
client_id = "cid.example"
client_secret = "env:EXAMPLE_SECRET"
app_key = "file:{folder}/app-key"

[[tenants.phone_systems]]
account = "main"
system = "asterisk"
host = "192.0.2.10"
secret = "env:EXAMPLE_SECRET"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRUNKLINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("EXAMPLE_SECRET", "cs1.example-secret\n")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "app-key").write_text("ak1.example\n")
    (tmp_path / "app-key").chmod(0o600)
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "trunkline.toml").write_text(text.replace("{folder}", str(folder)))


def test_secrets_come_from_where_the_file_points_without_their_newline(folder: Path) -> None:
    write(folder, GOOD)
    tenant = load(folder).tenants[0]
    assert tenant.servicetitan.client_secret.get_secret_value() == "cs1.example-secret"
    assert tenant.servicetitan.app_key.get_secret_value() == "ak1.example"
    assert tenant.phone_systems[0].options() == {"host": "192.0.2.10", "secret": "cs1.example-secret"}


def test_secrets_are_not_shown_when_settings_are_printed(folder: Path) -> None:
    write(folder, GOOD)
    assert "example-secret" not in repr(load(folder))


def test_without_a_file_the_defaults_listen_on_loopback(folder: Path) -> None:
    settings = load(folder)
    assert (settings.host, settings.tenants, settings.database_url) == ("127.0.0.1", [], None)


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "port = 9000\n")
    monkeypatch.setenv("TRUNKLINE_PORT", "9001")
    assert load(folder).port == 9001


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ('"env:EXAMPLE_SECRET"\napp', '"cs1.written-here"\napp'),
            "client_secret: write env:NAME, file:/path or command:PROGRAM",
        ),
        (("env:EXAMPLE_SECRET", "env:NOT_THERE"), "the environment variable NOT_THERE is not set"),
        (("{folder}/app-key", "{folder}/nowhere"), "cannot be read: No such file"),
        (("America/Toronto", "America/Nowhere"), "is no time zone; write one like America/Toronto"),
        (("id = 1000001", "id = -5"), "tenants.0.id: input should be greater than 0"),
        (
            ("app_key =", "booking_provider = 0\napp_key ="),
            "tenants.0.servicetitan.booking_provider: input should be greater than 0",
        ),
        (
            ("app_key =", 'application_guid = "mine"\napp_key ='),
            "tenants.0.servicetitan.application_guid: input should be a valid UUID",
        ),
        (("integration", "staging"), "tenants.0.servicetitan: environment: The environment is production, integration"),
        (('name = "Example Plumbing"', 'name = "Example Plumbing"\ncolour = "red"'), "tenants.0.colour"),
        (("[[tenants]]", "[[tenants"), "trunkline.toml cannot be read"),
    ],
)
def test_a_mistake_is_told_in_one_sentence_that_names_the_setting(
    folder: Path, change: tuple[str, str], sentence: str
) -> None:
    write(folder, GOOD.replace(*change))
    with pytest.raises(SettingsError) as caught:
        load(folder)
    assert sentence in str(caught.value)
    assert "written-here" not in str(caught.value)


def test_two_phone_systems_may_not_share_a_name(folder: Path) -> None:
    write(folder, GOOD + '\n[[tenants.phone_systems]]\naccount = "main"\nsystem = "webhook"\n')
    with pytest.raises(SettingsError, match="same account name"):
        load(folder)


def test_a_booking_provider_is_read_and_need_not_be_there(folder: Path) -> None:
    write(folder, GOOD)
    assert load(folder).tenants[0].servicetitan.booking_provider is None
    write(folder, GOOD.replace("app_key =", "booking_provider = 1234\napp_key ="))
    assert load(folder).tenants[0].servicetitan.booking_provider == 1234


def test_an_application_guid_is_read_however_it_is_written_and_need_not_be_there(folder: Path) -> None:
    write(folder, GOOD)
    assert load(folder).tenants[0].servicetitan.application_guid is None
    guid = "AAAAAAAA-2222-4333-8444-555555555555"
    write(folder, GOOD.replace("app_key =", f'application_guid = "{guid}"\napp_key ='))
    assert str(load(folder).tenants[0].servicetitan.application_guid) == guid.lower()
