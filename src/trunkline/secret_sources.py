"""Secrets by reference: settings name where a secret is, never the secret itself.

``env:NAME`` is an environment variable, ``file:/path`` a file that its owner alone may read (systemd credentials,
container secrets), ``command:PROGRAM ARGUMENTS`` whatever a key vault's own command prints.
"""

import os
import shlex
import subprocess
from pathlib import Path

COMMAND_TIMEOUT_S = 20.0
_OTHERS = 0o077


def read_secret(reference: str) -> str:
    """The secret that `reference` names, without white space around it.

    Raises:
        ValueError: with one sentence, which repeats nothing that was read.
    """
    kind, _, where = reference.partition(":")
    readers = {"env": _from_environment, "file": _from_file, "command": _from_command}
    if kind not in readers:
        raise ValueError(
            "write env:NAME, file:/path or command:PROGRAM, so that the secret itself does not stand in the file"
        )
    secret = readers[kind](where).strip()
    if not secret:
        raise ValueError(f"{_place(kind, where)} holds nothing")
    return secret


def as_sentence(problem: object) -> str:
    """What went wrong, as this module says it within other sentences, as a sentence of its own."""
    text = str(problem)
    return f"{text[:1].upper()}{text[1:]}."


def _place(kind: str, where: str) -> str:
    if kind == "env":
        return f"the environment variable {where}"
    return f"the file {where}" if kind == "file" else f"what {_program(where)} printed"


def _from_environment(name: str) -> str:
    if name not in os.environ:
        raise ValueError(f"the environment variable {name} is not set")
    return os.environ[name]


def _from_file(name: str) -> str:
    return read_private(Path(name))


def read_private(path: Path) -> str:
    """The text of a file that its owner alone may read.

    Raises:
        ValueError: with a sentence that has no capital and no full stop yet.
    """
    try:
        with path.open() as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise ValueError(f"the file {path} can be read by others: make it yours alone with chmod 600 {path}")
            return file.read()
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} holds no text") from None
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {error.strerror}") from error


def _program(command: str) -> str:
    """Only the program is named to people: its arguments may be private."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    return words[0] if words else "the command"


def _from_command(command: str) -> str:
    program = _program(command)
    try:
        ended = subprocess.run(  # noqa: S603 - no shell, and whoever writes the settings runs the service
            shlex.split(command) or [""],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"{program} did not answer within {COMMAND_TIMEOUT_S:g} seconds") from None
    except (OSError, ValueError):  # not there, not to be run, a quote that is never closed, or no text
        raise ValueError(f"{program} cannot be run: check the command for its path and its quotes") from None
    if ended.returncode != 0:
        raise ValueError(f"{program} failed with exit status {ended.returncode}; run it by hand to see why")
    return ended.stdout
