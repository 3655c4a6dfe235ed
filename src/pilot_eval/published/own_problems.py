"""Faults of an own table: each by line and column, equal ones as one line with a count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pilot_eval.errors import DataError, explain

_MOST_LISTED = 50
_MOST_PLACES = 3
_MOST_ALONE = 3
"""Up to so many cells with the same fault are listed one by one."""


class Problem(NamedTuple):
    """One fault: file line, column, rule with what to do, what was found, and whose cell it is."""

    line: int
    column: str
    rule: str
    got: str = ""
    council: str = ""

    def place(self) -> str:
        """Name line, council and what was found."""
        notes = [self.council and f"council {self.council}", self.got and f"got {self.got}"]
        return f"line {self.line}" + "".join(f", {note}" for note in notes if note)


def list_problems(file: str, problems: Iterable[Problem]) -> DataError:
    """Make one error of all faults.

    Parameters
    ----------
    file : str
        Name of the table.
    problems : iterable of Problem

    Returns
    -------
    DataError
        One line for each fault; more than three equal ones are one line, with their number and
        the first places. Figures are never repeated.
    """
    found = sorted(set(problems))
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in found:
        groups.setdefault((problem.column, problem.rule), []).append(problem)
    lines = [line for group in groups.values() for line in _word(group)]
    more = len(lines) - _MOST_LISTED
    listed = lines[:_MOST_LISTED] + [f"  and {more} more lines"] * (more > 0)
    head = explain(
        file,
        "follow docs/own-data.md",
        f"{len(found)} problem" + "s" * (len(found) > 1),
        "Correct these cells:",
    )
    return DataError("\n".join([head, *listed]))


def _word(group: list[Problem]) -> list[str]:
    if len(group) <= _MOST_ALONE:
        return [_word_one(problem) for problem in group]
    first = group[0]
    places = "; ".join(problem.place() for problem in group[:_MOST_PLACES])
    return [f"  {len(group)} cells of column {first.column}: {first.rule}. First: {places}"]


def _word_one(problem: Problem) -> str:
    got = f"; got {problem.got}" if problem.got else ""
    whose = f" (council {problem.council})" if problem.council else ""
    return f"  line {problem.line}, column {problem.column}: {problem.rule}{got}{whose}"
