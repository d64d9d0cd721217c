"""Named points on the commit path where a test may make the process die, stall or fail.

A point costs one comparison in production. Tests switch points on with the environment variable
``TRUNKLINE_FAULT``: ``name:kill`` (SIGKILL to this very process), ``name:raise`` or ``name:sleep=SECONDS``, several
separated by commas; ``name@3:kill`` acts on the third passage only. Because a killed process cannot tell what it
did, every point that exists is listed in :data:`FAULT_POINTS`, and a test kills the service at each of them.
"""

import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass

FAULT_POINTS = (
    "inbox.before_commit",
    "inbox.after_commit",
    "tracker.before_commit",
    "tracker.after_commit",
    "logbook.before_start",
    "logbook.after_start",
    "logbook.before_intent",
    "logbook.after_intent",
    "logbook.after_write",
    "logbook.after_outcome",
    "mirror.before_commit",
    "mirror.after_commit",
)


class FaultInjected(Exception):
    """A test asked for this failure."""


@dataclass(frozen=True)
class _Fault:
    passage: int
    action: str


def _read(text: str) -> dict[str, _Fault]:
    faults = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        where, _, action = entry.partition(":")
        name, _, passage = where.partition("@")
        if name not in FAULT_POINTS:
            raise ValueError(f"TRUNKLINE_FAULT names {name!r}, which is not a fault point")
        faults[name] = _Fault(int(passage or 1), action)
    return faults


_faults = _read(os.environ.get("TRUNKLINE_FAULT", ""))
_passages: Counter[str] = Counter()


def _due(name: str) -> str | None:
    fault = _faults.get(name)
    if fault is None:
        return None
    _passages[name] += 1
    return fault.action if _passages[name] == fault.passage else None


async def fault_point(name: str) -> None:
    """Pass the point `name`; does nothing unless a test switched it on.

    Raises:
        FaultInjected: where the test asked for ``raise``.
    """
    if not _faults or (action := _due(name)) is None:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "raise":
        raise FaultInjected(name)
    elif action.startswith("sleep="):
        await asyncio.sleep(float(action.removeprefix("sleep=")))
    else:
        raise ValueError(f"TRUNKLINE_FAULT asks for unknown action {action!r}")
