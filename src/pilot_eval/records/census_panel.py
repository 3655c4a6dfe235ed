"""Children's records to a council-by-period panel.

Councils are independent: panels of some councils at a time, put together, are that of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval.errors import ParameterError, explain
from pilot_eval.project import find_file
from pilot_eval.records.council_cells import Cell, Grid, build_grid, count_indicator, measure_delay
from pilot_eval.records.durations import CLOCKS
from pilot_eval.records.indicators import BANDS, NATIONAL, Indicator, Records, prepare_records
from pilot_eval.records.local_indicators import LocalIndicator, compile_indicator
from pilot_eval.records.periods import Frequency, check_frequency, label_periods
from pilot_eval.records.schema import CensusTables
from pilot_eval.reference.working_days import DEFAULT_CONVENTION, Convention

POPULATIONS = "data/reference/populations.csv"
PANEL_COLUMNS = (
    "council_code",
    "period",
    "indicator",
    "value",
    "numerator",
    "denominator",
    "value_status",
    "complete_follow_up",
    "cases",
)
#: Clock -> horizon of the restricted mean, working days: far enough beyond the limit to see drift.
DEFAULT_HORIZONS: Mapping[str, int] = {
    "initial_assessment": 40,
    "core_assessment": 90,
    "icpc": 45,
    "core_group": 30,
    "single_assessment": 90,
}
#: Clock -> days at which the share still unfinished is shown: its limits.
LIMIT_DAYS: Mapping[str, tuple[int, ...]] = {
    "initial_assessment": (7, 10),
    "core_assessment": (35,),
    "icpc": (15,),
    "core_group": (10,),
    "single_assessment": (45,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSettings:
    """What the panel is made of.

    Attributes
    ----------
    frequency : {"month", "quarter", "year"}
        Years end on 31 March; quarters are calendar quarters.
    first_day, data_cut : date
        First and last day that the records cover; both explicit, never guessed.
    history_from : date, optional
        Earlier referrals are known from this day (for re-referrals). Default: `first_day`.
    convention : {"start_is_day_0", "end_counts"}
    starts : mapping of str to str
        Clock -> what starts it, where not the default.
    horizons : mapping of str to int
        Clock -> horizon of the restricted mean, working days; these clocks are measured.
    bands : bool
        Whether DfE's duration bands are added.
    """

    frequency: Frequency
    first_day: date
    data_cut: date
    history_from: date | None = None
    convention: Convention = DEFAULT_CONVENTION
    starts: Mapping[str, str] = field(default_factory=dict)
    horizons: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_HORIZONS))
    bands: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible settings."""
        check_frequency(self.frequency)
        if self.data_cut <= self.first_day:
            rule = f"lie after the first day, {self.first_day}"
            raise ParameterError(
                explain("data_cut", rule, self.data_cut, "Give the last day covered.")
            )
        unknown = sorted((set(self.horizons) | set(self.starts)) - set(CLOCKS))
        if unknown:
            rule = "name clocks among " + ", ".join(CLOCKS)
            got = ", ".join(unknown)
            raise ParameterError(explain("horizons, starts", rule, got, "Correct the name."))


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusPanel:
    """The panel, and the records that no clock could use.

    Attributes
    ----------
    panel : DataFrame
        One row per council, period and indicator, columns `PANEL_COLUMNS`. `value_status` is
        reported, not_applicable (nobody it could have happened to) or not_available (no return
        for the period, no population, or not watched long enough). `complete_follow_up` is False
        where the period, the months before it or the months after it are not wholly covered.
    set_aside : DataFrame
        council_code, clock, reason, cases.
    """

    panel: pd.DataFrame
    set_aside: pd.DataFrame


def read_populations(root: str | Path | None = None) -> pd.DataFrame:
    """Read the children aged 0-17 of each council and year, the denominators of rates.

    Parameters
    ----------
    root : path, optional
        Project root.

    Returns
    -------
    DataFrame
        council_code, year_ending, population_0_17.
    """
    columns = ["council_code", "year_ending", "population_0_17"]
    return pd.read_csv(find_file(POPULATIONS, root), usecols=columns)[columns]


def build_census_panel(
    tables: CensusTables,
    settings: PanelSettings,
    *,
    exemptions: pd.DataFrame | None = None,
    populations: pd.DataFrame | None = None,
    coverage: pd.DataFrame | None = None,
    local: Sequence[LocalIndicator] = (),
) -> CensusPanel:
    """Build the panel of the councils in `tables`.

    Parameters
    ----------
    tables : CensusTables
        Whole councils: every record of a council that is in at all.
    settings : PanelSettings
    exemptions : DataFrame, optional
        As in `compute_durations`.
    populations : DataFrame, optional
        council_code, year_ending, population_0_17: denominators of the rates. Without it rates
        have numerators only.
    coverage : DataFrame, optional
        council_code, first_day, last_day of the returns held; periods outside are gaps. Default:
        a financial year in which a council has no referral at all is a gap.
    local : sequence of LocalIndicator
        The council's own indicators, as from `load_local_indicators`.

    Returns
    -------
    CensusPanel

    Raises
    ------
    ParameterError
        If a local indicator has the key of another one.

    Examples
    --------
    >>> settings = PanelSettings(
    ...     frequency="month", first_day=date(2009, 4, 1), data_cut=date(2013, 3, 31)
    ... )
    >>> build_census_panel(tables, settings).panel                          # doctest: +SKIP
    """
    records = prepare_for_panel(tables, settings, exemptions)
    grid = lay_out_grid(records, settings, coverage=coverage, populations=populations)
    set_aside = [durations.set_aside for durations in records.durations.values()]
    return CensusPanel(
        panel=fill_panel(records, grid, settings, local),
        set_aside=pd.concat(set_aside, ignore_index=True),
    )


def prepare_for_panel(
    tables: CensusTables, settings: PanelSettings, exemptions: pd.DataFrame | None
) -> Records:
    """Work out episodes, plans and every clock once; arguments as in `build_census_panel`."""
    return prepare_records(
        tables,
        data_cut=settings.data_cut,
        clocks=tuple(CLOCKS),
        starts=settings.starts,
        exemptions=exemptions,
        observed_from=settings.first_day,
        convention=settings.convention,
    )


def lay_out_grid(
    records: Records,
    settings: PanelSettings,
    *,
    coverage: pd.DataFrame | None,
    populations: pd.DataFrame | None,
) -> Grid:
    """Lay out councils by periods; arguments as in `build_census_panel`."""
    return build_grid(
        records,
        settings.frequency,
        first_day=settings.first_day,
        data_cut=settings.data_cut,
        history_from=settings.history_from or settings.first_day,
        coverage=coverage,
        populations=populations,
    )


def fill_panel(
    records: Records, grid: Grid, settings: PanelSettings, local: Sequence[LocalIndicator] = ()
) -> pd.DataFrame:
    """Fill the panel: every indicator and delay in every cell.

    Parameters
    ----------
    records : Records
    grid : Grid
    settings, local
        As in `build_census_panel`.

    Returns
    -------
    DataFrame
        Columns `PANEL_COLUMNS`.
    """
    cells = {
        key: count_indicator(indicator, records, grid)
        for key, indicator in list_indicators(settings, local).items()
    }
    for clock in settings.horizons:
        days = LIMIT_DAYS.get(clock, ())
        cells |= measure_delay(records, clock, grid, horizon=settings.horizons[clock], days=days)
    return _assemble(cells, records, grid)


def list_indicators(
    settings: PanelSettings, local: Sequence[LocalIndicator] = ()
) -> dict[str, Indicator]:
    """List the indicators of a panel by key: national, bands if asked for, local.

    Parameters
    ----------
    settings : PanelSettings
    local : sequence of LocalIndicator

    Returns
    -------
    dict of str to Indicator

    Raises
    ------
    ParameterError
        If a local indicator has the key of another one.
    """
    indicators = NATIONAL | (BANDS if settings.bands else {})
    for declared in local:
        if declared.key in indicators:
            rule = "be a key of its own"
            raise ParameterError(explain("key", rule, declared.key, "Rename the indicator."))
        indicators = indicators | {declared.key: compile_indicator(declared)}
    return indicators


def _assemble(cells: Mapping[str, Cell], records: Records, grid: Grid) -> pd.DataFrame:
    """Lay the cells of every indicator below one another: councils, then periods, in order."""
    n_councils, n_periods, n_cells = len(records.councils), len(grid.periods), len(cells)
    council = np.tile(np.repeat(np.arange(n_councils), n_periods), n_cells)
    period = np.tile(np.arange(n_periods), n_councils * n_cells)
    indicator = np.repeat(np.arange(n_cells), n_councils * n_periods)
    labels = label_periods(grid.periods, grid.frequency)
    codes = pd.Index(records.councils, dtype="str")

    def stack(name: str) -> np.ndarray:
        return np.concatenate([getattr(cell, name).ravel() for cell in cells.values()])

    status = pd.Categorical.from_codes(stack("status"), list(Cell.STATUSES))
    return pd.DataFrame(
        {
            "council_code": pd.Categorical.from_codes(council, codes),
            "period": np.array(labels, dtype="int64")[period]
            if grid.frequency == "year"
            else pd.Categorical.from_codes(period, labels, ordered=True),
            "indicator": pd.Categorical.from_codes(indicator, list(cells)),
            "value": stack("value"),
            "numerator": stack("numerator"),
            "denominator": stack("denominator"),
            "value_status": status,
            "complete_follow_up": stack("complete"),
            "cases": stack("cases"),
        }
    )
