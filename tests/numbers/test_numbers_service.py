"""`trunkline serve` with an application GUID: what it copies, another installation reads back by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numbers_kit import GUID

from company import HTTP, WEBHOOK_TOML
from databases import fresh_database
from installation import Installation, Sandbox, eventually, sandbox

# Follows the table of ServiceTitan's settings in the file.
WITH_GUID = f'application_guid = "{GUID}"\n' + WEBHOOK_TOML.format(account="phones")


@contextmanager
def serving(folder: Path, postgres: str, servicetitan: Sandbox) -> Iterator[Installation]:
    """A fresh installation while the body runs."""
    with fresh_database(postgres) as url:
        folder.mkdir()
        made = Installation(folder, url, servicetitan, phones=WITH_GUID)
        made.start()
        made.wait_ready()
        try:
            yield made
        finally:
            made.stop()


def decisions(installation: Installation) -> list[dict[str, Any]]:
    answer = HTTP.get(f"http://127.0.0.1:{installation.port}/api/v1/numbers").raise_for_status()
    return list(answer.json()["decisions"])


def test_a_reinstall_keeps_what_people_decided(tmp_path: Path, postgres: str) -> None:
    with sandbox() as servicetitan:
        caller = next(one for one in servicetitan.callers(60) if one["kind"] == "shared")
        with serving(tmp_path / "first", postgres, servicetitan) as first:
            first.wait_mirrored()
            mark = f"http://127.0.0.1:{first.port}/api/v1/numbers/{caller['number']}/mark"
            customer_id = HTTP.get(
                f"http://127.0.0.1:{first.port}/api/v1/lookup", params={"number": caller["number"]}
            ).json()["match"]["candidates"][-1]["customer"]["id"]
            HTTP.post(mark, json={"kind": "moved_away", "customer": customer_id, "by": "Dana"}).raise_for_status()
            HTTP.post(mark, json={"kind": "spam", "by": "Sam"}).raise_for_status()
            eventually(lambda: all(one["copy"] != "pending" for one in decisions(first)), "the copies are written")
            made = decisions(first)
            assert {one["copy"] for one in made} == {"written"}
        with serving(tmp_path / "second", postgres, servicetitan) as second:
            eventually(lambda: len(decisions(second)) == 2, "what was decided is read back")
            assert decisions(second) == made
