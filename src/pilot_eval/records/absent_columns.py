"""Columns that an export does not have: an error where a duration or a count would be wrong."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pilot_eval.records.names import Module
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
    absent.pop("sex" if "gender_current" in present else "gender_current", None)
    for column, tag in absent.items():
        if column in NEEDED and (module.element, column) not in OPTIONAL:
            rule = f"have the column {tag}, without which records cannot be counted"
            action = f'Export it, or declare it in a mapping: [absent] columns = ["{tag}"].'
            raise refusal(path, 1, rule, "none", action)
    known = [(tag, DECLARED_ABSENT) for tag in module.fields if tag in declared]
    found = known + [(tag, "absent_column") for tag in absent.values()]
    return [(f"{module.element}.{tag}", rule) for tag, rule in found]
