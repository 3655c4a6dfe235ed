"""Tidy data in the shape of DfE's Explore Education Statistics: a data file and a metadata file.

One row per place and period, one column per indicator; symbols instead of figures that are
withheld. The metadata file names every column that is not a time or place.
"""

from __future__ import annotations

from calendar import month_name
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pilot_eval.disclosure.protect.symbols import UNAVAILABLE, show_value
from pilot_eval.errors import DataError, explain
from pilot_eval.evidence import Verdict, neutralise_formulas
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.facts import Council
from pilot_eval.reference.plan_periods import Period

ENGLAND = "E92000001"
TIME_IDENTIFIER = "Financial year"
LEVELS = {"national": "National", "council": "Local authority"}
PLACE_COLUMNS = (
    "time_period",
    "time_identifier",
    "geographic_level",
    "country_code",
    "country_name",
    "region_code",
    "region_name",
    "old_la_code",
    "new_la_code",
    "la_name",
)
META_COLUMNS = (
    "col_name",
    "col_type",
    "label",
    "indicator_grouping",
    "indicator_unit",
    "indicator_dp",
    "filter_hint",
    "filter_grouping_column",
)
FOOTNOTE_COLUMNS = ("indicator", "footnote")
RUN_FILTERS = {"scenario": "Group", "outcome": "Outcome"}
RUN_INDICATORS = {
    "estimate_low": ("Effect, lowest that hidden figures allow", "1"),
    "estimate_high": ("Effect, highest that hidden figures allow", "1"),
    "conf_low": ("Band, lower end", "1"),
    "conf_high": ("Band, upper end", "1"),
    "n_treated": ("Treated", "0"),
    "n_comparators": ("Comparators", "0"),
}
DECIMALS = 1

#: Region as in data/reference/councils.csv -> code and name of England's nine regions.
REGIONS = {
    "North East": ("E12000001", "North East"),
    "North West": ("E12000002", "North West"),
    "Yorkshire and the Humber": ("E12000003", "Yorkshire and The Humber"),
    "East Midlands": ("E12000004", "East Midlands"),
    "West Midlands": ("E12000005", "West Midlands"),
    "East of England": ("E12000006", "East of England"),
    "Inner London": ("E12000007", "London"),
    "Outer London": ("E12000007", "London"),
    "South East": ("E12000008", "South East"),
    "South West": ("E12000009", "South West"),
}


def write_ees(
    folder: str | Path,
    *,
    plan: EvaluationPlan,
    indicators: pd.DataFrame,
    councils: Sequence[Council],
    verdicts: Sequence[Verdict] = (),
    name: str = "figures",
) -> tuple[Path, ...]:
    """Write the data file, its metadata file and the footnotes.

    Parameters
    ----------
    folder : path
        Made if need be.
    plan : EvaluationPlan
        Its outcomes are the indicators.
    indicators : pandas.DataFrame
        As `load_published` returns it, or protected figures in the same shape.
    councils : sequence of Council
        `load_councils()`.
    verdicts : sequence of Verdict
        `Evidence.verdicts`: one footnote each.
    name : str
        Stem: ``<name>.csv``, ``<name>.meta.csv`` and ``<name>.footnotes.csv``.

    Returns
    -------
    data, metadata, footnotes : pathlib.Path
        The same arguments give the same bytes.

    Raises
    ------
    DataError
        For an area that is neither England nor one of `councils`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{name}{end}.csv" for end in ("", ".meta", ".footnotes"))
    frames = (
        build_ees_data(plan, indicators, councils),
        build_ees_metadata(plan, indicators),
        build_ees_footnotes(plan, indicators, verdicts),
    )
    for path, frame in zip(paths, frames, strict=True):
        neutralise_formulas(frame).to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
    return paths


def build_ees_data(
    plan: EvaluationPlan, indicators: pd.DataFrame, councils: Sequence[Council]
) -> pd.DataFrame:
    """Lay figures out by place and period.

    Parameters
    ----------
    plan, indicators, councils
        As for `write_ees`.

    Returns
    -------
    pandas.DataFrame of str
        `PLACE_COLUMNS`, then one column per indicator of the plan.
    """
    keys = _list_keys(plan, indicators)
    own = indicators[indicators["indicator"].isin(keys)]
    shown = own.assign(
        shown=[
            str(show_value(value, status, decimals=DECIMALS))
            for value, status in zip(own["value"], own["value_status"], strict=True)
        ]
    )
    wide = shown.pivot(
        index=["year_ending", "council_code"], columns="indicator", values="shown"
    ).reindex(columns=keys)
    wide = wide.fillna(UNAVAILABLE).reset_index()
    places = _describe_places(wide, councils)
    data = pd.concat([places, wide[keys]], axis=1)
    # England's row has no council code and so comes first in its year.
    return data.sort_values(["time_period", "new_la_code"], kind="stable", ignore_index=True)


def build_ees_metadata(plan: EvaluationPlan, indicators: pd.DataFrame) -> pd.DataFrame:
    """Describe every indicator column.

    Parameters
    ----------
    plan, indicators
        As for `write_ees`.

    Returns
    -------
    pandas.DataFrame of str
        `META_COLUMNS`, one row per indicator.
    """
    rows = [
        {
            "col_name": key,
            "col_type": "Indicator",
            "label": plan.outcomes[key].label,
            "indicator_grouping": plan.outcomes[key].family.replace("_", " ").capitalize(),
            "indicator_unit": "%" if plan.outcomes[key].unit == "percentage points" else "",
            "indicator_dp": str(DECIMALS),
            "filter_hint": "",
            "filter_grouping_column": "",
        }
        for key in _list_keys(plan, indicators)
    ]
    return pd.DataFrame(rows, columns=list(META_COLUMNS))


def build_ees_footnotes(
    plan: EvaluationPlan, indicators: pd.DataFrame, verdicts: Sequence[Verdict]
) -> pd.DataFrame:
    """Word what the evaluation found for each indicator.

    Parameters
    ----------
    plan, indicators, verdicts
        As for `write_ees`.

    Returns
    -------
    pandas.DataFrame of str
        `FOOTNOTE_COLUMNS`, one row for each indicator and scenario.
    """
    keys = _list_keys(plan, indicators)
    rows = [
        (verdict.inputs.outcome, f"{verdict.inputs.group}: {verdict.short}.")
        for verdict in verdicts
        if verdict.inputs.outcome in keys
    ]
    return pd.DataFrame(rows, columns=list(FOOTNOTE_COLUMNS))


def write_ees_long_runs(
    folder: str | Path, *, plan: EvaluationPlan, runs: pd.DataFrame, name: str = "long_run"
) -> tuple[Path, ...]:
    """Write effects by year as a data file with group and outcome as filters, and its metadata.

    Parameters
    ----------
    folder : path
        Made if need be.
    plan : EvaluationPlan
    runs : pandas.DataFrame
        As from `checks.long_run.list_long_runs`. Paths of units that start in different years have
        no year that the service could show, and are left out.
    name : str
        Stem: ``<name>.csv`` and ``<name>.meta.csv``.

    Returns
    -------
    data, metadata : pathlib.Path
        Nothing is written where no path has years.
    """
    dated = runs[runs["year"].notna()]
    if dated.empty:
        return ()
    data = pd.DataFrame([_describe_place(int(year), None) for year in dated["year"]])
    data["scenario"] = [plan.scenarios[key].label for key in dated["scenario"]]
    data["outcome"] = [plan.outcomes[key].label for key in dated["outcome"]]
    for key, (_, decimals) in RUN_INDICATORS.items():
        data[key] = [f"{value:.{decimals}f}" for value in dated[key]]
    data = data.sort_values(["scenario", "outcome", "time_period"], kind="stable")
    filters = [(key, "Filter", label, "", "") for key, label in RUN_FILTERS.items()]
    shown = [
        (key, "Indicator", label, "", decimals) for key, (label, decimals) in RUN_INDICATORS.items()
    ]
    heads = ("col_name", "col_type", "label", "indicator_unit", "indicator_dp")
    meta = pd.DataFrame(filters + shown, columns=list(heads))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = (folder / f"{name}.csv", folder / f"{name}.meta.csv")
    for path, frame in zip(
        paths, (data, meta.reindex(columns=list(META_COLUMNS), fill_value="")), strict=True
    ):
        neutralise_formulas(frame).to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
    return paths


def name_period(period: Period) -> tuple[str, str]:
    """Name a period and its kind as the service does.

    Parameters
    ----------
    period : int or str

    Returns
    -------
    tuple of str
        `time_period` and `time_identifier`.

    Examples
    --------
    >>> name_period(2012), name_period("2012Q1"), name_period("2012-01")
    (('201112', 'Financial year'), ('2012', 'Calendar quarter Q1'), ('2012', 'January'))
    """
    if not isinstance(period, str):
        return f"{period - 1}{period % 100:02d}", TIME_IDENTIFIER
    if "Q" in period:
        return period[:4], f"Calendar quarter {period[4:]}"
    return period[:4], month_name[int(period[5:])]


def _list_keys(plan: EvaluationPlan, indicators: pd.DataFrame) -> list[str]:
    available = set(indicators["indicator"])
    return [key for key in plan.outcomes if key in available]


def _describe_places(wide: pd.DataFrame, councils: Sequence[Council]) -> pd.DataFrame:
    known = {council.council_code: council for council in councils}
    unknown = set(wide["council_code"]) - set(known) - {ENGLAND}
    if unknown:
        raise DataError(
            explain(
                "council_code",
                "be England's or a council's of data/reference/councils.csv",
                sorted(unknown),
                "Correct the table of indicators.",
            )
        )
    rows = [
        _describe_place(period, known.get(code))
        for period, code in zip(wide["year_ending"], wide["council_code"], strict=True)
    ]
    return pd.DataFrame(rows, columns=list(PLACE_COLUMNS))


def _describe_place(period: Period, council: Council | None) -> dict[str, str]:
    time_period, identifier = name_period(period)
    place = {
        "time_period": time_period,
        "time_identifier": identifier,
        "geographic_level": LEVELS["council" if council else "national"],
        "country_code": ENGLAND,
        "country_name": "England",
    }
    if council is None:
        return dict.fromkeys(PLACE_COLUMNS, "") | place
    region_code, region_name = REGIONS[council.region]
    return place | {
        "region_code": region_code,
        "region_name": region_name,
        "old_la_code": council.dfe_number,
        "new_la_code": council.council_code,
        "la_name": council.council_name,
    }
