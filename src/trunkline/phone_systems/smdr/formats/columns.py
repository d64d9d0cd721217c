"""Lines whose columns stand at fixed places."""

import itertools
from collections.abc import Mapping

# Letters of a column string, as `DDDDDDDD TTTTTTT EEEEE ...`: each run of a letter is one column.
LETTERS: Mapping[str, str] = {
    "D": "date",
    "T": "time",
    "E": "station",
    "C": "trunk",
    "N": "number",
    "R": "ring",
    "d": "duration",
    "A": "account",
    "c": "condition",
    "$": "cost",
    "x": "other",
}
NEEDED = ("date", "time", "station", "number", "duration")

Columns = Mapping[str, slice]


def at(**places: tuple[int, int]) -> Columns:
    """Columns from (first place, width)."""
    return {name: slice(begin, begin + width) for name, (begin, width) in places.items()}


def from_string(text: str) -> Columns:
    """Columns from a string of letters.

    Raises:
        ValueError: with one sentence: a letter is unknown or used twice, or a column is missing.
    """
    found: dict[str, slice] = {}
    place = 0
    for letter, run in itertools.groupby(text):
        width = len(list(run))
        if letter != " ":
            if letter not in LETTERS:
                raise ValueError(f"The column string has the letter {letter!r}; known are {' '.join(LETTERS)}.")
            if LETTERS[letter] in found and letter != "x":
                raise ValueError(f"The column string has two columns {letter!r}.")
            found[LETTERS[letter]] = slice(place, place + width)
        place += width
    missing = [letter for letter, name in LETTERS.items() if name in NEEDED and name not in found]
    if missing:
        raise ValueError(f"The column string has no column {missing[0]!r}.")
    return found


def cut(line: str, columns: Columns) -> dict[str, str]:
    """The columns of a line, without blanks around them; a column that is not there is empty."""
    return {name: line[place].strip() for name, place in columns.items()}
