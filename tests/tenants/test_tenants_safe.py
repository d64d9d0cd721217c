"""Secrets at rest, and where their key is kept."""

from pathlib import Path

import keyring
import pytest
from cryptography.fernet import Fernet
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from trunkline.tenants.keys import KeyStore, KeyTrouble
from trunkline.tenants.safe import Safe, Unreadable, new_key

SECRET = "cs1.example-secret"
TENANT, OTHER = 1000001, 1000002


class Drawer(KeyringBackend):
    """A keyring in memory; a locked one refuses everything."""

    priority = 5.0

    def __init__(self, *, locked: bool = False) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = locked

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("locked")
        self.kept[service, username] = password


def test_a_secret_opens_as_what_it_was_sealed_as() -> None:
    safe = Safe([new_key()])
    sealed = safe.seal(TENANT, "client_secret", SECRET)
    assert safe.open(TENANT, "client_secret", sealed) == SECRET
    assert SECRET not in sealed
    assert safe.seal(TENANT, "client_secret", SECRET) != sealed


@pytest.mark.parametrize(("tenant", "field"), [(OTHER, "client_secret"), (TENANT, "app_key")])
def test_a_secret_that_was_moved_to_another_row_or_field_does_not_open(tenant: int, field: str) -> None:
    safe = Safe([new_key()])
    sealed = safe.seal(TENANT, "client_secret", SECRET)
    with pytest.raises(Unreadable, match="belongs to another tenant or field: enter the secrets again"):
        safe.open(tenant, field, sealed)


@pytest.mark.parametrize("change", [lambda text: text[:-4] + "AAA=", lambda _: "", lambda _: SECRET])
def test_a_secret_that_was_changed_does_not_open(change: "object") -> None:
    safe = Safe([new_key()])
    assert callable(change)
    with pytest.raises(Unreadable, match="cannot be read with this key: set TRUNKLINE_SECRET_KEY"):
        safe.open(TENANT, "client_secret", change(safe.seal(TENANT, "client_secret", SECRET)))


def test_what_was_encrypted_without_an_owner_does_not_open() -> None:
    key = new_key()
    with pytest.raises(Unreadable):
        Safe([key]).open(TENANT, "client_secret", Fernet(key).encrypt(SECRET.encode()).decode())


def test_with_several_keys_the_first_encrypts_and_all_decrypt() -> None:
    old, new = new_key(), new_key()
    sealed = Safe([old]).seal(TENANT, "app_key", SECRET)
    both = Safe([new, old])
    assert both.open(TENANT, "app_key", sealed) == SECRET
    again = both.reseal(TENANT, "app_key", sealed)
    assert Safe([new]).open(TENANT, "app_key", again) == SECRET
    with pytest.raises(Unreadable):
        Safe([old]).open(TENANT, "app_key", again)


def test_the_key_in_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(Drawer())
    store = KeyStore(tmp_path)
    kept = store.safe(make=True).seal(TENANT, "app_key", SECRET)
    key = new_key()
    monkeypatch.setenv("TRUNKLINE_SECRET_KEY", key)
    assert not store.is_ours
    with pytest.raises(Unreadable):
        store.safe().open(TENANT, "app_key", kept)
    assert Safe([key]).open(TENANT, "app_key", store.safe().seal(TENANT, "app_key", SECRET)) == SECRET


def test_a_key_in_the_environment_that_is_none_is_told_in_a_sentence_that_does_not_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_SECRET_KEY", "my-very-own-key")
    with pytest.raises(KeyTrouble, match="A secret key is 32 bytes in URL-safe base64") as caught:
        KeyStore(tmp_path).safe()
    assert "my-very-own" not in str(caught.value)


def test_with_a_keyring_the_key_lies_there_and_no_file_is_made(tmp_path: Path) -> None:
    drawer = Drawer()
    keyring.set_keyring(drawer)
    sealed = KeyStore(tmp_path).safe(make=True).seal(TENANT, "app_key", SECRET)
    assert KeyStore(tmp_path).safe().open(TENANT, "app_key", sealed) == SECRET
    assert list(drawer.kept) == [("trunkline", str(tmp_path))]
    assert list(tmp_path.iterdir()) == []


def test_without_a_keyring_the_key_lies_in_a_file_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    sealed = KeyStore(folder).safe(make=True).seal(TENANT, "app_key", SECRET)
    assert KeyStore(folder).safe().open(TENANT, "app_key", sealed) == SECRET
    (file,) = folder.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("secret.key", 0o600)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.safe(make=True)
    store.file.chmod(0o644)
    with pytest.raises(KeyTrouble, match=r"secret\.key can be read by others: make it yours alone with chmod 600 "):
        store.safe()


def test_a_locked_keyring_makes_nobody_a_second_key(tmp_path: Path) -> None:
    keyring.set_keyring(Drawer(locked=True))
    with pytest.raises(KeyTrouble, match="keyring does not open: unlock it, or set TRUNKLINE_SECRET_KEY"):
        KeyStore(tmp_path).safe(make=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variable", [None, "", " , "])
def test_a_key_that_is_only_asked_for_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    if variable is not None:
        monkeypatch.setenv("TRUNKLINE_SECRET_KEY", variable)
    store = KeyStore(tmp_path)
    assert store.is_ours
    with pytest.raises(KeyTrouble, match="The key of the stored secrets is not there: set TRUNKLINE_SECRET_KEY, bring"):
        store.safe()
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_that_is_none_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyTrouble, match=r"The file .* cannot be read: Not a directory\."):
        KeyStore(tmp_path / "file").safe()


@pytest.mark.parametrize("has_keyring", [True, False])
def test_a_new_key_comes_before_the_old_until_that_is_dropped(tmp_path: Path, *, has_keyring: bool) -> None:
    if has_keyring:
        keyring.set_keyring(Drawer())
    store = KeyStore(tmp_path)
    old = store.safe(make=True).seal(TENANT, "app_key", SECRET)
    before = store.read()
    both = store.add()
    new = both.reseal(TENANT, "app_key", old)
    assert store.safe().open(TENANT, "app_key", old) == SECRET
    store.drop(before)
    assert store.safe().open(TENANT, "app_key", new) == SECRET
    with pytest.raises(Unreadable):
        store.safe().open(TENANT, "app_key", old)
