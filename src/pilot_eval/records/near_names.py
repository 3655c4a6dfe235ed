"""Names as people write them: in any case they are read, and a near miss is refused by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

ALSO_CALLED = {"cppreviews": "Reviews"}
"""Other names that exports are known to give the return's elements, folded."""
MOST_TITLE_LINES = 10
"""Lines before those of the names in which an export may say what it is."""
CLOSE = 0.85
"""Similarity from which another name counts as a near miss (`difflib`)."""


def find_near(name: str, known: Collection[str]) -> str:
    """Find the known name that a name is, whatever its case, or nearly is.

    Parameters
    ----------
    name : str
    known : collection of str

    Returns
    -------
    str
        Empty where none is near.

    Examples
    --------
    >>> find_near("CINclosureDat", {"CINclosureDate", "CINreferralDate"})
    'CINclosureDate'
    >>> find_near("Worker", {"CINclosureDate", "CINreferralDate"})
    ''
    """
    meant = ALSO_CALLED.get(fold(name), "")
    if meant in known:
        return meant
    folded = {fold(one): one for one in sorted(known)}
    if fold(name) in folded:
        return folded[fold(name)]
    close = get_close_matches(fold(name), list(folded), n=1, cutoff=CLOSE)
    return folded[close[0]] if close else ""


def spell(names: Iterable[str], known: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Sort names that are not known into those in another case and those that are near misses.

    Parameters
    ----------
    names : iterable of str
    known : collection of str

    Returns
    -------
    same, near : dict of str to str
        Name -> the known one that it is, and that it nearly is.
    """
    same: dict[str, str] = {}
    near: dict[str, str] = {}
    for name in names:
        meant = "" if name in known else find_near(name, known)
        if meant:
            alike = fold(name) == fold(meant) or ALSO_CALLED.get(fold(name)) == meant
            (same if alike else near)[name] = meant
    return same, near


def find_names(rows: Sequence[Sequence[str]], known: Collection[str]) -> int:
    """Find the row of names: titles may stand before it.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first ones of a table.
    known : collection of str

    Returns
    -------
    int
        Of the first row with two known names; 0 if there is none.
    """
    folded = {fold(name) for name in known}
    for number, row in enumerate(rows):
        if sum(fold(name) in folded for name in row) > 1:
            return number
    return 0


def find_module(path: Path) -> Path:
    """Find a module's file however its name is spelt: in any case, with blanks or underscores."""
    if path.is_file() or not path.parent.is_dir():
        return path
    alike = (one for one in sorted(path.parent.iterdir()) if one.suffix.lower() == path.suffix)
    return next((one for one in alike if fold(one.stem) == fold(path.stem)), path)


def fold(name: str) -> str:
    """Leave of a name what does not differ between exports."""
    return re.sub(r"[\s_-]", "", name).casefold()
