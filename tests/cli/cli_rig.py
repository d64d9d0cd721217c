"""What the command line's tests pass one another."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from company import SECRETS, environment

Ended = subprocess.CompletedProcess[str]
Trunkline = Callable[..., Ended]

LONGEST_S = 60


class Commands:
    """Runs commands to their ends, one at a time; `folder` is for what they print."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._files = [folder / name for name in ("in", "out", "err")]

    def run(self, *arguments: str, says: str = "", variables: Mapping[str, str]) -> Ended:
        """`trunkline` with these arguments; `says` is what a person types."""
        for file, text in zip(self._files, (says, "", ""), strict=True):
            file.write_text(text)
        order = {
            "arguments": arguments,
            "environment": environment(**variables),
            "files": [str(file) for file in self._files],
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watchdog = threading.Timer(LONGEST_S, self._process.kill)
        watchdog.start()
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        status = self._process.stdout.readline()
        watchdog.cancel()
        assert status, f"trunkline {' '.join(arguments)} took longer than {LONGEST_S} s"
        _, out, err = (file.read_text() for file in self._files)
        assert "Traceback" not in out + err
        for secret in SECRETS.values():
            assert secret not in out + err
        return Ended(("trunkline", *arguments), int(status), out, err)


@contextmanager
def commands(folder: Path) -> Iterator[Commands]:
    """What runs commands, while the body runs."""
    forks = [sys.executable, str(Path(__file__).with_name("forked.py"))]
    with subprocess.Popen(
        forks, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        yield Commands(process, folder)
        process.kill()
