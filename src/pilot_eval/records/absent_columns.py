"""Columns of an export: those that are read, those that it lacks, and those that nobody knows.

A column that is lacking is an error where a duration or a count would be wrong; one that is not
known is named, so that nothing is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from pilot_eval.records.names import (
    ASSESSMENT_LINK,
    CHILD_LINK,
    COUNCIL_COLUMN,
    FOR_RULES,
    HEADER,
    NOT_READ,
    PLAN_LINK,
    REFERRAL_LINK,
    SIMULATED_COLUMN,
    YEAR_COLUMN,
    Module,
)
from pilot_eval.records.near_names import fold, spell
from pilot_eval.records.returns import refusal

NEEDED = frozenset(
    {"referral_date", "closure_date", "start_date", "end_date", "s47_start_date", "icpc_date"}
    | {"plan_start_date", "plan_end_date", "review_date"}
)
"""Dates by which records begin and end: without the column every record would seem unfinished."""
DECLARED_ABSENT = "declared_absent"
"""Of a column that is known to be absent: nothing to note, and no rule is asked of it."""
OPTIONAL = frozenset({("CINdetails", "icpc_date")})
"""A conference is recorded in its section 47 enquiry; in the referral only where there is none."""


UNKNOWN_COLUMN, UNKNOWN_MODULE = "unknown_column", "unknown_module"
RETURN_KEY = (COUNCIL_COLUMN, YEAR_COLUMN)
LINKS = (CHILD_LINK, REFERRAL_LINK, PLAN_LINK, ASSESSMENT_LINK)
_PLAIN = re.compile(r"[A-Za-z]\w[\w ]{0,58}")  # other names of columns are counted, not quoted
_ALWAYS_KNOWN = {*LINKS, *RETURN_KEY, SIMULATED_COLUMN, *NOT_READ}


def choose_columns(path: Path, names: Sequence[str], wanted: Collection[str]) -> dict[str, str]:
    """Choose the columns of a file that are read, in whatever case they are named.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Columns of the file.
    wanted : collection of str
        Statutory names.

    Returns
    -------
    dict of str to str
        Name in the file -> statutory name.

    Raises
    ------
    DataError
        If a column is a near miss of a wanted one, or a wanted one is there twice.
    """
    same, near = spell(names, wanted)
    if near:
        wrong, meant = next(iter(near.items()))
        rule = "name its columns as the return does"
        raise refusal(path, 1, rule, f"`{wrong}`", f"Did you mean `{meant}`? Rename the column.")
    chosen = {name: same.get(name, name) for name in names if name in wanted or name in same}
    used = [chosen[name] for name in names if name in chosen]
    twice = [name for name in used if used.count(name) > 1]
    if twice:
        rule = f"have the column {twice[0]} once"
        raise refusal(path, 1, rule, "it twice", "Take one of them out.")
    return chosen


def find_unknown(module: Module, names: Collection[str]) -> list[tuple[str, str]]:
    """List the columns of a module's file that are not read and have no known meaning.

    Parameters
    ----------
    module : Module
    names : collection of str
        Columns that its file has, in their statutory spelling where that is known.

    Returns
    -------
    list of (place, rule)
    """
    known = {*module.fields, *_ALWAYS_KNOWN}
    plain = [name if _PLAIN.fullmatch(name) else "" for name in names if name not in known]
    return [(f"{module.element}.{name}", UNKNOWN_COLUMN) for name in plain]


def find_unknown_files(folder: Path, suffix: str, known: Collection[str]) -> list[tuple[str, str]]:
    """List the files of a return's folder that are no module of it.

    Parameters
    ----------
    folder : Path
    suffix : str
        Of the format, as ``.csv``.
    known : collection of str
        Modules of the return.

    Returns
    -------
    list of (place, rule)
    """
    folded = {fold(name) for name in (*known, HEADER, *(m.element for m in FOR_RULES.values()))}
    return [
        (path.stem, UNKNOWN_MODULE)
        for path in sorted(folder.glob("*"))
        if path.suffix.lower() == suffix
        and not path.name.startswith(".")
        and fold(path.stem) not in folded
    ]


def find_absent(
    path: Path, module: Module, names: Collection[str], declared: Collection[str]
) -> list[tuple[str, str]]:
    """List the columns, or the module, that a folder does not have.

    Parameters
    ----------
    path : Path
        Of the module's file.
    module : Module
    names : collection of str
        Columns that its file has.
    declared : collection of str
        Tags that a mapping declares absent.

    Returns
    -------
    list of (place, rule)
        The place is the module, or ``Module.Field``;
        rule is `absent_column`, `absent_module` or `declared_absent`.

    Raises
    ------
    DataError
        If a date by which records begin or end is not there and not declared absent.
    """
    if not path.is_file():
        rule = DECLARED_ABSENT if module.element in declared else "absent_module"
        return [(module.element, rule)]
    present = {column for tag, column in module.fields.items() if tag in names}
    absent = {
        column: tag
        for tag, column in module.fields.items()
        if column not in present and tag not in declared
    }
    other = absent.pop("sex" if "gender_current" in present else "gender_current", "")
    for column, tag in absent.items():
        if column in NEEDED and (module.element, column) not in OPTIONAL:
            rule = f"have the column {tag}, without which records cannot be counted"
            action = (
                f"Export it, name yours in a mapping file (docs/census-format.md), or declare it "
                f'absent there: [absent] columns = ["{tag}"].'
            )
            raise refusal(path, 1, rule, "none", action)
    known = [(tag, DECLARED_ABSENT) for tag in module.fields if tag in {*declared, other}]
    found = known + [(tag, "absent_column") for tag in absent.values()]
    return [(f"{module.element}.{tag}", rule) for tag, rule in found]
