"""The estimators of the field on a long table, each in one line."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from pilot_eval.doors import ALPHA, Seed, Whole, takes
from pilot_eval.errors import ParameterError, choose_names
from pilot_eval.estimation.event_study import REFERENCE, EventStudy, estimate_event_study
from pilot_eval.estimation.group_time import Control, estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.frames.frame_group_time import adjusted_change, estimate_with_covariates
from pilot_eval.frames.frame_inference import Drawn, no_test, test_column, test_linear
from pilot_eval.frames.frame_regression import (
    net_of_slopes,
    regress_two_way,
    slopes_within_cohorts,
)
from pilot_eval.frames.frame_results import EffectEstimates, build_estimates
from pilot_eval.frames.long_frame import Column, LongFrame, Start, naming_columns, read_long
from pilot_eval.inference.result import InferenceResult

EFFECT = "effect"


@takes(ParameterError, draws=Whole(), seed=Seed(), alpha=ALPHA)
@naming_columns()
def difference_in_differences(
    data: pd.DataFrame,
    *,
    outcome: Column,
    unit: Column,
    period: Column,
    start: Start,
    cases: Column | None = None,
    covariates: str | None = None,
    draws: int = 9999,
    seed: int = 1,
    alpha: float = 0.05,
) -> EffectEstimates:
    """Estimate the effect of treatment by two-way fixed effects.

    Parameters
    ----------
    data : DataFrame
        One row for each unit and period; it is not changed.
    outcome, unit, period : str
        Columns: a number, a label, and periods that sort in time.
    start : str or mapping
        Column with each unit's first treated period, missing if never treated; or a mapping of
        treated units to it.
    cases : str, optional
        Column with the size behind the outcome; the test for few treated units uses it.
    covariates : str, optional
        Formula of covariates that change over time, as ``"income + C(policy)"``.
    draws, seed : int
        Of the randomisation test.
    alpha : float
        Level of the tests; intervals are ``1 - alpha``.

    Returns
    -------
    EffectEstimates
        In the outcome's unit. Standard errors are clustered by unit. With several starts the
        coefficient also compares newly with already treated units: see `group_time`.

    Raises
    ------
    ParameterError, DataError, DesignError
        If a column is unknown, the table is not one row for each unit and period, or nobody can be
        compared.

    References
    ----------
    Angrist and Pischke (2009), section 5.2; `docs/methods-estimators.md`, block TWFE. The test:
    `docs/methods-inference.md`, block Staggered starts.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"unit": np.repeat(range(40), 4), "year": np.tile(range(4), 40)})
    >>> data["y"] = rng.normal(size=160) + 5.0 * ((data["unit"] < 4) & (data["year"] >= 2))
    >>> result = difference_in_differences(
    ...     data, outcome="y", unit="unit", period="year", start=dict.fromkeys(range(4), 2)
    ... )
    >>> bool(result.table["few_p_value"][0] < 0.01)
    True
    """
    read = read_long(
        data,
        outcome=outcome,
        unit=unit,
        period=period,
        start=start,
        cases=cases,
        covariates=covariates,
    )
    fit = regress_two_way(read)
    few = test_linear(net_of_slopes(read, fit.slopes), "twfe", draws=draws, seed=seed, alpha=alpha)
    return build_estimates(
        "Two-way fixed effects",
        [EFFECT],
        np.array([fit.effect]),
        np.array([fit.std_error]),
        [few],
        std_error_kind="clustered by unit",
        alpha=alpha,
        df=fit.df,
    )


@takes(ParameterError, draws=Whole(), seed=Seed(), alpha=ALPHA)
@naming_columns()
def event_study(
    data: pd.DataFrame,
    *,
    outcome: Column,
    unit: Column,
    period: Column,
    start: Start,
    cases: Column | None = None,
    covariates: str | None = None,
    draws: int = 9999,
    seed: int = 1,
    alpha: float = 0.05,
) -> EffectEstimates:
    """Estimate effects by period since the start, against the period before it.

    Parameters
    ----------
    data, outcome, unit, period, start, cases, covariates, draws, seed, alpha
        As `difference_in_differences`.

    Returns
    -------
    EffectEstimates
        A row for each event time; 0 at -1, the reference. With one start and no gaps they are the
        coefficients of the two-way fixed effects event study, with several Callaway and Sant'Anna's
        dynamic effects against the never treated. Standard errors allow for clustering by unit.

    Raises
    ------
    ParameterError, DataError, DesignError
        As `difference_in_differences`; or if every unit is treated some time.

    References
    ----------
    Callaway and Sant'Anna (2021), equation 3.4; `docs/methods-estimators.md`, block ES.

    Examples
    --------
    >>> data = pd.DataFrame({"u": [1, 1, 1, 2, 2, 2], "t": [1, 2, 3] * 2})
    >>> data["y"] = [1.0, 2.0, 6.0, 0.0, 1.0, 2.0]
    >>> event_study(data, outcome="y", unit="u", period="t", start={1: 3}).params.tolist()
    [0.0, 0.0, 3.0]
    """
    read = read_long(
        data,
        outcome=outcome,
        unit=unit,
        period=period,
        start=start,
        cases=cases,
        covariates=covariates,
    )
    read = net_of_slopes(read, slopes_within_cohorts(read))
    study = estimate_event_study(read.panel.outcomes, read.first_treated)
    drawn = Drawn(draws=draws, seed=seed, alpha=alpha)
    few = [
        no_test(read, "the reference", alpha)
        if time == REFERENCE
        else test_column(study.changes[:, column], study.treated, read.cases, **drawn)
        for column, time in enumerate(study.event_times)
    ]
    return build_estimates(
        "Event study",
        study.event_times.tolist(),
        study.estimates,
        _errors_of_study(read, study),
        few,
        std_error_kind="clustered by unit, no correction for few",
        alpha=alpha,
    )


@takes(ParameterError, draws=Whole(), seed=Seed(), alpha=ALPHA)
@naming_columns()
def group_time(
    data: pd.DataFrame,
    *,
    outcome: Column,
    unit: Column,
    period: Column,
    start: Start,
    cases: Column | None = None,
    covariates: str | None = None,
    aggregate: Literal["simple", "dynamic", "group"] = "simple",
    control: Control = "never",
    draws: int = 9999,
    seed: int = 1,
    alpha: float = 0.05,
) -> EffectEstimates:
    """Estimate Callaway and Sant'Anna's group-time effects and average them.

    Parameters
    ----------
    data, outcome, unit, period, start, cases, draws, seed, alpha
        As `difference_in_differences`.
    covariates : str, optional
        Formula; comparators' changes are regressed on the values of the base period.
    aggregate : {"simple", "dynamic", "group"}
        Average over all treated cells, by period since the start, or by first treated period.
    control : {"never", "not_yet"}
        Comparators: never treated units, or also those not treated yet.

    Returns
    -------
    EffectEstimates
        Standard errors from the influence function. The test for few treated units stands alongside
        the simple average.

    Raises
    ------
    ParameterError, DataError, DesignError
        As `difference_in_differences`; or if comparators are too few for the covariates.

    References
    ----------
    Callaway and Sant'Anna (2021), J. Econometrics 225; `docs/methods-estimators.md`, block GT.

    Examples
    --------
    >>> data = pd.DataFrame({"u": [1, 1, 1, 2, 2, 2], "t": [1, 2, 3] * 2})
    >>> data["y"] = [1.0, 2.0, 6.0, 0.0, 1.0, 2.0]
    >>> group_time(data, outcome="y", unit="u", period="t", start={1: 3}).estimate
    3.0
    """
    choose_names("aggregate", aggregate, ("simple", "dynamic", "group"))
    choose_names("control", control, ("never", "not_yet"))
    read = read_long(
        data,
        outcome=outcome,
        unit=unit,
        period=period,
        start=start,
        cases=cases,
        covariates=covariates,
    )
    if read.covariate_names:
        effects = estimate_with_covariates(read, control)
    else:
        effects = estimate_group_time(
            read.panel.outcomes, read.first_treated, control=control, influence=True
        )
    found = aggregate_group_time(effects, aggregate)
    if aggregate == "simple":
        terms, estimates, psi = [EFFECT], np.array([found.overall]), found.overall_influence
        few = [_test_group_time(read, control, Drawn(draws=draws, seed=seed, alpha=alpha))]
    else:
        labels = found.labels if aggregate == "dynamic" else read.periods[found.labels]
        terms, estimates, psi = list(labels), found.estimates, found.influence
        few = [no_test(read, 'ask for aggregate="simple", or event_study', alpha)] * len(terms)
    return build_estimates(
        f"Group-time effects, {aggregate} average",
        terms,
        estimates,
        _size(psi),
        few,
        std_error_kind="influence function",
        alpha=alpha,
    )


def _test_group_time(read: LongFrame, control: Control, drawn: Drawn) -> InferenceResult:
    if not read.covariate_names:
        return test_linear(
            read, "group_time" if control == "never" else "group_time_not_yet", **drawn
        )
    if read.has_one_start and read.panel.complete:
        return test_column(adjusted_change(read), read.panel.treated, read.cases, **drawn)
    return no_test(read, "not with covariates and several starts or gaps", drawn["alpha"])


def _errors_of_study(read: LongFrame, study: EventStudy) -> np.ndarray:
    """Give standard errors by event time, not corrected for few; NaN with starts and gaps."""
    if read.panel.complete:
        effects = estimate_group_time(read.panel.outcomes, read.first_treated, influence=True)
        return _size(aggregate_group_time(effects, "dynamic").influence)
    total = np.zeros(len(study.event_times))
    for rows in (study.treated, ~study.treated):
        own = study.changes[rows]
        seen = np.isfinite(own).sum(axis=0)
        total += np.nansum((own - np.nanmean(own, axis=0)) ** 2, axis=0) / seen**2
    return np.sqrt(total) if read.has_one_start else np.full(len(total), np.nan)


def _size(influence: np.ndarray | None) -> np.ndarray:
    """Give the standard errors that influences of units amount to."""
    if influence is None:
        return np.array([np.nan])
    size: np.ndarray = np.sqrt(np.square(influence).reshape(len(influence), -1).sum(axis=0))
    return size
