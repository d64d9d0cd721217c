"""ServiceTitan's rows as a table that people can read."""

from typing import Any

from rich.console import Console
from rich.table import Table

MOST_COLUMNS = 8


def print_table(answer: Any) -> None:
    """Print one row or several; of their fields those that say most: not empty, no lists, the first few."""
    rows = [
        row if isinstance(row, dict) else {"value": row} for row in (answer if isinstance(answer, list) else [answer])
    ]
    fields: dict[str, None] = {}
    for row in rows:
        fields |= {name: None for name, value in row.items() if _text(value)}
    table = Table(*list(fields)[:MOST_COLUMNS])
    for row in rows:
        table.add_row(*(_text(row.get(name)) or "" for name in list(fields)[:MOST_COLUMNS]))
    Console().print(table)


def _text(value: Any) -> str | None:
    """A plain value, or the name within a reference; `None` for what no cell can hold."""
    if isinstance(value, dict):
        return _text(value.get("name"))
    if value is None or isinstance(value, list):
        return None
    return str(value)
