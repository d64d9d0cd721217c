"""What goes back over the wire: refusals of the gateway, problem details, and answers that a fault has spoilt."""

import secrets
from dataclasses import dataclass, field

import msgspec

from trunkline.sandbox.servicetitan.exchange import Problem

_SECTIONS = {
    400: "rfc7231#section-6.5.1",
    403: "rfc7231#section-6.5.3",
    404: "rfc7231#section-6.5.4",
    409: "rfc7231#section-6.5.8",
    422: "rfc4918#section-11.2",
    500: "rfc7231#section-6.6.1",
}


@dataclass
class Reply:
    """One answer. `lost` ones have had their effect and never arrive."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    lost: bool = False


def gateway(status: int, text: str) -> Reply:
    """A refusal by what stands in front of the API."""
    return Reply(status, msgspec.json.encode({"statusCode": status, "message": text}))


def too_many() -> Reply:
    """A refusal that says when to come back."""
    reply = gateway(429, "Rate limit is exceeded. Try again in 1 seconds.")
    reply.headers["retry-after"] = "1"
    return reply


def problem_details(problem: Problem) -> Reply:
    """A refusal by the API itself."""
    body = {
        "type": f"https://tools.ietf.org/html/{_SECTIONS[problem.status]}",
        "title": problem.title,
        "status": problem.status,
        "traceId": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00",
        "errors": problem.errors,
        "data": {},
    }
    return Reply(problem.status, msgspec.json.encode(body))
