"""Which phone systems there are, and being one for an installation to be tried with."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from cli_rig import Trunkline

from trunkline.phone_systems.registry import names


class Hooks(BaseHTTPRequestHandler):
    """Takes every delivery but the first, which it answers as somebody in trouble does."""

    paths: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.paths.append(self.path)
        self.send_response(500 if len(self.paths) == 1 else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def hooks() -> Iterator[str]:
    """Where deliveries may go."""
    Hooks.paths = []
    with HTTPServer(("127.0.0.1", 0), Hooks) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/main"
        server.shutdown()
        thread.join()


def test_phone_systems_are_listed_with_their_grades_for_people_and_programs(trunkline: Trunkline) -> None:
    table = trunkline("phone-systems")
    told = json.loads(trunkline("phone-systems", "--json").stdout)
    assert [one["system"] for one in told] == names()
    assert all(name in table.stdout for name in names())
    dialpad = next(one for one in told if one["system"] == "dialpad")
    assert dialpad["grade"] == "platinum"
    assert "webhook" in dialpad["capabilities"]


def test_a_vendor_is_played_and_tries_again_as_it_would(trunkline: Trunkline, hooks: str) -> None:
    ended = trunkline("sandbox", "phone", "dialpad", "--calls", "2", "--url", hooks, "--every", "0", "--pace", "0")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("2 calls, ")
    assert "0 given up" in ended.stdout
    assert "500: 1" in ended.stdout


def test_nobody_there_is_told(trunkline: Trunkline) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/hooks/main"
    ended = trunkline("sandbox", "phone", "callrail", "--calls", "1", "--url", url, "--every", "0", "--pace", "0")
    assert ended.returncode == 1
    assert "no answer" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("smoke-signals", "--url", "http://127.0.0.1:1/"), "There is no speaker for 'smoke-signals'"),
        (("dialpad",), "Say with --url where the deliveries of dialpad go."),
        (("smdr",), "Say with --port where the calls of smdr go."),
        (("cdr-file",), "Say with --file where the calls of cdr-file go."),
    ],
)
def test_what_is_missing_is_told(trunkline: Trunkline, arguments: tuple[str, ...], sentence: str) -> None:
    ended = trunkline("sandbox", "phone", *arguments)
    assert ended.returncode == 2
    assert sentence in ended.stderr


def test_a_file_of_call_records_is_written(trunkline: Trunkline, tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    assert trunkline("sandbox", "phone", "cdr-file", "--calls", "9", "--file", str(path)).returncode == 0
    header, *rows = path.read_text("utf-8").splitlines()
    assert header.startswith("calldate,clid,src,dst")
    assert len(rows) >= 9


def test_lines_are_printed_to_whoever_listens(trunkline: Trunkline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        said: list[bytes] = []

        def listen() -> None:
            connection, _ = listener.accept()
            with connection:
                while piece := connection.recv(65536):
                    said.append(piece)

        thread = threading.Thread(target=listen)
        thread.start()
        ended = trunkline("sandbox", "phone", "smdr", "--calls", "3", "--port", str(listener.getsockname()[1]))
        thread.join()
    assert ended.returncode == 0
    assert b"".join(said).count(b"\r\n") >= 3
