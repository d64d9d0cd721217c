"""Scopes by the codes that tokens hold."""

from collections import Counter

import pytest

from trunkline.contract.codes import codes, granting
from trunkline.contract.operations import operations, scopes


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("Customers", "tn.crm.customers"),
        ("Job Notes", "tn.jpm.jobnotes"),
        ("Job Canceled Logs", "tn.jpm.jobcanceledlogs"),
        ("Project Sub-Statuses", "tn.jpm.projectsubstatuses"),
        ("Invoice Items", "tn.acc.invoiceitems"),
        ("Job Forms", "tn.frm.jobs"),
        ("Budget Code Segments", "tn.jpm.segments"),
        ("Tasks data", "tn.tsm.tasks"),
        ("Task Management Data", "tn.tsm.data"),
        ("Appointment Assignments", "tn.dis.appointmentassignments"),
        ("AP Bills", "tn.acc.apbills"),
    ],
)
def test_a_known_scope_has_one_code(scope: str, code: str) -> None:
    assert codes(scope) == (code,)


@pytest.mark.parametrize("scope", ["Opt Out", "Suppressions", "Opportunities"])
def test_a_scope_whose_code_nobody_has_seen_has_several_candidates(scope: str) -> None:
    assert len(codes(scope)) > 1


def test_every_scope_has_codes_and_none_stands_for_two() -> None:
    found = Counter(code for scope in scopes() for code in codes(scope.name))
    assert all(codes(scope.name) for scope in scopes())
    assert set(found.values()) == {1}
    assert all(code == code.lower() and code.startswith("tn.") and code.count(".") == 2 for code in found)


def test_a_scope_that_the_app_has_not_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        codes("Memberships")


def test_reading_and_writing_are_granted_apart() -> None:
    assert granting(operations()["crm.customers.list"]) == ("tn.crm.customers:r",)
    assert granting(operations()["jpm.jobs.get_notes"]) == ("tn.jpm.jobs:r",)
    assert granting(operations()["crm.customers.create"]) == ("tn.crm.customers:w",)
    assert "tn.tlc.optouts:w" in granting(operations()["telecom.opt_outs.find"])


def test_an_operation_that_no_scope_covers_is_granted_by_nothing() -> None:
    assert granting(operations()["inventory.trucks.list"]) == ()
