"""Operations that do what their paths and answers do not tell: one function each."""

from collections.abc import Callable
from typing import Any

from trunkline.sandbox.servicetitan.exchange import Call
from trunkline.sandbox.servicetitan.generic import special_crm, special_office, special_work
from trunkline.sandbox.servicetitan.generic.plans import Plan

SPECIAL: dict[str, Callable[[Plan, Call], Any]] = {
    **special_crm.ANSWERS,
    **special_office.ANSWERS,
    **special_work.ANSWERS,
}
