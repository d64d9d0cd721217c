"""What tests of SMDR share: lines through a connection, and the calls they make."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from trunkline.calls.reading import in_memory
from trunkline.domain.call import Call
from trunkline.phone_systems.base import RawMessage
from trunkline.phone_systems.smdr import SmdrAdapter
from trunkline.phone_systems.smdr.lines import Receiver
from trunkline.phone_systems.smdr.notes import Notebook

NOW = datetime(2024, 6, 10, 18, 0, tzinfo=UTC)
ZONE = "America/Chicago"


def adapter(form: str, **options: object) -> SmdrAdapter:
    """An adapter for one maker's lines."""
    return SmdrAdapter.configure(
        "main", {"format": form, "time_zone": ZONE, "host": "pbx.example.com", "port": 1150, **options}
    )


def receiver(made: SmdrAdapter, notebook: Notebook | None = None) -> Receiver:
    """One connection's receiver."""
    return Receiver(made.understand, made.today, notebook or Notebook())


def heard(options: Mapping[str, object], printed: Iterable[tuple[datetime, str]]) -> list[RawMessage]:
    """The messages that these lines make on one connection."""
    opened = receiver(SmdrAdapter.configure("main", options))
    return [message for at, line in printed for message in opened.feed(f"{line}\r\n".encode(), at)]


def calls(made: SmdrAdapter, lines: Sequence[str], at: datetime = NOW) -> list[Call]:
    """The calls of lines that come on one connection at the moment `at`."""
    messages = receiver(made).feed("".join(f"{line}\r\n" for line in lines).encode(), at)
    return in_memory(made, list(enumerate(messages)))
