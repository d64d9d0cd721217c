"""The service is killed at every commit point of inbox, tracker and logbook; nothing is lost, nothing doubled."""

from collections.abc import Iterator

import pytest

from company import WEBHOOK_TOML
from databases import fresh_database
from installation import Installation, Sandbox, killed
from trunkline.faultpoints import FAULT_POINTS


@pytest.fixture(scope="module")
def long_lived(
    tmp_path_factory: pytest.TempPathFactory, postgres: str, servicetitan: Sandbox
) -> Iterator[Installation]:
    """One installation that lives through all the deaths; it books strangers."""
    phones = "booking_provider = 1\n" + WEBHOOK_TOML.format(account="phones")
    with fresh_database(postgres) as url:
        made = Installation(tmp_path_factory.mktemp("installation"), url, servicetitan, phones)
        made.start()
        made.wait_ready()
        made.wait_mirrored()
        made.stop()
        yield made
        made.stop()


@pytest.mark.parametrize("point", [point for point in FAULT_POINTS if not point.startswith("mirror.")])
def test_a_kill_loses_and_doubles_nothing(long_lived: Installation, point: str) -> None:
    # The first caller has a job today: two notes, and a kill between them.
    found = long_lived.sandbox.callers(60)
    callers = [*found[:3], next(caller for caller in found if caller["kind"] == "unknown")]
    calls = {f"{point}-{number}": caller for number, caller in enumerate(callers)}
    doomed = long_lived.start(f"{point}:kill")
    phones = long_lived.phone_system()
    for call_key, caller in calls.items():
        phones.play(call_key, caller["number"])
    assert killed(doomed), f"the service never came by {point}"
    long_lived.start()
    phones.finish()
    long_lived.settled(list(calls))
    long_lived.check_books(calls)
    long_lived.stop()
