"""A sandbox for all, an installation for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import Installation, Sandbox, sandbox


@pytest.fixture(scope="module")
def servicetitan() -> Iterator[Sandbox]:
    """The sandbox of the module."""
    with sandbox() as running:
        yield running


@pytest.fixture
def installation(tmp_path: Path, database_url: str, servicetitan: Sandbox) -> Iterator[Installation]:
    """A fresh installation; stopped afterwards, the sandbox without faults."""
    made = Installation(tmp_path, database_url, servicetitan)
    yield made
    made.stop()
    servicetitan.set_faults()
