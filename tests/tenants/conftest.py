"""What the tests of tenants share."""

import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest

from trunkline.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither a key nor a keyring of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("TRUNKLINE_", "DATABASE_URL")):
            monkeypatch.delenv(name)
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation without a settings file."""
    return Settings(data_dir=tmp_path)
