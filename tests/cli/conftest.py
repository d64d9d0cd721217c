"""The command line as people start it: as processes, against the look-alike of ServiceTitan that it comes with."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_rig import Commands, Ended, Trunkline, commands

from company import TENANT, TENANT_TOML, TRUNKLINE, environment
from databases import fresh_database


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    """Address of a ServiceTitan look-alike with two hundred customers."""
    command = (TRUNKLINE, "sandbox", "servicetitan", "--port", "0", "--customers", "200", "--seed", "1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        assert line.startswith("ServiceTitan sandbox: http://127.0.0.1:"), line
        yield line.rpartition(" ")[2].strip()
        process.terminate()


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """What runs commands."""
    with commands(tmp_path_factory.mktemp("printed")) as ready:
        yield ready


@pytest.fixture(scope="module")
def shop(sandbox: str, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A data directory with one company, and the URL of its database."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "trunkline.toml").write_text(TENANT_TOML.format(id=TENANT, name="Example Plumbing", sandbox=sandbox))
    with fresh_database(postgres) as url:
        yield folder, url


@pytest.fixture(scope="module")
def trunkline(forks: Commands, shop: tuple[Path, str]) -> Trunkline:
    """Runs one command to its end; unless told otherwise, in the shop and on its database."""
    folder, database_url = shop
    known = {"TRUNKLINE_DATA_DIR": str(folder), "DATABASE_URL": database_url}

    def run(*arguments: str, **variables: str) -> Ended:
        return forks.run(*arguments, variables={**known, **variables})

    return run
