"""Accounting, sales, marketing and telephony: what is written in several rows at once, or found by something else."""

from collections.abc import Callable
from typing import Any

from trunkline.sandbox.servicetitan import telecom
from trunkline.sandbox.servicetitan.exchange import Call, Content, Problem, invalid
from trunkline.sandbox.servicetitan.generic import changes
from trunkline.sandbox.servicetitan.generic.bodies import body_of
from trunkline.sandbox.servicetitan.generic.plans import Plan
from trunkline.sandbox.servicetitan.generic.rows import changed, existing, new_row, owner_fields, removed, shown
from trunkline.sandbox.servicetitan.invented import Row

_OPT_OUTS = "telecom/optinouts/optouts"


def _upsert_item(how: Plan, call: Call) -> Any:
    """An item with an id is changed, one without is added."""
    above = owner_fields(how, call)
    body = body_of(call, how.operation)
    row_id = body.pop("id", None)
    if row_id is None:
        return changes.answered(how, call, changes.made(how, call, {**body, **above}))
    row = existing(call.world, how.table, row_id)
    return changes.answered(how, call, changes.written(how, call, row, body))


def _payment_status(how: Plan, call: Call) -> Any:
    body = body_of(call, how.operation)
    for row in [existing(call.world, "accounting/payments", row_id) for row_id in body["paymentIds"]]:
        changed(call.world, "accounting/payments", row, {"status": body["status"], "syncStatus": body["status"]})


def _suppression(how: Plan, call: Call) -> Any:
    return shown(how, call, _suppressed(how, call, call.path["email"]))


def _suppressed(how: Plan, call: Call, email: str) -> Row:
    for row in call.world.all_rows(how.table):
        seen = shown(how, call, row)
        if seen.get("email", "").lower() == email.lower():
            return {**row, "email": seen["email"]}
    raise Problem(404, "There is no suppression of this address.")


def _suppress(how: Plan, call: Call) -> Any:
    body = body_of(call, how.operation)
    known = {row.get("email"): row for row in call.world.all_rows(how.table)}
    for email in body["emails"]:
        if email in known:
            changed(call.world, how.table, known[email], {"active": True, "reason": body["reason"]})
        else:
            new_row(call.world, how.table, {"email": email, "reason": body["reason"]})


def _unsuppress(how: Plan, call: Call) -> Any:
    known = {row.get("email"): row for row in call.world.all_rows(how.table)}
    for email in body_of(call, how.operation)["emails"]:
        if email in known:
            removed(call.world, how.table, known[email])


# Telephony.


def _opt_outs(how: Plan, call: Call) -> Any:
    return {"data": [_opt_out(row) for row in call.world.all_rows(_OPT_OUTS)]}


def _opt_out(row: Row) -> Row:
    return {"contactNumber": row["contactNumber"], "optOutType": row["optOutType"]}


def _opt_out_numbers(how: Plan, call: Call) -> Any:
    """One number that cannot be read fails them all; who has opted out of everything stays so."""
    body = body_of(call, how.operation)
    numbers = [_e164(text) for text in body["contactNumbers"]]
    known = {row["contactNumber"]: row for row in call.world.all_rows(_OPT_OUTS)}
    answers = []
    for number in numbers:
        before = known.get(number)
        refused = before is not None and before["optOutType"] == "Global" and body["optOutType"] != "Global"
        if not refused:
            fields = {"contactNumber": number, "optOutType": body["optOutType"]}
            call.world.put(_OPT_OUTS, {"id": number, "active": True, **fields})
        answers.append({"contactNumber": number, "status": "LogicalError" if refused else "Ok"})
    return {"data": answers}


def _find_opt_outs(how: Plan, call: Call) -> Any:
    """Those of the numbers that are known."""
    numbers = {_e164(text) for text in body_of(call, how.operation)["contactNumbers"]}
    return {"data": [row for row in _opt_outs(how, call)["data"] if row["contactNumber"] in numbers]}


def _e164(text: str) -> str:
    digits = "".join(filter(str.isdigit, text))
    if len(digits) not in {10, 11}:
        raise invalid("contactNumbers", f"'{text[:20]}' is no phone number.")
    return f"+1{digits[-10:]}"


def _update_call(how: Plan, call: Call) -> Any:
    """Overlay what is sent; a reason is known by its name."""
    body = body_of(call, how.operation, partial=call.choices.partial_call_update)
    row = existing(call.world, "calls", call.id)
    call.world.put("calls", {**row, **telecom.overlaid(call.world, body)})
    detail = telecom.detail(call.world, call.id)
    return detail["leadCall"]


def _recording(how: Plan, call: Call) -> Any:
    row = existing(call.world, "calls", call.id)
    field = "recordingUrl" if how.operation.name.endswith("recording") else "voiceMailPath"
    if row[field]:
        return Content(telecom.sound(row["id"]))
    status = call.choices.absent_recording
    if status < 300:
        return Content(status=status)
    raise Problem(status, "The call has no recording.")


ANSWERS: dict[str, Callable[[Plan, Call], Any]] = {
    "accounting.invoices.update_invoice_items": _upsert_item,
    "accounting.payments.update_status": _payment_status,
    "marketing.suppressions.add": _suppress,
    "marketing.suppressions.get": _suppression,
    "marketing.suppressions.remove": _unsuppress,
    "sales.estimates.put_item": _upsert_item,
    "telecom.calls.get_recording": _recording,
    "telecom.calls.get_voice_mail": _recording,
    "telecom.calls.update": _update_call,
    "telecom.opt_outs.create": _opt_out_numbers,
    "telecom.opt_outs.find": _find_opt_outs,
    "telecom.opt_outs.list": _opt_outs,
}
