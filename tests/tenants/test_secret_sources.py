"""Secrets by reference: read where they are, refused where others can read them too, and never repeated."""

import os
import sys
from pathlib import Path

import pytest

from trunkline import secret_sources
from trunkline.secret_sources import read_secret

SECRET = "cs1.example-secret"


def private(path: Path, text: str, mode: int = 0o600) -> str:
    """A reference to a new file."""
    path.write_text(text)
    path.chmod(mode)
    return f"file:{path}"


def program(folder: Path, *lines: str) -> str:
    """A reference to a command that runs this Python."""
    path = folder / "vault.py"
    path.write_text("\n".join(("import os, sys, time", *lines)))
    return f"command:{sys.executable} {path} --name 'a b'"


def test_an_environment_variable_is_read_without_its_newline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_SECRET", f"{SECRET}\n")
    assert read_secret("env:EXAMPLE_SECRET") == SECRET


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_its_owner_alone_may_read_is_read(tmp_path: Path, mode: int) -> None:
    assert read_secret(private(tmp_path / "secret", f"{SECRET}\n", mode)) == SECRET


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    reference = private(tmp_path / "secret", SECRET, mode)
    with pytest.raises(ValueError, match=rf"^the file {tmp_path}/secret can be read by others: make it yours alone"):
        read_secret(reference)


def test_a_command_is_run_without_a_shell_and_its_output_is_the_secret(tmp_path: Path) -> None:
    reference = program(
        tmp_path, "assert sys.argv[1:] == ['--name', 'a b', '$HOME;ls'], sys.argv", f"print('{SECRET}')"
    )
    assert read_secret(f"{reference} $HOME;ls") == SECRET


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("print('cs1.half-told'); sys.stderr.write('cs1.half-told'); sys.exit(3)",), "failed with exit status 3"),
        (("pass",), "printed holds nothing"),
        (("os.write(1, bytes([0xff, 0xfe]))",), "cannot be run: check the command"),
        (("time.sleep(60)",), "did not answer within"),
    ],
    ids=["failed", "silent", "no text", "too slow"],
)
def test_a_command_that_gives_no_secret_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], lines: tuple[str], sentence: str
) -> None:
    if "60" in lines[0]:
        monkeypatch.setattr(secret_sources, "COMMAND_TIMEOUT_S", 0.2)
    with pytest.raises(ValueError, match=sentence) as caught:
        read_secret(program(tmp_path, *lines))
    told = "".join(capfd.readouterr()) + str(caught.value)
    assert "half-told" not in told  # neither what it printed nor how it was called is repeated
    assert "a b" not in told


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (SECRET, "write env:NAME, file:/path or command:PROGRAM"),
        ("env:NOT_THERE_AT_ALL", "the environment variable NOT_THERE_AT_ALL is not set"),
        ("file:/nowhere/at/all", "the file /nowhere/at/all cannot be read: No such file"),
        ("command:/nowhere/at/all", "/nowhere/at/all cannot be run"),
        ("command:", "the command cannot be run"),
        ("command:echo 'never closed", "the command cannot be run"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_in_a_sentence(reference: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace(".", r"\.")) as caught:
        read_secret(reference)
    assert SECRET not in str(caught.value)


def test_what_is_empty_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_SECRET", " \n")
    with pytest.raises(ValueError, match="the environment variable EXAMPLE_SECRET holds nothing"):
        read_secret("env:EXAMPLE_SECRET")
    with pytest.raises(ValueError, match="holds nothing"):
        read_secret(private(tmp_path / "secret", "\n"))
    assert os.environ["EXAMPLE_SECRET"] == " \n"
