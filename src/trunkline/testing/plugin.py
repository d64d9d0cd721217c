"""The pytest plug-in: where traces are, and how to record them anew.

`phone_traces` in pytest's settings names the folder, with one folder a system in it (default: tests/traces).
"""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """One setting, one switch."""
    parser.addini("phone_traces", "Folder with one folder of traces for each phone system.", default="tests/traces")
    parser.addoption(
        "--record-phone-traces",
        action="store_true",
        help="Write the traces of speakers anew, instead of checking them.",
    )


@pytest.fixture(scope="session")
def phone_traces(pytestconfig: pytest.Config) -> Path:
    """The folder of all traces."""
    return pytestconfig.rootpath / str(pytestconfig.getini("phone_traces"))


@pytest.fixture(scope="session")
def records_traces(pytestconfig: pytest.Config) -> bool:
    """Whether traces are to be written instead of checked."""
    return bool(pytestconfig.getoption("--record-phone-traces"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A contract's tests of a scenario run for each that its speaker plays."""
    speaker = getattr(metafunc.cls, "speaker", None)
    if "scenario" in metafunc.fixturenames and speaker is not None:
        metafunc.parametrize("scenario", list(speaker.scenarios))
