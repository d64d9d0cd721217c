"""What can go wrong with ServiceTitan, classed by what the caller should do.

::

    ServiceTitanError
    +-- RetryLater            the same request may succeed later; nothing was changed
    |   +-- RateLimited       429; `retry_after_s` says when
    |   +-- ServerTrouble     a read was answered with 5xx
    |   +-- Unreachable       no connection was made, or a read was cut off
    +-- OutcomeUnknown        a write was sent and its fate is unknown: read back before writing again
    +-- NeedsFixing           a person must change something, then the same request will do
    |   +-- BadCredentials    client id or secret refused
    |   +-- AppKeyRefused     still 401 with a fresh token
    |   +-- ScopeMissing      403; `scope` and `right` say what the operation needs
    |   +-- NotRegistered     the app is registered for no scope that covers the operation; nothing was sent
    +-- GivenUp               this request will never succeed
        +-- InvalidRequest    400, or against the published contract; `errors` names the fields
        +-- UnknownOperation  ServiceTitan publishes no operation of that name; nothing was sent
        +-- NotFound          404
        +-- Conflict          409
        +-- UnexpectedAnswer  an answer that the published contract does not know
"""


class ServiceTitanError(Exception):
    """`message` is one sentence for people; `status` the HTTP status, where there was an answer."""

    def __init__(self, message: str, *, status: int | None = None, trace_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.trace_id = trace_id


class RetryLater(ServiceTitanError):
    """Nothing was changed; the same request may succeed later."""


class RateLimited(RetryLater):
    """Too many requests; `retry_after_s` is how long ServiceTitan asks us to wait."""

    def __init__(self, message: str, *, retry_after_s: float, trace_id: str | None = None) -> None:
        super().__init__(message, status=429, trace_id=trace_id)
        self.retry_after_s = retry_after_s


class ServerTrouble(RetryLater):
    """ServiceTitan failed to answer a read."""


class Unreachable(RetryLater):
    """ServiceTitan cannot be reached, or a read was cut off."""


class OutcomeUnknown(ServiceTitanError):
    """A write may or may not have happened."""


class NeedsFixing(ServiceTitanError):
    """A person must change something first."""


class BadCredentials(NeedsFixing):
    """The client id or secret was refused."""


class AppKeyRefused(NeedsFixing):
    """The application key, or the token for this tenant, was refused."""


class ScopeMissing(NeedsFixing):
    """The app lacks a scope, or the tenant has not approved its present version.

    `scope` is the developer portal's name of it and `right` View or Modify, where the operation is a published one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        trace_id: str | None = None,
        scope: str | None = None,
        right: str | None = None,
    ) -> None:
        super().__init__(message, status=status, trace_id=trace_id)
        self.scope = scope
        self.right = right


class NotRegistered(NeedsFixing):
    """The app is registered for no scope that covers the operation."""


class GivenUp(ServiceTitanError):
    """This request will never succeed."""


class InvalidRequest(GivenUp):
    """The request is wrong, as ServiceTitan or its published contract says; `errors` maps fields to what is wrong.

    Without a `status` it was found before anything was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        errors: dict[str, list[str]] | None = None,
        status: int | None = None,
        trace_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, trace_id=trace_id)
        self.errors = errors or {}


class UnknownOperation(GivenUp):
    """ServiceTitan publishes no operation of that name."""


class NotFound(GivenUp):
    """There is no such record, or no such operation."""


class Conflict(GivenUp):
    """The request contradicts what ServiceTitan holds."""


class UnexpectedAnswer(GivenUp):
    """The answer is not what the published contract says."""
