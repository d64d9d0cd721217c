"""`trunkline scopes`: what the app needs, and what the tenant has approved."""

import json

from cli_rig import Trunkline

from trunkline.features import ALWAYS
from trunkline.servicetitan.scopes import ScopeReport


def test_the_list_for_the_portal_is_printed_least_privilege_first(trunkline: Trunkline) -> None:
    lines = trunkline("scopes").stdout.splitlines()
    begin = lines.index("To choose in the developer portal under 'Change API Scopes':") + 1
    needed = ScopeReport(ALWAYS, frozenset()).needed
    assert lines[begin:] == [f"  {need.scope}: {need.right}" for need in needed]
    assert lines[-2:] == ["  Customers: Modify", "  Jobs: Modify"]


def test_what_is_missing_is_said_and_ends_with_status_1(trunkline: Trunkline) -> None:
    ended = trunkline("scopes", "--json")
    report = json.loads(ended.stdout)
    assert [one["name"] for one in report["features"]] == [feature.name for feature in ALWAYS]
    missing = [need for one in report["features"] for need in one["missing"]]
    assert ended.returncode == (1 if missing else 0)
    assert [one["off"] is not None for one in report["features"]] == [
        bool(one["missing"]) for one in report["features"]
    ]
