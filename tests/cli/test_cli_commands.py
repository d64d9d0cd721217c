"""`trunkline`, `trunkline sync` and `trunkline lookup` when all is well."""

import json
import re
from pathlib import Path

import psycopg
import pytest
from cli_rig import Ended, Trunkline

from company import HTTP, TENANT
from trunkline import __version__
from trunkline.mirror.feeds import FEEDS


def test_the_help_names_every_command_and_what_it_does(trunkline: Trunkline) -> None:
    ended = trunkline("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    listed = dict(line.split(maxsplit=1) for line in ended.stdout.partition("Commands:\n")[2].splitlines())
    assert set(listed) == {"serve", "demo", "lookup", "sync", "numbers", "st", "sandbox"}
    assert all(listed.values())


def test_the_version_is_the_packages(trunkline: Trunkline) -> None:
    assert trunkline("--version").stdout == f"{__version__}\n"


@pytest.fixture(scope="module")
def first_sync(trunkline: Trunkline) -> Ended:
    """The first `trunkline sync`."""
    return trunkline("sync")


def test_a_sync_copies_every_feed(first_sync: Ended, shop: tuple[Path, str]) -> None:
    assert (first_sync.returncode, first_sync.stdout) == (0, "")
    for feed in FEEDS:
        assert feed.name.replace("_", " ") in first_sync.stderr
    with psycopg.connect(shop[1]) as connection:
        complete = connection.execute("select feed from mirror.feeds where complete and tenant_id = %s", (TENANT,))
        assert {row[0] for row in complete} == {feed.name for feed in FEEDS}
        customers = connection.execute("select count(*) from mirror.customers").fetchone()
    assert customers == (200,)


def test_a_second_sync_asks_for_what_changed_only(first_sync: Ended, trunkline: Trunkline) -> None:
    ended = trunkline("sync", "--tenant", str(TENANT))
    assert (first_sync.returncode, ended.returncode) == (0, 0)
    rows = [int(rows) for rows in re.findall(r"^customers .* (\d+) rows", ended.stderr, flags=re.MULTILINE)]
    assert rows
    assert max(rows) < 10


@pytest.fixture(scope="module")
def number(first_sync: Ended, sandbox: str) -> str:
    """The number of one certain customer, who is in the mirror."""
    assert first_sync.returncode == 0
    callers = HTTP.get(f"{sandbox}/sandbox/callers?n=20").json()
    found: str = next(one["number"] for one in callers if one["kind"] == "single")
    return found


def test_a_lookup_tells_people_who_has_the_number(trunkline: Trunkline, number: str) -> None:
    ended = trunkline("lookup", f"({number[:3]}) {number[3:6]}-{number[6:]}")
    assert (ended.returncode, ended.stderr) == (0, "")
    first, second, *more = ended.stdout.splitlines()
    assert first == f"({number[:3]}) {number[3:6]}-{number[6:]}"
    assert second.endswith("number on file)")
    assert any(line.startswith("  Location: ") for line in more)


def test_a_lookup_gives_programs_the_card(trunkline: Trunkline, number: str) -> None:
    ended = trunkline("lookup", number, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    card = json.loads(ended.stdout)
    assert (card["number"], card["match"]["kind"]) == (f"+1{number}", "single")
    assert card["match"]["candidates"][0]["customer"]["name"]
