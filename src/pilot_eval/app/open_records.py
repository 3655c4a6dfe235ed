"""What a notebook on children's records opens: an analyst's returns, or invented children."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from pilot_eval.app.census_parts import read_councils
from pilot_eval.app.study import open_study
from pilot_eval.design.treatment import treated_codes
from pilot_eval.errors import ParameterError, explain
from pilot_eval.estimation.census_changes import CensusSettings
from pilot_eval.estimation.survival import Window
from pilot_eval.evaluation.records_strand import CensusChanges, collapse_part, join_changes
from pilot_eval.plan import EvaluationPlan
from pilot_eval.records.durations import build_exemption_table
from pilot_eval.records.parts import covered_days, find_missing_returns
from pilot_eval.records.unpacking import unpacked
from pilot_eval.records.validation import ValidationResult, validate_census
from pilot_eval.reference.plan_periods import Period, year_of
from pilot_eval.reference.working_days import Convention
from pilot_eval.run_cache import once_per_run

if TYPE_CHECKING:
    from pilot_eval.lab.simulate import SimulationTruth
    from pilot_eval.records.read import Format
    from pilot_eval.records.schema import CensusTables

PAGE = "childrens_records"  # whose defaults the pilot's texts may name
FOLLOW_UP_DAYS = 140  # calendar days that hold the longest horizon, 90 working days
SIMULATED_SCALE = 0.1  # of real size: a nation in a few seconds
SIMULATED_EFFECTS = {"pull": 0.6, "delay": 0.3}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStudy:
    """Records that passed validation, and how they are to be compared.

    Attributes
    ----------
    plan : EvaluationPlan
    scenario : str
    validation : ValidationResult
        `accepted` are the records to work with.
    settings : CensusSettings
        Windows before and after the start, first day and data cut.
    exemptions : DataFrame
        Periods without a limit: council_code, requirement, start_date, end_date.
    missing : mapping of str to str
        Council -> which return was not given or why none can be used; they are left out of every
        comparison. Without a council: why a return cannot be read.
    truth : SimulationTruth or None
        Where the records are simulated here.
    trouble : str
        Why the records have no windows to compare; empty otherwise.
    """

    plan: EvaluationPlan
    scenario: str
    validation: ValidationResult
    settings: CensusSettings
    exemptions: pd.DataFrame
    missing: Mapping[str, str]
    truth: SimulationTruth | None
    trouble: str = ""

    def collapse(self) -> CensusChanges:
        """Collapse the records to one change per council and outcome."""
        if self.trouble:
            raise ParameterError(self.trouble)
        part = collapse_part(self.validation.accepted, self.settings, self.exemptions)
        return join_changes([part], self.missing)

    @property
    def gaps(self) -> str:
        """Say which councils lack a return, or have none that can be used."""
        if not self.missing:
            return "Every council has a return for every year."
        names = self.plan.names
        told = "; ".join(
            f"{names.get(code, code)}, {why}" if code else why for code, why in self.missing.items()
        )
        return f"Left out of every comparison: {told}."

    @property
    def label(self) -> str:
        """Say in one line what the records are."""
        if self.validation.accepted.strand == "simulated":
            return "SIMULATED: invented children. No figure on this page is about a real council."
        return "Children's records of the councils' own returns. Check every output before release."


def open_records(
    *,
    data_folder: str = "",
    data_format: Format | Literal[""] = "",
    mapping_file: str = "",
    data_cut: str = "",
    scenario: str = "",
    convention: Convention = "start_is_day_0",
    pilot: str = "",
    **others: object,
) -> RecordStudy:
    """Check parameters, read or simulate records, and validate them.

    Parameters
    ----------
    data_folder : str
        Folder of returns; empty: simulate a small nation with exemptions for the scenario.
    data_format : {"", "xml", "csv", "parquet"}
        Empty: every format.
    mapping_file : str
        Field mapping of the two-stage returns of 2009-13 (docs/census-format.md).
    data_cut : str
        Last day that the records cover, as 2013-03-31; needed with a data folder.
    scenario : str
        If empty: the one that the pilot's texts name for these pages, or the primary one.
    convention : {"start_is_day_0", "end_counts"}
    pilot : str
    **others
        Further parameters of the notebook, only checked.

    Returns
    -------
    RecordStudy

    Raises
    ------
    ParameterError
        If a parameter is unknown or unusable, or a data folder comes without its data cut.
    DataError
        If a return cannot be read; names file and line, never a value.

    Examples
    --------
    >>> study = open_records(convention="end_counts")                        # doctest: +SKIP
    """
    given: dict[str, Any] = {
        "data_folder": data_folder,
        "data_format": data_format,
        "mapping_file": mapping_file,
        "data_cut": data_cut,
        "convention": convention,
        **others,
    }
    opened = open_study(page=PAGE, pilot=pilot, scenario=scenario, **given)
    plan, scenario, checked = opened.plan, opened.scenario, opened.parameters
    truth, missing = None, {}
    if checked["data_folder"]:
        folder, form = checked["data_folder"], checked["data_format"]
        mapping = Path(checked["mapping_file"]) if checked["mapping_file"] else None
        refused: list[str] = []
        with unpacked(folder, refused=refused, mapping=mapping) as found:
            how: dict[str, Any] = {
                "data_format": form or None,
                "mapping_file": mapping,
                "refused": refused,
            }
            tables, coverage, unread = read_councils(found, **how)
        first_day, cut = covered_days(coverage, checked["data_cut"])
        validation = validate_census(tables, data_cut=cut)
        missing = {**find_missing_returns(coverage), **unread, **_find_unusable(validation)}
        exemptions = build_exemption_table(plan.treatment_register)
    else:
        validation, truth = _simulate_and_validate(plan, scenario)
        first_day, cut = truth.settings.window_start, truth.settings.cut
        exemptions = _simulated_table(truth)
    settings, trouble = _try_settings(plan, first_day, cut, checked["convention"])
    if not len(validation.accepted.referrals):
        trouble = "no record of any council can be used"
    return RecordStudy(
        plan=plan,
        scenario=scenario,
        validation=validation,
        settings=settings,
        exemptions=exemptions,
        missing=missing,
        truth=truth,
        trouble=trouble,
    )


def _try_settings(
    plan: EvaluationPlan, first_day: date, cut: date, convention: Convention
) -> tuple[CensusSettings, str]:
    """Cut the years into windows; records without any can still be checked."""
    try:
        settings = build_settings(plan, first_day=first_day, data_cut=cut, convention=convention)
    except ParameterError as fault:
        empty = CensusSettings(
            pre=(), post=(), first_day=first_day, data_cut=cut, convention=convention
        )
        return empty, str(fault)
    return settings, ""


@once_per_run
def _simulate_and_validate(
    plan: EvaluationPlan, scenario: str
) -> tuple[ValidationResult, SimulationTruth]:
    tables, truth = simulate_nation(plan, scenario)
    return validate_census(tables, data_cut=truth.settings.cut), truth


def explain_no_simulation(plan: EvaluationPlan) -> str:
    """Say why no children can be invented for a plan, or return an empty string."""
    from pilot_eval.lab.simulate_settings import FIRST_YEAR, LAST_YEAR

    page = plan.texts.pages.get("childrens_records")
    scenario = page.scenario if page and page.scenario else plan.family.primary_scenario
    periods = _list_periods(plan, scenario)
    if plan.units:
        return "no returns were given, and children are simulated for England's councils alone"
    if any(isinstance(period, str) or not FIRST_YEAR <= period <= LAST_YEAR for period in periods):
        years = f"the years ending March {FIRST_YEAR} to {LAST_YEAR}"
        return f"no returns were given, and children are simulated for {years} alone"
    return ""


def _list_periods(plan: EvaluationPlan, scenario: str) -> list[Period]:
    """List the periods over which a scenario is compared; windows without a before are none."""
    windows = [plan.window_of(outcome, scenario) for outcome in plan.outcomes]
    return [period for window in windows if window.pre for period in window.years]


def simulate_nation(
    plan: EvaluationPlan, scenario: str, *, scale: float = SIMULATED_SCALE
) -> tuple[CensusTables, SimulationTruth]:
    """Simulate every council's children, the scenario's councils freed from assessment limits.

    Parameters
    ----------
    plan : EvaluationPlan
        Its seed is used.
    scenario : str
    scale : float
        Of real size.

    Returns
    -------
    CensusTables, SimulationTruth
    """
    from pilot_eval.lab.simulate import simulate_census
    from pilot_eval.lab.simulate_settings import (
        Effects,
        Exemption,
        FaultRates,
        SimulationSettings,
    )

    starts = _first_days(plan, scenario)
    years = [year_of(period) for period in _list_periods(plan, scenario)]
    codes = treated_codes(plan, scenario)
    kept = [name for name in plan.scenarios[scenario].councils if name not in plan.drop_councils]
    settings = SimulationSettings(
        first_year=min(years),
        last_year=max(years),
        scale=scale,
        exemptions=tuple(
            Exemption(council_code=code, start=starts[name])
            for code, name in zip(codes, kept, strict=True)
        ),
        effects=Effects(**SIMULATED_EFFECTS),
        faults=FaultRates(overlapping_episodes=0.01, end_before_start=0.002, two_plans=0.01),
    )
    return simulate_census(settings, seed=plan.seed)


def _first_days(plan: EvaluationPlan, scenario: str) -> dict[str, date]:
    """Give each council's first day: the pilot's, or where months exposed are fewer, by them."""
    chosen = plan.scenarios[scenario]
    months = dict(zip(chosen.councils, chosen.months_exposed, strict=False))
    firsts = dict(zip(chosen.councils, chosen.first_treated, strict=False))
    return {
        name: (
            _month_before(year_of(firsts[name]), months[name])
            if name in firsts and months.get(name, 12) < 12
            else plan.texts.start
        )
        for name in chosen.councils
    }


def _month_before(year: int, months: int) -> date:
    """Find the first day that leaves so many months until 31 March of a year."""
    month = (3 - months) % 12 + 1
    return date(year if month <= 3 else year - 1, month, 1)


def build_settings(
    plan: EvaluationPlan, *, first_day: date, data_cut: date, convention: Convention
) -> CensusSettings:
    """Cut the records' years into windows before and after the start of the trial.

    Parameters
    ----------
    plan : EvaluationPlan
        Its texts give the first day of the trial.
    first_day, data_cut : date
        First and last day that the records cover.
    convention : {"start_is_day_0", "end_counts"}

    Returns
    -------
    CensusSettings
        Financial years, the last one ending where the longest horizon is still followed up.

    Raises
    ------
    ParameterError
        If there is no day before the start, or too few after it.
    """
    last, start = data_cut - timedelta(days=FOLLOW_UP_DAYS), plan.texts.start
    pre = _years(first_day, start - timedelta(days=1))
    year = start.year + ((start.month, start.day) > (4, 1))
    post = _years(date(year, 4, 1), last)
    if not pre or not post:
        raise ParameterError(
            explain(
                "data_cut, first day",
                f"leave records before {start} and at least {FOLLOW_UP_DAYS} days of "
                f"follow-up after April {year}",
                f"{first_day} to {data_cut}",
                "Add returns of more years.",
            )
        )
    return CensusSettings(
        pre=pre,
        post=post,
        first_day=first_day,
        data_cut=data_cut,
        convention=convention,
        fewest_cases=plan.disclosure.threshold + 1,
    )


def _years(first: date, last: date) -> tuple[Window, ...]:
    windows, begin = [], first
    while begin <= last:
        year_end = date(begin.year + (begin.month >= 4), 3, 31)
        windows.append(Window(first=begin, last=min(year_end, last)))
        begin = year_end + timedelta(days=1)
    return tuple(windows)


def _find_unusable(validation: ValidationResult) -> dict[str, str]:
    """Find the councils of which no child or no referral was accepted."""
    accepted, summary = validation.accepted, validation.summary
    used = [
        set(frame["council_code"].astype("str"))
        for frame in (accepted.children, accepted.referrals)
    ]
    unused = sorted(set(summary["council_code"]) - set.intersection(*used))
    return dict.fromkeys(unused, "no child and referral that can be used")


def _simulated_table(truth: SimulationTruth) -> pd.DataFrame:
    rows: list[Mapping[str, object]] = [
        {
            "council_code": item.council_code,
            "requirement": "assessment_time_limits",
            "start_date": pd.Timestamp(item.start),
            "end_date": pd.NaT if item.end is None else pd.Timestamp(item.end),
        }
        for item in truth.settings.exemptions
    ]
    columns = ["council_code", "requirement", "start_date", "end_date"]
    return pd.DataFrame(rows, columns=columns).astype(
        {"start_date": "datetime64[s]", "end_date": "datetime64[s]"}
    )
