"""`trunkline numbers`: decide, list, undo; and what is said when that makes no sense."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cli_rig import Trunkline

from company import TENANT

NUMBER = "437-555-0142"


@pytest.fixture(scope="module")
def jane(shop: tuple[Path, str]) -> Iterator[int]:
    """The id of a mirrored customer who has the number."""
    with psycopg.connect(shop[1], autocommit=True) as connection:
        connection.execute(
            "insert into mirror.customers (tenant_id, id, name, active, modified_on)"
            " values (%s, 7, 'Jane Example', true, now())",
            (TENANT,),
        )
        connection.execute(
            "insert into mirror.phone_index (tenant_id, number, owner_kind, owner_id, source_id, certainty)"
            " values (%s, '+14375550142', 'customer', 7, 7, 'known')",
            (TENANT,),
        )
        yield 7
        connection.execute("delete from mirror.phone_index where owner_id = 7")
        connection.execute("delete from mirror.customers where id = 7")


def test_a_decision_is_made_listed_followed_and_undone(trunkline: Trunkline, jane: int) -> None:
    marked = trunkline("numbers", "mark", NUMBER, "moved-away", "--of", f"customer:{jane}", "--by", "Dana")
    assert marked.returncode == 0, marked.stderr
    assert marked.stdout.startswith("(437) 555-0142  Moved away  customer 7  Dana, ")
    listed = trunkline("numbers", "list", "--json")
    (entry,) = map(json.loads, listed.stdout.splitlines())
    assert (entry["kind"], entry["owner"]) == ("moved_away", {"kind": "customer", "id": 7})
    assert trunkline("numbers", "list", NUMBER).stdout == marked.stdout
    assert "moved away" in trunkline("lookup", NUMBER).stdout
    assert trunkline("numbers", "forget", NUMBER, "--of", f"customer:{jane}").returncode == 0
    assert trunkline("numbers", "list").stdout == ""
    assert trunkline("lookup", NUMBER).stdout.splitlines()[1].startswith("Jane Example")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mark", NUMBER, "direct-line"), "Say whose number it is"),
        (("mark", NUMBER, "direct-line", "--of", "customer:99"), "customer 99 does not have this number"),
        (("mark", NUMBER, "direct-line", "--of", "99"), "Write customer:ID or location:ID"),
        (("mark", "12", "spam"), "'12' is not a whole phone number"),
        (("forget", NUMBER), "Nothing of the kind was decided"),
        (("restore",), "Set the tenant's application GUID first"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(trunkline: Trunkline, arguments: tuple[str, ...], said: str) -> None:
    ended = trunkline("numbers", *arguments)
    assert ended.returncode != 0
    assert said in " ".join(ended.stderr.split())
