"""From an HTTP answer to the error it means: both error shapes, and bodies that are HTML, empty or broken."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
import msgspec

from trunkline.contract.operations import Operation
from trunkline.servicetitan.errors import (
    AppKeyRefused,
    Conflict,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ScopeMissing,
    ServerTrouble,
    ServiceTitanError,
    UnexpectedAnswer,
)

T = TypeVar("T")

# Escaped backslashes and whole pairs are kept; a half stands alone.
_SURROGATES = re.compile(rb"(\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..")
_FALLBACK_RETRY_AFTER_S = 1.0
_LONGEST_RETRY_AFTER_S = 120.0

_MEANINGS: dict[int, tuple[type[ServiceTitanError], str]] = {
    401: (AppKeyRefused, "ServiceTitan refused the token or the app key: check both, and the tenant id"),
    403: (
        ScopeMissing,
        "ServiceTitan refused the request: a scope is missing, or the tenant has not approved this version of the app",
    ),
    404: (NotFound, "ServiceTitan knows no such record"),
    409: (Conflict, "ServiceTitan refused a conflicting change"),
}


def decode(content: bytes, answer: type[T]) -> T:
    """Decode JSON into `answer`, unknown fields ignored, and what is no text :func:`mended`.

    Raises:
        UnexpectedAnswer: it is no JSON, or not of that shape.
    """
    try:
        return msgspec.json.decode(content, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if (whole := mended(content)) != content:
            return decode(whole, answer)
        raise UnexpectedAnswer(f"ServiceTitan's answer cannot be read ({error}).") from None


def mended(content: bytes) -> bytes:
    """JSON with U+FFFD for what no text may hold: broken UTF-8, and halves of surrogate pairs."""
    return _SURROGATES.sub(_kept, content.decode("utf-8", "replace").encode())


def _kept(found: re.Match[bytes]) -> bytes:
    return found[0] if found[1] else b"\\ufffd"


def error_of(response: httpx.Response, *, writing: bool, operation: Operation | None = None) -> ServiceTitanError:
    """The error that a non-2xx answer means; `writing` tells whether the request may have changed something.

    `operation` is what was asked for, where it is a published one.
    """
    body = _body(response)
    said = _sentence(body)
    trace_id = _text(body, "traceid")
    status = response.status_code
    if status == 429:
        return RateLimited(
            f"ServiceTitan asks us to slow down{said}", retry_after_s=retry_after(response), trace_id=trace_id
        )
    if status >= 500 or status == 408:
        if writing:
            return OutcomeUnknown(f"ServiceTitan failed while writing{said}", status=status, trace_id=trace_id)
        return ServerTrouble(f"ServiceTitan has trouble (status {status}){said}", status=status, trace_id=trace_id)
    if status in {400, 422}:
        return InvalidRequest(
            f"ServiceTitan found the request wrong{said}", errors=_errors(body), status=status, trace_id=trace_id
        )
    if status == 403 and operation is not None and operation.scope is not None:
        return ScopeMissing(
            f"ServiceTitan refused {operation.name}: it needs the scope {operation.scope} ({operation.right}), in a"
            f" version of the app that the tenant has approved{said}",
            status=status,
            trace_id=trace_id,
            scope=operation.scope,
            right=operation.right,
        )
    kind, meaning = _MEANINGS.get(status, (UnexpectedAnswer, f"ServiceTitan answered with status {status}"))
    return kind(f"{meaning}{said}", status=status, trace_id=trace_id)


def retry_after(response: httpx.Response) -> float:
    """Seconds to wait, from a number or an HTTP date: up to two minutes; one where it is missing or broken."""
    return min(_LONGEST_RETRY_AFTER_S, max(0.0, _asked_to_wait(response)))


def _asked_to_wait(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return _FALLBACK_RETRY_AFTER_S


def _body(response: httpx.Response) -> dict[str, Any]:
    """The body's fields with lower-case names; empty for whatever is no JSON object."""
    try:
        decoded = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {name.lower(): value for name, value in decoded.items()} if isinstance(decoded, dict) else {}


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and value else None


def _errors(body: dict[str, Any]) -> dict[str, list[str]]:
    errors = body.get("errors")
    if not isinstance(errors, dict):
        return {}
    return {
        str(field): [str(problem) for problem in problems] if isinstance(problems, list) else [str(problems)]
        for field, problems in errors.items()
    }


def _sentence(body: dict[str, Any]) -> str:
    """What ServiceTitan itself says, shortened, as the end of our sentence."""
    details = "; ".join(f"{field}: {' '.join(problems)}" for field, problems in _errors(body).items())
    said = details or _text(body, "title") or _text(body, "message") or ""
    return f" ({said[:300]})." if said else "."
