"""What a council is sent back: which published rules its returns break, where, and how often.

Fields and lines are named, never what stands there. The workbook names single records, so it stays
in the private folder until it goes to the council whose records they are.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pilot_eval.records.issues import RULE_SEVERITIES
from pilot_eval.records.published_rules import (
    NOT_ASKED,
    PublishedRule,
    load_published_rules,
)
from pilot_eval.records.sent import MODULES, PLACES, table_of

#: Places shown of one rule in one return; more are a matter of the export, not of single records.
MOST_PLACES = 100
COUNTS = ("rule", "kind", "what_is_wrong", "modules", "return", "records")
WHERE = ("rule", "return", "module", "field", "line_or_row")
HEADINGS = {
    "rule": "Rule",
    "kind": "Error or query",
    "what_is_wrong": "What is wrong",
    "modules": "Modules",
    "return": "Return",
    "records": "Records",
    "module": "Module",
    "field": "Field",
    "line_or_row": "Line (XML) or row",
}
WIDTHS = (10, 16, 90, 44, 24, 12)
_PLACE_OF = {(table_of(key), column): place for place, (key, column) in PLACES.items()} | {
    (table_of(key), ""): element for element, key in MODULES.items()
}


def count_broken_rules(issues: pd.DataFrame) -> pd.DataFrame:
    """Count the records that break each published rule, by council and return.

    Parameters
    ----------
    issues : DataFrame
        As from `ask_published_rules`, among others.

    Returns
    -------
    DataFrame
        council_code and the columns of `COUNTS`; `records` counts a record once for a rule, and a
        rule about the return as a whole as 1.
    """
    said = {rule.number: rule for rule in load_published_rules()}
    own = issues[issues["severity"].isin(RULE_SEVERITIES)]
    own = own.drop_duplicates(["council_code", "rule", "source_file", "table", "row", "source_row"])
    keys = ["council_code", "rule", "severity", "source_file"]
    counts = own.groupby(keys, observed=True).size().rename("records").reset_index()
    counts = counts.rename(columns={"severity": "kind", "source_file": "return"})
    counts["what_is_wrong"] = [said[number].explanation for number in counts["rule"]]
    counts["modules"] = [_name_modules(said[number]) for number in counts["rule"]]
    order = counts["rule"].str.extract(r"(\d+)", expand=False).astype("int64")
    counts = counts.assign(order=order).sort_values(["council_code", "order", "return"])
    return counts[["council_code", *COUNTS]].reset_index(drop=True)


def write_rules_workbook(path: Path, issues: pd.DataFrame, *, council: str) -> Path:
    """Write one council's workbook.

    Parameters
    ----------
    path : Path
        An ``.xlsx`` file.
    issues : DataFrame
        The council's.
    council : str
        Name.

    Returns
    -------
    Path

    Notes
    -----
    Sheets: *Rules* (rule, what is wrong, modules, return, how many), *Where* (return, module,
    field and line of each, of one rule in one return the first `MOST_PLACES`), *Not asked* (rules
    about columns that a return does not have).
    """
    from openpyxl import Workbook

    counts = count_broken_rules(issues)[list(COUNTS)]
    book = Workbook(write_only=True)
    book.properties.title = f"Published rules broken by the returns of {council}"
    _write_sheet(book, "Rules", counts)
    _write_sheet(book, "Where", _locate(issues))
    _write_sheet(book, "Not asked", _list_not_asked(issues))
    book.save(path)
    return path


def _name_modules(rule: PublishedRule) -> str:
    return ", ".join(rule.modules) or "Header"


def _locate(issues: pd.DataFrame) -> pd.DataFrame:
    """List where each rule is broken, by statutory names."""
    own = issues[issues["severity"].isin(RULE_SEVERITIES) & (issues["source_row"] >= 0)]
    own = own.groupby(["rule", "source_file"], sort=False).head(MOST_PLACES)
    pairs = zip(own["table"], own["field"], strict=True)
    places = [_PLACE_OF[pair].partition(".") for pair in pairs]
    return pd.DataFrame(
        {
            "rule": own["rule"].to_numpy(),
            "return": own["source_file"].to_numpy(),
            "module": [place[0] for place in places],
            "field": [place[2] for place in places],
            "line_or_row": own["source_row"].to_numpy(),
        },
        columns=list(WHERE),
    )


def _list_not_asked(issues: pd.DataFrame) -> pd.DataFrame:
    own = issues[issues["rule"] == NOT_ASKED]
    said = {rule.number: rule.explanation for rule in load_published_rules()}
    return pd.DataFrame(
        {
            "rule": own["field"].to_numpy(),
            "return": own["source_file"].to_numpy(),
            "what_is_wrong": [said[number] for number in own["field"]],
        }
    )


def _write_sheet(book: object, name: str, table: pd.DataFrame) -> None:
    sheet = book.create_sheet(name)  # type: ignore[attr-defined]
    sheet.freeze_panes = "A2"
    for letter, width in zip("ABCDEF", WIDTHS, strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.append([HEADINGS[column] for column in table])
    for row in table.itertuples(index=False):
        sheet.append(list(row))
