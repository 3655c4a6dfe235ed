"""The workbook of results: cover, contents, notes, one marked-up table a sheet."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pilot_eval.disclosure.protect.symbols import MEANINGS
from pilot_eval.evidence import Verdict
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reporting.workbook_tables import (
    RESULT_COLUMNS,
    bracket,
    name_periods,
    tabulate_indicator,
    tabulate_long_runs,
    tabulate_results,
)

if TYPE_CHECKING:
    from gptables import Cover, GPTable, GPWorkbook

# The same tables give the same bytes: the time of the run is in manifest.json, not here.
A4 = 9  # Excel's number of the paper
COVER_WIDTH = 110  # characters; longer lines would wrap into each other
# Characters: outcome, scenario, data, finding, security, method, unit, eight numbers, comparators,
# remarks.
RESULT_WIDTHS = (36, 20, 10, 24, 10, 28, 14, *[12] * 8, 14, 46)
HEADING_LINES = 6
LINE_HEIGHT = 16  # points
RESULTS, LONG_RUNS = "results_", "long_run"
SOURCE = "Department for Education, characteristics of children in need and looked-after children"
PUBLISHED_AS_IS = "Figures published by the Department are shown with its suppression."
WITHHELD = "Figures that rest on few children (from 1 to {}) are withheld."
WHOLE = ["Security, 0 to 5", "Treated", "Comparators"]
NAME_COLUMNS = 2  # stay in view while a sheet is scrolled, as its heading does

NOTES = {
    "att": (
        "The estimate is the mean change of the treated minus the mean change of the comparators. "
        "Each counts once, whatever its size. Where levels are compared, which the finding says, "
        "it is the difference of mean levels and no change."
    ),
    "methods": (
        "The finding rests on one test, in most cases the robust one: where that errs too often, "
        "on the next of the plan. The sharp method assumes that variance follows size."
    ),
    "mde": (
        "The smallest true effect that would be {}. An effect "
        "smaller than this may well have been missed."
    ),
    "set": (
        "Where hidden counts can move the estimate, it is everything from the lower to the upper "
        "end: hidden counts are put at all that they can be. The interval covers the effect "
        "whatever they are. Elsewhere the two ends are equal."
    ),
    "left_out": (
        "A sensitivity: the estimate without the years whose counts are hidden, and without the "
        "units that have no other year. It rests on other units and can lie outside the ends."
    ),
    "verdict": (
        "One finding for each outcome and scenario, by rules in the analysis plan. Security is "
        "about the evidence and not the size of the effect: 5 is the most secure, 0 the least."
    ),
    "band": (
        "The band contains the whole true path, all its years together, with a probability of one "
        "minus the plan's level. Nothing is adjusted for levels before the start. The year before "
        "the start is the reference, 0."
    ),
    "episodes": (
        "Figures can count episodes, such as referrals: a child then counts more than once."
    ),
    "rates": (
        "Percentages and rates are computed from numerators and denominators where both are "
        "known, and are otherwise as given; rates of the Department's use one population series."
    ),
}


def write_workbook(
    path: str | Path,
    *,
    plan: EvaluationPlan,
    evidence: pd.DataFrame,
    indicators: pd.DataFrame,
    names: Mapping[str, str],
    verdicts: Sequence[Verdict] = (),
    long_runs: pd.DataFrame | None = None,
    source: str = SOURCE,
    contact: str = "The pilot_eval developers",
) -> Path:
    """Write the results and the figures behind them as an accessible workbook.

    Parameters
    ----------
    path : path
        An ``.xlsx`` file to write.
    plan : EvaluationPlan
    evidence : pandas.DataFrame
        `Evidence.table`.
    indicators : pandas.DataFrame
        Published figures (`load_published`), or protected ones in the same shape: what is
        suppressed there is suppressed here.
    names : mapping of str to str
        council_code -> council name.
    verdicts : sequence of Verdict
        `Evidence.verdicts`.
    long_runs : pandas.DataFrame, optional
        As from `checks.long_run.list_long_runs`.
    source : str
        Where the figures come from.
    contact : str
        Whom to ask.

    Returns
    -------
    pathlib.Path

    Notes
    -----
    The same arguments give the same bytes.
    """
    path = Path(path)
    with _quiet_gptables():
        import gptables

        sheets = build_sheets(plan, evidence, indicators, dict(names), verdicts, long_runs, source)
        book = gptables.produce_workbook(
            filename=str(path),
            sheets=sheets,
            cover=_build_cover(plan, evidence, source, contact),
            contentsheet_options={
                "instructions": "This sheet holds one table: what is on which sheet."
            },
            notes_table=_list_notes(plan, sheets),
            workbook_options={"strings_to_formulas": False, "strings_to_urls": False},
        )
    book.set_properties(
        {
            "title": plan.title,
            "subject": "Results and their figures",
            "created": datetime.combine(plan.texts.published_on, time()),
        }
    )
    _narrow_results(book, sheets)
    for name in sheets:
        sheet = book.get_worksheet_by_name(name)
        sheet.freeze_panes(_find_heading(sheet) + 1, NAME_COLUMNS)
    for sheet in book.worksheets():
        sheet.set_paper(A4)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
    book.close()
    return path


def _list_notes(plan: EvaluationPlan, sheets: Mapping[str, GPTable]) -> pd.DataFrame:
    """List the notes that a sheet refers to."""
    used = " ".join(mark for table in sheets.values() for mark in table.table_notes.values())
    words = plan.inference.words
    notes = {key: text.format(words) for key, text in NOTES.items() if f"$${key}$$" in used}
    return pd.DataFrame({"Note": list(notes), "Note text": list(notes.values())})


def _narrow_results(book: GPWorkbook, sheets: Mapping[str, GPTable]) -> None:
    """Wrap the wide result sheets; spreadsheets do not find the height of wrapped rows alone."""
    for name, table in sheets.items():
        if not table.table_name.startswith(RESULTS):
            continue
        sheet = book.get_worksheet_by_name(name)
        for column, width in enumerate(RESULT_WIDTHS):
            sheet.set_column(column, column, width)
        header = _find_heading(sheet)
        sheet.set_row(header, HEADING_LINES * LINE_HEIGHT)
        for row, cells in enumerate(table.table.itertuples(index=False), start=header + 1):
            lines = [-(-len(str(c)) // (w - 2)) for c, w in zip(cells, RESULT_WIDTHS, strict=True)]
            sheet.set_row(row, max(lines) * LINE_HEIGHT)


def _find_heading(sheet: Any) -> int:
    """Find the row of a sheet's headings, counted from 0."""
    return int(re.findall(r"\d+", sheet.tables[0]["range"])[0]) - 1


def explain_symbols(table: pd.DataFrame) -> list[str]:
    """Explain the symbols that occur in a table, and no other."""
    there = set(table.to_numpy(dtype=object).ravel())
    return [
        f"{bracket(symbol)}: {meaning}"
        for symbol, meaning in MEANINGS.items()
        if bracket(symbol) in there
    ]


@contextmanager
def _quiet_gptables() -> Iterator[None]:
    """Keep what gptables 2.0 does of its own (a file left open, `inplace`) from the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="The inplace keyword")
        yield


def build_sheets(
    plan: EvaluationPlan,
    evidence: pd.DataFrame,
    indicators: pd.DataFrame,
    names: dict[str, str],
    verdicts: Sequence[Verdict] = (),
    long_runs: pd.DataFrame | None = None,
    source: str = SOURCE,
) -> dict[str, GPTable]:
    """Build one marked-up table a sheet: results by family, the long run, outcomes by council.

    Parameters
    ----------
    plan, evidence, indicators, names, verdicts, long_runs, source
        As for `write_workbook`.

    Returns
    -------
    dict of str to gptables.GPTable
        Sheet name -> table.
    """
    tables = [
        _build_results(plan, evidence, verdicts, family, source)
        for family in plan.questions
        if (evidence["family"] == family).any()
    ]
    if long_runs is not None and len(long_runs):
        tables.append(_build_long_runs(plan, long_runs, source))
    available = set(indicators["indicator"])
    tables += [
        _build_indicator(plan, indicators, names, key, source)
        for key in plan.outcomes
        if key in available
    ]
    return {f"Table_{number}": table for number, table in enumerate(tables, start=1)}


def _build_results(
    plan: EvaluationPlan,
    evidence: pd.DataFrame,
    verdicts: Sequence[Verdict],
    family: str,
    source: str,
) -> GPTable:
    from gptables import GPTable

    level = 1 - plan.inference.alpha
    table = tabulate_results(plan, evidence, verdicts, family=family).map(as_text)
    return GPTable(
        table=table,
        table_name=RESULTS + family,
        title=f"{as_text(plan.questions[family])} Changes in the treated against comparators",
        subtitles=[f"Analysis plan {plan.hash}"],
        scope=(
            f"Scope: {plan.texts.units} named in each scenario, against comparators; {level:.0%} "
            f"confidence intervals; {name_periods(plan)}"
        ),
        source=f"Source: {as_text(source)}",
        legend=explain_symbols(table),
        instructions=(
            "This sheet holds one table. Symbols in square brackets stand where there is no "
            "figure. Notes are on the sheet Notes."
        ),
        table_notes={
            "Estimate, lower end": "$$att$$",
            "Estimate, upper end": "$$set$$",
            "Method": "$$methods$$",
            "Minimum detectable effect": "$$mde$$",
            "Estimate without hidden figures": "$$left_out$$",
            "Finding": "$$verdict$$",
        },
        index_columns={2: 0},
        additional_formatting=[
            _format_numbers(table, [*RESULT_COLUMNS.values()], "0.0"),
            _format_numbers(table, ["P-value"], "0.000"),
            _format_numbers(table, WHOLE, "0"),
            _wrap(table),
        ],
    )


def _build_long_runs(plan: EvaluationPlan, long_runs: pd.DataFrame, source: str) -> GPTable:
    from gptables import GPTable

    table = tabulate_long_runs(plan, long_runs).map(as_text)
    return GPTable(
        table=table,
        table_name=LONG_RUNS,
        title=f"Effects by year, up to {long_runs['time'].max()} years after the start",
        scope=f"Scope: {plan.texts.units} named in each scenario, against comparators",
        source=f"Source: {as_text(source)}",
        legend=explain_symbols(table),
        instructions="This sheet holds one table. Notes are on the sheet Notes.",
        table_notes={"Band, lower end": "$$band$$"},
        index_columns={2: 0},
        additional_formatting=[
            _format_numbers(table, list(table.columns[4:8]), "0.0"),
            _wrap(table),
        ],
    )


def _build_indicator(
    plan: EvaluationPlan, indicators: pd.DataFrame, names: dict[str, str], key: str, source: str
) -> GPTable:
    from gptables import GPTable

    outcome = plan.outcomes[key]
    unit_name, where = plan.texts.unit.capitalize(), "" if plan.units else ", England"
    table = tabulate_indicator(indicators, names, indicator=key).map(as_text)
    table = table.rename(columns={"Council": unit_name})
    unit = "percent" if outcome.unit == "percentage points" else outcome.unit
    return GPTable(
        table=table,
        table_name=key,
        title=f"{as_text(outcome.label)}, {unit}, by {plan.texts.unit}{where}",
        scope=f"Scope: every place of the table; {name_periods(plan)}",
        source=f"Source: {as_text(source)}",
        legend=explain_symbols(table),
        instructions=(
            "This sheet holds one table. Symbols in square brackets stand where there is no figure."
        ),
        table_notes={"Area code": "$$episodes$$", unit_name: "$$rates$$"},
        index_columns={2: 0},
        additional_formatting=[_format_numbers(table, list(table.columns[2:]), "0.0")],
    )


def as_text(value: object) -> Any:
    """Break what gptables would read in a text: links (``[a](b)``) and notes (``$$a$$``).

    It refuses cells without a letter or digit, so such a text is introduced by a word.
    """
    if not isinstance(value, str):
        return value
    text = value.replace("](", "] (").replace("$$", "$ $")
    return text if re.search("[a-zA-Z0-9]", text) else f"text {text}"


def _wrap(table: pd.DataFrame) -> dict[str, dict[str, object]]:
    """Ask gptables to wrap headings and words."""
    columns = list(range(table.shape[1]))
    wrapped = {"text_wrap": True, "valign": "top"}
    return {"column": {"columns": columns, "format": wrapped, "include_names": True}}


def _format_numbers(
    table: pd.DataFrame, columns: list[str], num_format: str
) -> dict[str, dict[str, object]]:
    """Ask gptables for a fixed number of decimals, so that 34.0 does not read 34."""
    return {
        "column": {
            "columns": [table.columns.get_loc(name) for name in columns],
            "format": {"num_format": num_format, "align": "right", "valign": "top"},
            "include_names": True,
        }
    }


def _build_cover(plan: EvaluationPlan, evidence: pd.DataFrame, source: str, contact: str) -> Cover:
    from gptables import Cover

    data_hashes = ", ".join(sorted(set(evidence["data_hash"].dropna().astype(str))))
    return Cover(
        title=as_text(plan.title),
        intro=[
            "Results of the evaluation, and the figures they rest on.",
            "No figure here is by itself a measure of harm to children.",
            "Few were treated: read an estimate with its interval and detectable effect.",
        ],
        about=[
            f"Source: {as_text(source)}.",
            f"Analysis plan {plan.hash}{data_hashes and '; data '}{data_hashes}.",
            "No counts of children are shown; percentages and rates are rounded half up.",
            PUBLISHED_AS_IS if source == SOURCE else WITHHELD.format(plan.disclosure.threshold),
        ],
        contact=[as_text(contact)],
        width=COVER_WIDTH,
    )
