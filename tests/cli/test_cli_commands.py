"""`trunkline`, `trunkline sync` and `trunkline lookup` when all is well."""

import json
import re
from pathlib import Path

import psycopg
import pytest
from cli_rig import Ended, Trunkline

from company import HTTP, TENANT
from trunkline import __version__
from trunkline.mirror.catalog import RESOURCES
from trunkline.mirror.feeds import FEEDS

NEEDED = [feed.name for feed in FEEDS]


def test_the_help_names_every_command_and_what_it_does(trunkline: Trunkline) -> None:
    ended = trunkline("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    listed = dict(line.split(maxsplit=1) for line in ended.stdout.partition("Commands:\n")[2].splitlines())
    assert set(listed) == {
        "serve", "demo", "lookup", "sync", "export", "numbers", "scopes", "phone-systems", "st", "tenants", "sandbox"
    }  # fmt: skip
    assert all(listed.values())


def test_the_version_is_the_packages(trunkline: Trunkline) -> None:
    assert trunkline("--version").stdout == f"{__version__}\n"


@pytest.fixture(scope="module")
def first_sync(trunkline: Trunkline) -> Ended:
    """The first `trunkline sync`, of what a ringing phone needs."""
    return trunkline("sync", *NEEDED)


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
    ended = trunkline("sync", *NEEDED, "--tenant", str(TENANT))
    assert (first_sync.returncode, ended.returncode) == (0, 0)
    rows = [int(rows) for rows in re.findall(r"^customers .* (\d+) rows", ended.stderr, flags=re.MULTILINE)]
    assert rows
    assert max(rows) < 10


def test_a_full_sync_reads_all_again_and_loses_nothing(first_sync: Ended, trunkline: Trunkline) -> None:
    ended = trunkline("sync", "customers", "job-types", "--full")
    assert (first_sync.returncode, ended.returncode, ended.stdout) == (0, 0, "")
    read = dict(re.findall(r"^(\w+ ?\w*) +(\d+) rows", ended.stderr, flags=re.MULTILINE))
    assert {name.strip(): int(rows) >= 5 for name, rows in read.items()} == {"customers": True, "job types": True}
    assert int(read[next(name for name in read if name.startswith("customers"))]) >= 200


def test_the_resources_are_listed_with_their_scopes(trunkline: Trunkline) -> None:
    ended = trunkline("sync", "--list")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.split()[0] for line in ended.stdout.splitlines()[1:]] == [resource.name for resource in RESOURCES]
    assert re.search(r"^invoices +export feed +5 minutes +Invoices", ended.stdout, flags=re.MULTILINE)


def test_the_status_tells_rows_age_and_what_is_wrong(first_sync: Ended, trunkline: Trunkline) -> None:
    ended = trunkline("sync", "--status", "customers", "zones")
    assert (first_sync.returncode, ended.returncode, ended.stderr) == (0, 0, "")
    assert re.search(r"^customers +fresh +200 +\d+ \w+ ago +1 minute", ended.stdout, flags=re.MULTILINE)
    assert re.search(r"^zones +waiting +0 +never +30 minutes", ended.stdout, flags=re.MULTILINE)


def test_a_resource_that_does_not_exist_is_told(trunkline: Trunkline) -> None:
    for command in (("sync", "customer"), ("export", "customer", "--to", "x.csv")):
        ended = trunkline(*command)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "There is no resource customer; `trunkline sync --list` shows them all." in ended.stderr


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
