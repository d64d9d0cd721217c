"""Where the key of the safe is kept: the environment, else the operating system's keyring, else a file of our own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keyring
import structlog
from keyring.errors import KeyringError

from trunkline.secret_sources import as_sentence, read_private
from trunkline.tenants.safe import Safe, new_key

log = structlog.get_logger(__name__)

VARIABLE = "TRUNKLINE_SECRET_KEY"
KEYRING_SERVICE = "trunkline"
_SEPARATOR = ","


class KeyTrouble(Exception):
    """The key cannot be used; the message says in one sentence what to mend."""


@dataclass(frozen=True)
class KeyStore:
    """The keys of one installation, newest first; the first encrypts, the others still decrypt.

    They are read anew each time: another process may have changed them. What is kept by ourselves lies in the keyring
    where there is one, else in the file `secret.key` in `data_dir`, which its owner alone can read. Whoever changes the
    keys keeps other processes from it meanwhile.
    """

    data_dir: Path

    @property
    def file(self) -> Path:
        """Where the key lies when there is no keyring."""
        return self.data_dir / "secret.key"

    def safe(self, *, make: bool = False) -> Safe:
        """The safe with the present keys; `make` the first one where there is none.

        Raises:
            KeyTrouble: there is none that can be used.
        """
        keys = self.read()
        if not keys and make:
            keys = self._write([new_key()])
        if not keys:
            raise KeyTrouble(
                f"The key of the stored secrets is not there: set {VARIABLE}, bring back {self.file}, or enter the"
                " secrets again."
            )
        return _safe(keys)

    def read(self) -> Sequence[str]:
        """The present keys; raises as :meth:`safe` where they cannot be read."""
        return _from_environment() or self._from_keyring() or self._from_file()

    @property
    def is_ours(self) -> bool:
        """Whether we may change the keys: those that stand in the environment are somebody else's."""
        return not _from_environment()

    def add(self) -> Safe:
        """Put a new key before those there are; raises as :meth:`safe`."""
        keys = [new_key(), *self.read()]
        safe = _safe(keys)
        self._write(keys)
        return safe

    def drop(self, old: Sequence[str]) -> None:
        """Keep all keys but these."""
        self._write([key for key in self.read() if key not in old])

    def _write(self, keys: Sequence[str]) -> Sequence[str]:
        """Keep `keys` where the present ones are, or where new ones belong."""
        if not self.file.exists() and _has_keyring():
            try:
                keyring.set_password(KEYRING_SERVICE, self._name, _SEPARATOR.join(keys))
            except KeyringError as error:
                log.warning("the keyring takes no key; it goes into a file", reason=type(error).__name__)
            else:
                return keys
        try:
            _write_private(self.file, _SEPARATOR.join(keys) + "\n")
        except OSError as error:
            raise KeyTrouble(f"The key file {self.file} cannot be written: {error.strerror}.") from None
        return keys

    @property
    def _name(self) -> str:
        return str(self.data_dir.resolve())

    def _from_keyring(self) -> Sequence[str]:
        if not _has_keyring():
            return ()
        try:
            return _split(keyring.get_password(KEYRING_SERVICE, self._name) or "")
        except KeyringError:
            if self.file.exists():
                return ()
            raise KeyTrouble(f"The system's keyring does not open: unlock it, or set {VARIABLE}.") from None

    def _from_file(self) -> Sequence[str]:
        try:
            return _split(read_private(self.file))
        except ValueError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return ()
            raise KeyTrouble(as_sentence(error)) from None


def _safe(keys: Sequence[str]) -> Safe:
    try:
        return Safe(keys)
    except ValueError as error:
        raise KeyTrouble(str(error)) from None


def _from_environment() -> Sequence[str]:
    return _split(os.environ.get(VARIABLE, ""))


def _has_keyring() -> bool:
    """Servers mostly have none: keyring's stand-in for that has no priority."""
    return bool(keyring.get_keyring().priority > 0)


def _split(text: str) -> list[str]:
    return [key.strip() for key in text.split(_SEPARATOR) if key.strip()]


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and readable by its owner alone from the first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}")
    half.unlink(missing_ok=True)
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - by its number
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
