"""`trunkline st`: any operation of ServiceTitan's API from the command line."""

import json
import re
from pathlib import Path

from cli_rig import Trunkline

from company import TENANT

CUSTOMERS = ("st", "call", "crm.customers.list")


def test_operations_are_listed_with_what_they_need(trunkline: Trunkline) -> None:
    listed = trunkline("st", "list").stdout.splitlines()
    assert len(listed) == 387
    assert re.fullmatch(r"crm\.customers\.create_note +POST +Customers \(Modify\)", trunkline(
        "st", "list", "customers.create_note").stdout.strip())  # fmt: skip
    assert len(trunkline("st", "list", "--all").stdout.splitlines()) == 563
    found = json.loads(trunkline("st", "list", "--scope", "job notes", "--json").stdout)
    assert [(one["name"], one["right"], one["exports"]) for one in found] == [("jpm.export.job_notes", "View", True)]
    nothing = trunkline("st", "list", "nonsense")
    assert (nothing.returncode, nothing.stderr) == (
        1, "Error: No such operation; --all also lists those that no scope of this app covers.\n",
    )  # fmt: skip


def test_an_operation_is_described(trunkline: Trunkline) -> None:
    text = trunkline("st", "describe", "crm.leads.create").stdout
    assert text.startswith("crm.leads.create: POST /crm/v2/tenant/{tenant}/leads\nScope: Leads (Modify)\n")
    assert "\n  campaignId*: int64\n" in text
    assert "\n  priority: Low|Normal|High|Urgent\n" in text
    published = json.loads(trunkline("st", "describe", "crm.leads.create", "--json").stdout)
    assert published["schemas"][published["body"]["$ref"]]["required"] == ["campaignId", "summary"]
    unknown = trunkline("st", "describe", "crm.lead.create")
    assert unknown.returncode == 1
    assert "did you mean crm.leads.create" in unknown.stderr


def test_help_is_made_of_the_published_parameters(trunkline: Trunkline) -> None:
    text = trunkline(*CUSTOMERS, "--help").stdout
    for line in (
        "GET /crm/v2/tenant/{tenant}/customers",
        "Customers (View)",
        "--phone STRING",
        "--active True|Any|False",
    ):
        assert line in text


def test_names_and_parameters_are_completed(trunkline: Trunkline) -> None:
    def completed(*words: str) -> list[str]:
        shell = {
            "_TRUNKLINE_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        return [line.partition(",")[2] for line in trunkline(**shell).stdout.splitlines()]

    assert completed("trunkline", "st", "describe", "crm.export.l") == [
        "crm.export.leads", "crm.export.locations", "crm.export.locations_contacts",
    ]  # fmt: skip
    assert "crm.tags.add_tags" in completed("trunkline", "st", "call", "crm.tags.")
    assert "--phone" in completed("trunkline", *CUSTOMERS, "--p")
    assert completed("trunkline", *CUSTOMERS, "--active", "A") == ["Any"]


def test_a_call_prints_what_servicetitan_answers(trunkline: Trunkline) -> None:
    answer = json.loads(trunkline(*CUSTOMERS, "--pageSize", "3", "--active", "Any", "--includeTotal", "true").stdout)
    assert (len(answer["data"]), answer["totalCount"], answer["hasMore"]) == (3, 200, True)
    one = json.loads(trunkline("st", "call", "crm.customers.get", "--id", str(answer["data"][0]["id"])).stdout)
    assert one["name"] == answer["data"][0]["name"]
    table = trunkline(*CUSTOMERS, "--pageSize", "3", "--table").stdout
    assert "name" in table
    assert str(one["id"]) in table


def test_all_pages_are_printed_a_row_on_a_line(trunkline: Trunkline) -> None:
    rows = [json.loads(line) for line in trunkline(*CUSTOMERS, "--active", "Any", "--all-pages").stdout.splitlines()]
    assert len({row["id"] for row in rows}) == 200
    feed = trunkline("st", "call", "crm.export.customers", "--all-pages").stdout.splitlines()
    assert len(feed) >= 200


def test_a_wrong_call_is_explained_and_not_sent(trunkline: Trunkline) -> None:
    wrong = trunkline(*CUSTOMERS, "--active", "Perhaps", "--page", "one")
    assert wrong.returncode == 1
    assert "active is one of True, Any, False, not Perhaps." in wrong.stderr
    assert "page takes a whole number, not 'one'." in wrong.stderr
    assert wrong.stderr.endswith("Nothing was sent.\n")
    unknown = trunkline(*CUSTOMERS, "--phoneNumber", "4375550142")
    assert (unknown.returncode, "No such option" in unknown.stderr) == (2, True)
    assert "--phone" in unknown.stderr.replace("--phoneNumber", "")
    missing = trunkline("st", "call", "crm.customers.get")
    assert (missing.returncode, "Missing option '--id'" in missing.stderr) == (2, True)


def test_what_no_scope_covers_is_refused_unless_switched_on(trunkline: Trunkline, shop: tuple[Path, str]) -> None:
    refused = trunkline("st", "call", "inventory.trucks.list")
    assert refused.returncode == 1
    assert "inventory.trucks.list is covered by no scope that this app is registered for" in refused.stderr


def test_a_write_shows_what_it_would_do_and_asks(trunkline: Trunkline, tmp_path: Path) -> None:
    customer = str(json.loads(trunkline(*CUSTOMERS, "--pageSize", "1").stdout)["data"][0]["id"])
    note = ("st", "call", "crm.customers.create_note", "--id", customer, "--body")
    shown = trunkline(*note, '{"text": "Called about a leak."}', "--dry-run")
    assert shown.returncode == 0
    first, *headers = shown.stdout.splitlines()
    assert re.fullmatch(rf"POST http://127\.0\.0\.1:\d+/crm/v2/tenant/{TENANT}/customers/{customer}/notes", first)
    assert headers[:2] == ["Authorization: Bearer ***", "ST-App-Key: ***"]
    assert '"text": "Called about a leak."' in shown.stdout
    unasked = trunkline(*note, '{"text": "Called about a leak."}')
    assert unasked.returncode == 1
    assert "Write this into Example Plumbing? [y/N]" in unasked.stderr
    notes = ("st", "call", "crm.customers.get_notes", "--id", customer)
    assert json.loads(trunkline(*notes).stdout)["data"] == []
    body = tmp_path / "note.json"
    body.write_text('{"text": "Called about a leak."}')
    assert json.loads(trunkline(*note, f"@{body}", "--yes").stdout)["text"] == "Called about a leak."
    assert len(json.loads(trunkline(*notes).stdout)["data"]) == 1


def test_a_body_that_is_no_json_is_explained(trunkline: Trunkline) -> None:
    note = ("st", "call", "crm.customers.create_note", "--id", "1", "--yes", "--body")
    assert "--body is no JSON" in trunkline(*note, "{text}").stderr
    assert "--body: nowhere.json cannot be read: No such file or directory." in trunkline(*note, "@nowhere.json").stderr
    assert "The body has no field texxt; did you mean text?" in trunkline(*note, '{"texxt": "x"}').stderr
