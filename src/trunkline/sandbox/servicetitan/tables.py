"""The small tables of a tenant: business units, job types, tag types, campaigns, and what its tasks may be."""

from typing import Any

from trunkline.sandbox.servicetitan.invented import CAMPAIGNS, JOB_TYPES, TAGS, UNITS, Row
from trunkline.sandbox.servicetitan.rows import Rows


def business_units(rows: Rows) -> list[Row]:
    """The departments."""
    return _named(rows, UNITS)


def job_types(rows: Rows) -> list[Row]:
    """What is booked."""
    return _named(
        rows,
        JOB_TYPES,
        businessUnitIds=[1],
        skills=[],
        tagTypeIds=[],
        priority="Normal",
        duration=7200,
        summary="",
        noCharge=False,
        invoiceSignaturesRequired=False,
        externalData=None,
        isSmartDispatched=False,
        **{"class": "Service"},
    )


def tag_types(rows: Rows) -> list[Row]:
    """The labels that customers and jobs may bear."""
    return _named(
        rows,
        TAGS,
        color="#336699",
        code="",
        importance="Medium",
        isConversionOpportunity=False,
        allowToUseOnTimesheetActivity=False,
        isVisibleOnDispatchBoard=True,
    )


def campaigns(rows: Rows) -> list[Row]:
    """Each with a tracking number of its own."""
    table = _named(rows, CAMPAIGNS, category={"id": 1, "name": "Marketing", "active": True})
    return [{**row, "campaignPhoneNumbers": [rows.tracking_number(k)]} for k, row in enumerate(table)]


def _named(rows: Rows, names: tuple[str, ...], **fields: Any) -> list[Row]:
    return [{"id": k, "name": name, "active": True, **fields, **rows.stamps(0)} for k, name in enumerate(names, 1)]


def task_choices(rows: Rows) -> Row:
    """What the form for a new task offers."""
    return {
        "employees": [{"id": row["id"], "name": row["name"], "active": row["active"]} for row in rows.employees()],
        "businessUnits": [{"name": name, "value": k} for k, name in enumerate(UNITS, 1)],
        "taskPriorities": [{"name": name} for name in ("Low", "Normal", "High", "Urgent")],
        "taskTypes": [{"id": 1, "name": "Call back", "active": True, "excludedTaskResolutionIds": []}],
        "taskStatuses": [{"name": name} for name in ("ToDo", "InProgress", "OnHold", "Canceled", "Completed")],
        "taskSources": [{"id": 1, "name": "Phone", "active": True}],
        "taskResolutionTypes": [{"name": "Custom"}],
        "taskResolutions": [{"id": 1, "name": "Reached", "type": "Custom", "active": True, "excludedTaskTypeIds": []}],
    }
