"""Which council of 2013 a return's `LEA` names, however the number is written."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pilot_eval.project import find_file
from pilot_eval.published.boundaries import CHANGES, BoundaryChange, read_boundary_changes
from pilot_eval.reference.facts import load_councils

_NUMBER = re.compile(r"0*(\d{3})(\.0+)?")


def find_council(text: str, root: Path | None = None) -> tuple[str, str, str]:
    """Find the council that a DfE number or an ONS code stands for.

    Parameters
    ----------
    text : str
        As `330`, `0330`, `330.0` or `E08000025`.
    root : Path, optional
        Project root, for the lists of councils and of later changes.

    Returns
    -------
    council_code : str
        The council of 2013; empty where there is none.
    part : str
        The DfE number of the successor, where the return is of a part of a council divided since.
    why : str
        Why there is none.

    Examples
    --------
    >>> find_council("0330")
    ('E08000025', '', '')
    >>> find_council("E06000063")
    ('E10000006', '942', '')
    >>> find_council("838")[0]
    ''
    """
    numbered = _NUMBER.fullmatch(text.strip())
    key = numbered[1] if numbered else text.strip().upper()
    council = _known(root).get(key, "")
    if council:
        return council, "", ""
    change = _later(root).get(key)
    if change is None:
        return "", "", "no such council"
    if change.rule == "add":
        return change.old_code, change.new_dfe_number, ""
    return "", "", "a council since 2013 whose area cannot be compared with those before"


def count_parts(council_code: str, root: Path | None = None) -> int:
    """Count the councils that a council was divided into; 0 where it was not."""
    changes = read_boundary_changes(find_file(CHANGES, root))
    return sum(change.old_code == council_code and change.rule == "add" for change in changes)


@cache
def _known(root: Path | None) -> dict[str, str]:
    known: dict[str, str] = {}
    for change in read_boundary_changes(find_file(CHANGES, root)):
        if change.rule == "recode":
            known[change.new_code] = known[change.new_dfe_number] = change.old_code
    for council in load_councils(root):
        known[council.dfe_number] = known[council.council_code] = council.council_code
    return known


@cache
def _later(root: Path | None) -> dict[str, BoundaryChange]:
    changes = read_boundary_changes(find_file(CHANGES, root))
    return {key: change for change in changes for key in (change.new_code, change.new_dfe_number)}
