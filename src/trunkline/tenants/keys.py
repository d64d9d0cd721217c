"""Where the key of the safe is kept: the environment, else the operating system's keyring, else a file of our own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keyring
import structlog
from keyring.errors import KeyringError

from trunkline.tenants.safe import Safe, new_key

log = structlog.get_logger(__name__)

VARIABLE = "TRUNKLINE_SECRET_KEY"
KEYRING_SERVICE = "trunkline"
_OTHERS = 0o077
_SEPARATOR = ","


class KeyTrouble(Exception):
    """The key cannot be used; the message says in one sentence what to mend."""


@dataclass(frozen=True)
class KeyStore:
    """The keys of one installation, newest first; the first encrypts, the others still decrypt.

    They are read anew each time: another process may have changed them. One that is needed and not there is made, in
    the keyring where there is one, else in the file `secret.key` in `data_dir`, which its owner alone can read.
    """

    data_dir: Path

    @property
    def file(self) -> Path:
        """Where the key lies when there is no keyring."""
        return self.data_dir / "secret.key"

    def safe(self) -> Safe:
        """The safe with the present keys.

        Raises:
            KeyTrouble: there is none that can be used.
        """
        try:
            return Safe(self._read() or self.write([new_key()]))
        except ValueError as error:
            raise KeyTrouble(str(error)) from None

    def _read(self) -> Sequence[str]:
        if from_environment := os.environ.get(VARIABLE):
            return _split(from_environment)
        return self._from_keyring() or self._from_file()

    @property
    def is_ours(self) -> bool:
        """Whether we may change the key: one that stands in the environment is somebody else's."""
        return not os.environ.get(VARIABLE)

    def add(self) -> Safe:
        """Put a new key before those there are; raises as :meth:`safe`."""
        try:
            return Safe(self.write([new_key(), *self._read()]))
        except ValueError as error:
            raise KeyTrouble(str(error)) from None

    def drop_old(self) -> None:
        """Keep only the newest key."""
        self.write(self._read()[:1])

    def write(self, keys: Sequence[str]) -> Sequence[str]:
        """Keep `keys` where the present ones are, or where new ones belong.

        Raises:
            KeyTrouble: the file cannot be written.
        """
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
            with self.file.open() as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS:
                    raise KeyTrouble(
                        f"The key file {self.file} can be read by others: make it yours alone with chmod 600."
                    )
                return _split(file.read())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise KeyTrouble(f"The key file {self.file} cannot be read: {error.strerror}.") from None


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
