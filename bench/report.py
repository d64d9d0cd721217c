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

    `ratio` is figure / limit; `bar` says what the ratio must be, as ``"<= 1"`` or ``">= 0.6"``. What could not be
    measured has no figure; what is there only to read the others by has no ratio and no bar.
    """

    name: str
    figure: float | None
    unit: str
    limit: str
    ratio: float | None
    bar: str

    @property
    def holds(self) -> bool | None:
        """Whether the ratio keeps to the bar; `None` where there is none to judge."""
        if self.ratio is None:
            return None
        comparison, bound = self.bar.split()
        return self.ratio <= float(bound) if comparison == "<=" else self.ratio >= float(bound)


def under(name: str, figure: float, unit: str, limit: float) -> Figure:
    """A figure that must stay under a fixed limit."""
    return Figure(name, figure, unit, f"{limit:g} {unit}", figure / limit, "<= 1")


def at_least(name: str, figure: float, unit: str, peer: str, *, ratio: float, bar: float) -> Figure:
    """A figure that must reach so much of its peer."""
    return Figure(name, figure, unit, peer, ratio, f">= {bar:g}")


def not_measured(name: str, unit: str, *, bar: float) -> Figure:
    """A figure whose peer is not there, so that its bar neither holds nor fails."""
    return Figure(name, None, unit, "the peer is missing", None, f">= {bar:g}")


def context(name: str, figure: float, unit: str) -> Figure:
    """A figure to read the others by."""
    return Figure(name, figure, unit, "", None, "")


def write(figures: Iterable[Figure], *, keep: bool) -> bool:
    """Print the figures, and keep them; false where a bar does not hold."""
    figures = list(figures)
    if keep:
        rows = [{**asdict(figure), "holds": figure.holds} for figure in figures]
        (FOLDER / "results.json").write_text(json.dumps(rows, indent=2) + "\n")
        (FOLDER / "RESULTS.md").write_text(_markdown(figures))
    table = Table("name", "figure", "limit or peer", "ratio", "bar", "holds")
    for figure in figures:
        table.add_row(*_cells(figure), style="bold red" if figure.holds is False else None)
    Console(width=150).print(table)
    return not any(figure.holds is False for figure in figures)


def _cells(figure: Figure) -> tuple[str, ...]:
    measured = "not measured" if figure.figure is None else f"{figure.figure:,.4g} {figure.unit}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    return (figure.name, measured, figure.limit, ratio, figure.bar, {True: "yes", False: "no", None: ""}[figure.holds])


def _markdown(figures: list[Figure]) -> str:
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        "# Results",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `make bench` on {psutil.cpu_count()} cores and {memory:.0f} GiB,",
        f"{platform.system()}, Python {platform.python_version()}, with everything - sandbox, PostgreSQL, application",
        "and the measuring client - on the same cores. Machines differ; the ratios are what counts.",
        "[README.md](README.md) says how.",
        "",
        "| name | figure | limit or peer | ratio | bar | holds |",
        "|---|---|---|---|---|---|",
    ]
    lines.extend(f"| {' | '.join(_cells(figure))} |" for figure in figures)
    return "\n".join(lines) + "\n"
