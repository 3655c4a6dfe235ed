"""Names as people write them: in any case they are read, and a near miss is refused by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path

ALSO_CALLED = {"cppreviews": "Reviews"}
"""Other names that exports are known to give the return's elements, folded."""
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
    meant = ALSO_CALLED.get(_fold(name), "")
    if meant in known:
        return meant
    folded = {_fold(one): one for one in sorted(known)}
    if _fold(name) in folded:
        return folded[_fold(name)]
    close = get_close_matches(_fold(name), list(folded), n=1, cutoff=CLOSE)
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
            alike = _fold(name) == _fold(meant) or ALSO_CALLED.get(_fold(name)) == meant
            (same if alike else near)[name] = meant
    return same, near


def find_module(path: Path) -> Path:
    """Find a module's file whatever the case of its name."""
    if path.is_file() or not path.parent.is_dir():
        return path
    wanted = path.name.casefold()
    return next((one for one in path.parent.iterdir() if one.name.casefold() == wanted), path)


def _fold(name: str) -> str:
    return name.strip().casefold().replace("_", "").replace(" ", "")
