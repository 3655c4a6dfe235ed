"""Effects against an imputed or synthetic comparison, and the plain test of mean changes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.doors import ALPHA, Seed, Whole, takes
from pilot_eval.errors import ParameterError
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.synthetic_did import (
    estimate_staggered_synthetic_did,
    estimate_synthetic_did,
    placebo_synthetic_did,
)
from pilot_eval.estimation.synthetic_weights import Solver
from pilot_eval.frames.frame_inference import collapse_long, test_linear, test_mean_changes
from pilot_eval.frames.frame_regression import net_of_slopes, slopes_of_untreated
from pilot_eval.frames.frame_results import EffectEstimates, build_estimates
from pilot_eval.frames.long_frame import Column, Start, naming_columns, read_long
from pilot_eval.inference.result import InferenceResult

EFFECT = "effect"
NO_ERROR = "none: the few_ columns are the inference"


@takes(ParameterError, draws=Whole(), seed=Seed(), alpha=ALPHA)
@naming_columns()
def imputation(
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
    """Estimate the effect as observed minus imputed outcomes of treated cells.

    Parameters
    ----------
    data, outcome, unit, period, start, cases, covariates, draws, seed, alpha
        As `difference_in_differences`; coefficients of covariates are of untreated cells.

    Returns
    -------
    EffectEstimates
        Average over treated cells; without standard errors, as the test for few treated units
        stands alongside.

    Raises
    ------
    ParameterError, DataError, DesignError
        As `difference_in_differences`.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91(6), theorem 2;
    `docs/methods-estimators.md`, block IMP.

    Examples
    --------
    >>> data = pd.DataFrame({"u": [1, 1, 1, 2, 2, 2], "t": [1, 2, 3] * 2})
    >>> data["y"] = [1.0, 2.0, 6.0, 0.0, 1.0, 2.0]
    >>> round(imputation(data, outcome="y", unit="u", period="t", start={1: 3}).estimate, 10)
    3.0
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
    read = net_of_slopes(read, slopes_of_untreated(read))
    found = estimate_imputation(read.panel.outcomes, read.first_treated)
    few = test_linear(read, "imputation", draws=draws, seed=seed, alpha=alpha)
    return _without_errors("Imputation", found.att, few, alpha)


@takes(ParameterError, draws=Whole(), seed=Seed(), alpha=ALPHA)
@naming_columns()
def synthetic_did(
    data: pd.DataFrame,
    *,
    outcome: Column,
    unit: Column,
    period: Column,
    start: Start,
    covariates: str | None = None,
    solver: Solver = "exact",
    draws: int = 200,
    seed: int = 1,
    alpha: float = 0.05,
) -> EffectEstimates:
    """Estimate synthetic difference-in-differences, with placebos among comparators.

    Parameters
    ----------
    data, outcome, unit, period, start, covariates, seed, alpha
        As `difference_in_differences`; no outcome may be missing. Covariates are taken off with the
        coefficients of untreated cells.
    solver : {"exact", "frank_wolfe"}
        The optimum itself; or the published software's algorithm, which other packages have too and
        which stops a little short of it.
    draws : int
        Sets of comparators treated as if, with every weight fitted again.

    Returns
    -------
    EffectEstimates
        The standard error is the placebos' spread, `few_p_value` the share of placebos as large.

    Raises
    ------
    ParameterError, DataError, DesignError
        As `difference_in_differences`; or if placebos would leave too few comparators.

    References
    ----------
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), AER 111(12), algorithms 1 and 4;
    `docs/methods-estimators.md`, block SDID.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"u": np.repeat(range(20), 6), "t": np.tile(range(6), 20)})
    >>> data["y"] = rng.normal(size=120) + 9.0 * ((data["u"] == 0) & (data["t"] >= 4))
    >>> result = synthetic_did(data, outcome="y", unit="u", period="t", start={0: 4})
    >>> bool(result.table["few_p_value"][0] <= 0.05)
    True
    """
    read = read_long(
        data, outcome=outcome, unit=unit, period=period, start=start, covariates=covariates
    )
    panel = net_of_slopes(read, slopes_of_untreated(read)).panel
    if read.has_one_start:
        given = panel.outcomes, panel.treated, int(panel.starts[0])
        att = estimate_synthetic_did(*given, solver=solver).att
        placebos = placebo_synthetic_did(*given, draws=draws, seed=seed, solver=solver)
    else:
        placebos, _ = estimate_staggered_synthetic_did(
            panel.outcomes, read.first_treated, draws=draws, seed=seed, solver=solver
        )
        att = placebos.att
    few = InferenceResult(
        method="placebo",
        estimate=att,
        p_value=placebos.p_value,
        n_treated=int(panel.treated.sum()),
        n_comparators=int((~panel.treated).sum()),
        alpha=alpha,
        reason="a share of placebos; it has no interval",
    )
    return build_estimates(
        "Synthetic difference-in-differences",
        [EFFECT],
        np.array([att]),
        np.array([placebos.std_error]),
        [few],
        std_error_kind="placebos",
        alpha=alpha,
    )


@takes(ParameterError, draws=Whole(), seed=Seed(), alpha=ALPHA)
@naming_columns()
def robust_test(
    data: pd.DataFrame,
    *,
    outcome: Column,
    unit: Column,
    period: Column,
    start: Start,
    cases: Column | None = None,
    draws: int = 9999,
    seed: int = 1,
    alpha: float = 0.05,
) -> EffectEstimates:
    """Test the mean change of few treated units against other units, by randomisation.

    Parameters
    ----------
    data, outcome, unit, period, start, cases, draws, seed, alpha
        As `difference_in_differences`; outcomes may be missing.

    Returns
    -------
    EffectEstimates
        Its `few_` columns are the project's headline test; there are no standard errors.

    Raises
    ------
    ParameterError, DataError, DesignError
        As `difference_in_differences`.

    References
    ----------
    `docs/methods.md`, block Robust.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"u": np.repeat(range(40), 4), "t": np.tile(range(4), 40)})
    >>> data["y"] = rng.normal(size=160) + 5.0 * ((data["u"] < 4) & (data["t"] >= 2))
    >>> result = robust_test(
    ...     data, outcome="y", unit="u", period="t", start=dict.fromkeys(range(4), 2)
    ... )
    >>> bool(result.table["few_p_value"][0] < 0.01)
    True
    """
    read = read_long(data, outcome=outcome, unit=unit, period=period, start=start, cases=cases)
    few = test_mean_changes(read, draws=draws, seed=seed, alpha=alpha)
    units, _ = collapse_long(read)
    both = units.treated.any() and not units.treated.all()
    mean = np.nan
    if both:
        mean = units.change[units.treated].mean() - units.change[~units.treated].mean()
    return _without_errors("Mean change, robust test", mean, few, alpha)


def _without_errors(
    title: str, estimate: float, few: InferenceResult, alpha: float
) -> EffectEstimates:
    none = np.array([np.nan])
    return build_estimates(
        title, [EFFECT], np.array([estimate]), none, [few], std_error_kind=NO_ERROR, alpha=alpha
    )
