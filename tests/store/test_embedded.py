"""The PostgreSQL that comes with the package."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from trunkline.store.embedded import EmbeddedPostgres, configure


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    folder = tmp_path_factory.mktemp("embedded")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # as root the server runs as another user
    server = EmbeddedPostgres(folder / "data")
    yield server
    server.stop()


def setting(server: EmbeddedPostgres, name: str) -> str:
    with psycopg.connect(server.start(), autocommit=True) as connection:
        row = connection.execute("select current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


def test_the_server_is_fitted_to_the_machine_and_keeps_what_others_set(server: EmbeddedPostgres) -> None:
    configured = setting(server, "shared_buffers")
    assert setting(server, "max_wal_size") == "2GB"
    server.stop()
    own = server.folder / "postgresql.conf"
    own.write_text(own.read_text() + "max_wal_size = 3GB\n")

    assert setting(server, "max_wal_size") == "3GB"
    assert setting(server, "shared_buffers") == configured
    assert own.read_text().count("trunkline.conf") == 1


@pytest.mark.parametrize(("pages", "expected"), [(2**10, "128MB"), (2**18, "256MB"), (2**24, "1024MB")])
def test_a_quarter_of_the_memory_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int, expected: str
) -> None:
    (tmp_path / "postgresql.conf").write_text("# as initdb made it\n")
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": pages, "SC_PAGE_SIZE": 4096}.__getitem__)
    configure(tmp_path)
    assert f"shared_buffers = {expected}" in (tmp_path / "trunkline.conf").read_text()
