"""The table of figures: printed, and kept as `bench/results.json` and `bench/RESULTS.md`."""

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Figure:
    """One measurement beside the limit or peer it is judged by.

    `ratio` is figure / limit; `bar` says what the ratio must be, as ``"<= 1"`` or ``">= 0.6"``.
    """

    name: str
    figure: float
    unit: str
    limit: str
    ratio: float
    bar: str

    @property
    def holds(self) -> bool:
        """Whether the ratio keeps to the bar."""
        comparison, bound = self.bar.split()
        return self.ratio <= float(bound) if comparison == "<=" else self.ratio >= float(bound)


def under(name: str, figure: float, unit: str, limit: float) -> Figure:
    """A figure that must stay under a fixed limit."""
    return Figure(name, figure, unit, f"{limit:g} {unit}", figure / limit, "<= 1")


def at_least(name: str, figure: float, unit: str, peer: str, *, ratio: float, bar: float) -> Figure:
    """A figure that must reach so much of its peer."""
    return Figure(name, figure, unit, peer, ratio, f">= {bar:g}")


def write(figures: Iterable[Figure], *, keep: bool) -> bool:
    """Print the figures, and keep them; true where every bar holds."""
    figures = list(figures)
    if keep:
        rows = [{**asdict(figure), "holds": figure.holds} for figure in figures]
        (FOLDER / "results.json").write_text(json.dumps(rows, indent=2) + "\n")
        (FOLDER / "RESULTS.md").write_text(_markdown(figures))
    table = Table("name", "figure", "limit or peer", "ratio", "bar", "holds")
    for figure in figures:
        table.add_row(*_cells(figure), "yes" if figure.holds else "[bold red]no[/]")
    Console(width=150).print(table)
    return all(figure.holds for figure in figures)


def _cells(figure: Figure) -> tuple[str, str, str, str, str]:
    return (figure.name, f"{figure.figure:,.4g} {figure.unit}", figure.limit, f"{figure.ratio:.2f}", figure.bar)


def _markdown(figures: list[Figure]) -> str:
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        "# Results",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `make bench` on {psutil.cpu_count()} cores and {memory:.0f} GiB,",
        f"{platform.system()}, Python {platform.python_version()}, with everything - sandbox, PostgreSQL, application",
        "and the measuring client - on the same cores. Machines differ; the ratios are what counts.",
        "",
        "| name | figure | limit or peer | ratio | bar | holds |",
        "|---|---|---|---|---|---|",
    ]
    lines.extend("| " + " | ".join([*_cells(figure), "yes" if figure.holds else "**no**"]) + " |" for figure in figures)
    return "\n".join(lines) + "\n"
