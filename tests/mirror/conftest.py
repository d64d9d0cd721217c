"""Retries do not wait here: how often and after what is what the tests look at."""

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retry at once, as often as the client itself asks for."""
    with stamina.set_testing(True, attempts=1000, cap=True):
        yield
