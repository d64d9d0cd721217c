"""The codes by which tokens name scopes, as in ``tn.crm.customers:r``; tokens do not know the portal's names.

The published files hold no codes. They follow from a scope's module and resource; where the portal's name is not the
resource's, or nobody has seen the code, all candidates are given and the tokens decide.
"""

from functools import cache

from trunkline.contract.operations import Operation, View, scopes

_MODULES = {
    "accounting": "acc",
    "crm": "crm",
    "customer-interactions": "csi",
    "dispatch": "dis",
    "forms": "frm",
    "inventory": "inv",
    "jpm": "jpm",
    "marketing": "mrk",
    "sales": "sal",
    "service-agreements": "sa",
    "settings": "stt",
    "taskmanagement": "tsm",
    "telecom": "tlc",
    "timesheets": "tms",
}
# Known to differ from the portal's name.
_IRREGULAR = {
    "Budget Code Segments": ("segments",),
    "Job Forms": ("jobs",),
    "Task Management Data": ("data",),
    "Tasks data": ("tasks",),
}
# Not seen by us. The paths say one thing, the portal's names another; codes that are known mostly follow the paths.
_UNCERTAIN = {
    "Campaign Categories": ("categories", "campaigncategories"),
    "Campaign Costs": ("costs", "campaigncosts"),
    "Form Submissions": ("submissions", "formsubmissions"),
    "GPS Pings": ("gpspings", "gpsprovider"),
    "Inventory Adjustments": ("adjustments", "inventoryadjustments"),
    "Inventory Receipts": ("receipts", "inventoryreceipts"),
    "Inventory Transfers": ("transfers", "inventorytransfers"),
    "Opportunities": ("opportunities", "opportunity"),
    "Opt Out": ("optouts", "optinouts", "optout"),
    "Purchase Returns": ("returns", "purchasereturns"),
    "Suppressions": ("suppressions", "suppression", "emailsuppressions"),
    "Technician Rating": ("technicianrating", "technicianratings"),
}
_RIGHTS: dict[View, str] = {"View": "r", "Modify": "w"}


def codes(scope_name: str) -> tuple[str, ...]:
    """The codes that may stand for the portal's scope of that name, without the right; the most likely comes first.

    Raises:
        KeyError: the app is registered for no such scope.
    """
    return _codes()[scope_name]


def is_certain(scope_name: str) -> bool:
    """Whether the code is known, or follows from the portal's name like those that are."""
    return scope_name not in _UNCERTAIN


def allowing(scope_name: str, right: View) -> tuple[str, ...]:
    """As :func:`codes`, with the right: ``tn.crm.customers:r``."""
    return tuple(f"{code}:{_RIGHTS[right]}" for code in codes(scope_name))


def granting(operation: Operation) -> tuple[str, ...]:
    """The codes with their right, as in ``tn.crm.customers:r``, any one of which lets a token use `operation`.

    There are none where no scope that the app is registered for covers it.
    """
    return () if operation.scope is None else allowing(operation.scope, operation.right)


@cache
def _codes() -> dict[str, tuple[str, ...]]:
    return {
        scope.name: tuple(f"tn.{_MODULES[scope.module]}.{resource}" for resource in _resources(scope.name))
        for scope in scopes()
    }


def _resources(scope_name: str) -> tuple[str, ...]:
    regular = (scope_name.lower().replace(" ", "").replace("-", ""),)
    return _IRREGULAR.get(scope_name) or _UNCERTAIN.get(scope_name) or regular
