"""What can go wrong when we ask a phone system, classed by what the caller should do.

::

    PhoneSystemError
    +-- RetryLater        the same request may succeed later; `retry_after_s` says when, where the vendor said so
    +-- OutcomeUnknown    a call was asked for, and nobody knows whether it was set up: never asked for again by itself
    +-- NeedsFixing       a person must change something: credentials, rights, a licence, an agent's name
    |   +-- NotSetUp      this account has no options for that: nothing is wrong, and nothing can be asked
    +-- GivenUp           this request will never succeed
"""


class PhoneSystemError(Exception):
    """The message is one sentence for people, without secrets."""


class RetryLater(PhoneSystemError):
    """Nothing was changed; the same request may succeed later."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(PhoneSystemError):
    """Something was asked for and may or may not have happened."""


class NeedsFixing(PhoneSystemError):
    """A person must change something first."""


class NotSetUp(NeedsFixing):
    """This account has no options for what was asked."""


class GivenUp(PhoneSystemError):
    """This request will never succeed."""
