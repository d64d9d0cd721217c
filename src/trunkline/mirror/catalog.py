"""Everything of ServiceTitan that is mirrored, one row each: how it is read, how often, and what tells its rows apart.

All else about a resource - its scope, its fields, whether it is an export feed, a list or one plain answer - is taken
from the published contract. Parameters that a resource needs are facts from integrators and from the contract's prose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from trunkline.contract.operations import Operation, details, operations
from trunkline.contract.references import Schema, resolved
from trunkline.mirror.feeds import FEEDS, Feed
from trunkline.servicetitan.catalog import largest_page

PRIVATE = frozenset({"hourlyrate", "home", "payrollid", "burdenrate"})  # of people, in lower case: never stored


class Cadence(Enum):
    """How often a resource is read, in seconds; live ones with every round of the mirror."""

    LIVE = 0
    OFTEN = 300
    SETTINGS = 1800

    def seconds(self, round_s: float) -> float:
        """How old a copy may be, where rounds are `round_s` apart."""
        return max(float(self.value), round_s)


class Kind(Enum):
    """How a resource is read."""

    EXPORT = "export feed"
    LIST = "paged list"
    PLAIN = "one answer"


@dataclass(frozen=True)
class Resource:
    """One resource. `key` is what tells its rows apart; without one the answer itself is the only row.

    `modified` is the field by which the newer of two copies is known, `since` the parameter that asks a list for rows
    where it is that new or newer. `nested` is a list within each row whose items are the rows proper, to which the
    row's other fields are added. `query` is sent with every request. `feed` is set where the rows go into a table of
    their own.
    """

    name: str
    operation_name: str
    cadence: Cadence
    key: tuple[str, ...] = ("id",)
    modified: str = "modifiedOn"
    since: str = "modifiedOnOrAfter"
    nested: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    feed: Feed | None = None

    @cached_property
    def operation(self) -> Operation:
        """What it is read with."""
        return operations()[self.operation_name]

    @property
    def scope(self) -> str:
        """What the app needs, as the developer portal names it."""
        return self.operation.scope or ""

    @cached_property
    def parameters(self) -> Mapping[str, Schema]:
        """The query parameters that the operation takes, with their schemas."""
        return {one.name: one.schema for one in details(self.operation).parameters if one.place == "query"}

    @property
    def kind(self) -> Kind:
        """Export feed, list or plain answer."""
        if self.operation.exports:
            return Kind.EXPORT
        return Kind.LIST if "page" in self.parameters else Kind.PLAIN

    @property
    def page_size(self) -> int | None:
        """How many rows a page of the list may have; `None` where it has no pages."""
        return largest_page(self.operation)

    @property
    def incremental(self) -> bool:
        """Whether a list can be asked for what changed since a date."""
        return self.kind is Kind.LIST and self.since in self.parameters

    @property
    def fixed_query(self) -> dict[str, str]:
        """What is sent with every request; above all that inactive rows are wanted, too."""
        wanted = {"active": "Any"} if self.parameters.get("active", {}).get("$ref") == "ActiveRequestArg" else {}
        return wanted | dict(self.query)

    @cached_property
    def item(self) -> Schema:
        """The schema of one row; empty where the contract says nothing about it."""
        answer = self._resolved(details(self.operation).answer or {})
        data = self._resolved(answer["properties"]["data"]) if "data" in answer.get("properties", {}) else answer
        item = self._resolved(data.get("items", {})) if data.get("type") == "array" else data
        if self.nested is None:
            return item
        inner = self._resolved(self._resolved(item["properties"][self.nested])["items"])
        outer = {name: schema for name, schema in item["properties"].items() if name != self.nested}
        required = [*inner.get("required", ()), *(name for name in item.get("required", ()) if name in outer)]
        return {"type": "object", "properties": outer | inner["properties"], "required": required}

    def _resolved(self, schema: Schema) -> Schema:
        return resolved(self.operation.module, schema)


def _custom_fields(owner: str, group: str) -> Resource:
    return Resource(f"{owner}_custom_fields", f"{group}.get_custom_field_types", Cadence.SETTINGS)


_LIVE, _OFTEN, _SETTINGS = Cadence.LIVE, Cadence.OFTEN, Cadence.SETTINGS
_TYPED = {feed.name: feed for feed in FEEDS}


def _typed(name: str, operation: str, cadence: Cadence = _LIVE) -> Resource:
    """One with a table of its own: what a ringing phone needs."""
    return Resource(name, operation, cadence, feed=_TYPED[name])


RESOURCES = (
    _typed("business_units", "settings.export.business_units"),
    _typed("job_types", "jpm.job_types.list"),
    _typed("tag_types", "settings.export.tag_types"),
    _typed("campaigns", "marketing.campaigns.list"),
    _typed("technicians", "settings.export.technicians"),
    _typed("employees", "settings.export.employees"),
    _typed("customers", "crm.export.customers"),
    _typed("locations", "crm.export.locations"),
    _typed("customer_contacts", "crm.export.customers_contacts"),
    _typed("location_contacts", "crm.export.locations_contacts"),
    _typed("jobs", "jpm.export.jobs"),
    _typed("appointments", "jpm.export.appointments"),
    _typed("appointment_assignments", "dispatch.export.appointment_assignments"),
    _typed("calls", "telecom.export.calls"),
    # crm
    Resource("leads", "crm.export.leads", _LIVE),
    Resource("bookings", "crm.export.bookings", _LIVE),
    Resource("contacts", "crm.contacts.list", _OFTEN),
    Resource("contact_methods", "crm.contacts.search_contact_methods", _OFTEN),
    Resource("contact_preferences", "crm.contacts.get_preference_metadata_list", _SETTINGS),
    Resource("booking_provider_tags", "crm.booking_provider_tags.list", _SETTINGS),
    _custom_fields("customer", "crm.customers"),
    _custom_fields("location", "crm.locations"),
    # jpm
    Resource("projects", "jpm.export.projects", _OFTEN),
    Resource("job_notes", "jpm.export.job_notes", _OFTEN),
    Resource("project_notes", "jpm.export.project_notes", _OFTEN),
    Resource("job_history", "jpm.export.job_history", _OFTEN, modified="date", nested="history"),
    Resource("job_canceled_logs", "jpm.export.job_canceled_logs", _OFTEN, modified="createdOn"),
    Resource("job_cancel_reasons", "jpm.job_cancel_reasons.list", _SETTINGS),
    Resource("job_hold_reasons", "jpm.job_hold_reasons.list", _SETTINGS),
    Resource("project_statuses", "jpm.project_statuses.list", _SETTINGS),
    Resource("project_substatuses", "jpm.project_substatuses.list", _SETTINGS),
    Resource("project_types", "jpm.project_types.list", _SETTINGS),
    Resource("budget_codes", "jpm.budget_codes.list_company_budget_codes", _SETTINGS),
    Resource("budget_code_segments", "jpm.budget_codes.list_company_segments", _SETTINGS),
    _custom_fields("job", "jpm.jobs"),
    _custom_fields("project", "jpm.projects"),
    # dispatch
    Resource("technician_shifts", "dispatch.technician_shifts.list", _OFTEN),
    Resource("non_job_appointments", "dispatch.non_job_appointments.list", _OFTEN, query=(("activeOnly", "false"),)),
    Resource("arrival_windows", "dispatch.arrival_windows.list", _SETTINGS),
    Resource("arrival_window_configuration", "dispatch.arrival_windows.get_configuration", _SETTINGS, key=()),
    Resource("business_hours", "dispatch.business_hours.list", _SETTINGS, key=()),
    Resource("teams", "dispatch.teams.list", _SETTINGS, query=(("includeInactive", "true"),)),
    Resource("zones", "dispatch.zones.list", _SETTINGS),
    # accounting
    Resource("invoices", "accounting.export.invoices", _OFTEN),
    Resource("invoice_items", "accounting.export.invoice_items", _OFTEN),
    Resource("payments", "accounting.export.payments", _OFTEN),
    Resource("inventory_bills", "accounting.export.inventory_bills", _OFTEN),
    Resource("ap_bills", "accounting.ap_bills.list", _OFTEN),
    Resource("ap_credits", "accounting.ap_credits.list", _OFTEN),
    Resource("ap_payments", "accounting.ap_payments.list", _OFTEN),
    Resource("bank_deposits", "accounting.bank_deposits.list", _OFTEN),
    Resource("credit_memos", "accounting.credit_memos.list", _OFTEN),
    Resource("credit_memo_items", "accounting.credit_memos.list_items", _SETTINGS),
    Resource("journal_entries", "accounting.journal_entries.list", _OFTEN),
    Resource("gl_accounts", "accounting.gl_accounts.list", _SETTINGS),
    Resource("gl_account_types", "accounting.gl_accounts.list_types", _SETTINGS),
    Resource("payment_terms", "accounting.payment_terms.list", _SETTINGS),
    Resource("payment_types", "accounting.payment_types.list", _SETTINGS),
    Resource("remittance_vendors", "accounting.remittance_vendors.list", _SETTINGS),
    Resource("tax_zones", "accounting.tax_zones.list", _SETTINGS),
    _custom_fields("ap_bill", "accounting.ap_bills"),
    _custom_fields("ap_credit", "accounting.ap_credits"),
    _custom_fields("ap_payment", "accounting.ap_payments"),
    _custom_fields("credit_memo", "accounting.credit_memos"),
    _custom_fields("inventory_bill", "accounting.inventory_bills"),
    _custom_fields("invoice", "accounting.invoices"),
    _custom_fields("payment", "accounting.payments"),
    # sales and service agreements
    Resource("estimates", "sales.export.estimates", _OFTEN),
    Resource("estimate_items", "sales.estimates.get_items", _OFTEN),
    Resource("opportunities", "sales.export.opportunities", _OFTEN),
    Resource("opportunity_followups", "sales.export.opportunities_followups", _OFTEN),
    Resource("service_agreements", "service_agreements.export.service_agreements", _OFTEN),
    # marketing, telecom, customer interactions
    Resource("campaign_categories", "marketing.categories.list", _SETTINGS),
    Resource("campaign_costs", "marketing.costs.list", _SETTINGS),
    Resource("suppressions", "marketing.suppressions.list", _SETTINGS),
    Resource("opt_outs", "telecom.opt_outs.list", _SETTINGS, key=("contactNumber", "optOutType")),
    Resource(
        "technician_ratings", "customer_interactions.export.technician_ratings", _OFTEN, key=("technicianId", "jobId")
    ),
    # forms and tasks
    Resource("forms", "forms.forms.list", _SETTINGS),
    Resource(
        "form_submissions", "forms.submissions.list", _OFTEN, modified="submittedOn", since="submittedOnOrAfter",
    ),
    Resource("tasks", "taskmanagement.tasks.list", _OFTEN),
    Resource("task_data", "taskmanagement.data.get", _SETTINGS, key=()),
    # inventory
    Resource("inventory_adjustments", "inventory.export.adjustments", _OFTEN),
    Resource("inventory_transfers", "inventory.export.transfers", _OFTEN),
    Resource("inventory_receipts", "inventory.receipts.list", _OFTEN),
    Resource("purchase_orders", "inventory.export.purchase_orders", _OFTEN),
    Resource("purchase_order_requests", "inventory.purchase_orders.get_requests", _OFTEN),
    Resource("purchase_returns", "inventory.export.returns", _OFTEN),
    # settings and timesheets
    Resource("user_roles", "settings.user_roles.list", _SETTINGS),
    Resource("activities", "timesheets.export.activities", _OFTEN),
    Resource("activity_types", "timesheets.export.activity_types", _SETTINGS),
    Resource("activity_categories", "timesheets.export.activity_categories", _SETTINGS),
)  # fmt: skip

TYPED = tuple(resource for resource in RESOURCES if resource.feed is not None)
BY_NAME = {resource.name: resource for resource in RESOURCES}
