"""The randomisation test for few treated units, of the very estimator alongside which it stands.

On a complete panel every linear estimator is a sum of one score for each unit. Scores play the part
of changes: their difference in means is the estimate, and paths of treatment change hands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypedDict, Unpack

import numpy as np

from pilot_eval.estimation.cohorts import NEVER
from pilot_eval.estimation.did import Units, collapse_changes
from pilot_eval.estimation.path_changes import collapse_paths
from pilot_eval.estimation.staggered_paths import path_coefficients
from pilot_eval.frames.long_frame import LongFrame
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.robust import robust_test
from pilot_eval.inference.staggered import path_test

Linear = Literal["group_time", "group_time_not_yet", "imputation", "twfe"]


class Drawn(TypedDict):
    """How a randomisation test is drawn."""

    draws: int
    seed: int
    alpha: float


GAPS = "a test of mean changes over the periods seen, because outcomes are missing"


def test_linear(
    data: LongFrame, method: Linear, *, draws: int, seed: int, alpha: float
) -> InferenceResult:
    """Test a linear estimator by giving whole paths of treatment to other units.

    Parameters
    ----------
    data : LongFrame
        Without covariates; where outcomes are missing, mean changes are tested instead and the
        reason says so.
    method : {"group_time", "group_time_not_yet", "imputation", "twfe"}
    draws, seed, alpha
        As `path_test`.

    Returns
    -------
    InferenceResult
        Its estimate is the estimator's on a complete panel.
    """
    panel = data.panel
    if not panel.complete:
        return test_mean_changes(data, draws=draws, seed=seed, alpha=alpha)
    sizes = np.array([*(panel.cohort == np.arange(len(panel.starts))[:, None]).sum(1),
                      (panel.cohort == NEVER).sum()])  # fmt: skip
    if sizes[-1] == 0:
        return no_test(data, "no unit is never treated", alpha)
    coefficients = path_coefficients(sizes, panel.starts, panel.shape[1], method)
    weights = (
        coefficients * np.append(np.full(len(sizes) - 1, sizes[:-1].sum()), -sizes[-1])[:, None]
    )
    of = np.where(panel.cohort == NEVER, len(panel.starts), panel.cohort)
    factor = (weights**2).sum(axis=1)
    return path_test(
        panel.outcomes @ weights.T,
        of,
        data.cases,
        exposure=panel.exposure() @ weights.T,
        period_factor=np.tile(factor / factor[-1], (len(of), 1)),
        draws=draws,
        seed=seed,
        alpha=alpha,
    )


def test_mean_changes(data: LongFrame, *, draws: int, seed: int, alpha: float) -> InferenceResult:
    """Test mean changes: after the start against before it, gaps allowed.

    Units without an outcome on both sides of a start are left out; the reason counts them.
    """
    units, left_out = collapse_long(data)
    result = test_units(units, draws=draws, seed=seed, alpha=alpha)
    notes = [result.reason, f"{left_out} units without both sides left out" if left_out else ""]
    if not data.panel.complete:
        notes.append(GAPS)
    return replace(result, reason="; ".join(filter(None, notes)))


def collapse_long(data: LongFrame) -> tuple[Units, int]:
    """Collapse to one change for each unit on its own path, and count units left out."""
    panel = data.panel
    exposed = np.arange(panel.shape[1]) >= panel.starts[:, None]
    seen = data.seen[:, None, :]
    both = np.asarray((seen & exposed).any(axis=2) & (seen & ~exposed).any(axis=2))
    own = both[np.arange(len(both)), panel.cohort]
    keep = np.where(panel.treated, own, both.all(axis=1))
    outcomes, cohort, cases = panel.outcomes[keep], panel.cohort[keep], data.cases[keep]
    if data.has_one_start:
        units = collapse_changes(outcomes, cohort != NEVER, int(panel.starts[0]), cases)
    else:
        of = np.where(cohort == NEVER, len(panel.starts), cohort)
        units = collapse_paths(outcomes, of, exposed, ~exposed, cases)
    return units, int((~keep).sum())


def test_units(units: Units, *, draws: int, seed: int, alpha: float) -> InferenceResult:
    """Test collapsed changes: by sets, or by paths where treated units start at different times."""
    drawn = Drawn(draws=draws, seed=seed, alpha=alpha)
    if units.paths is None:
        given = units.change, units.treated, units.cases
        result: InferenceResult = robust_test(*given, period_factor=units.period_factor, **drawn)
        return result
    paths = units.paths
    return path_test(
        paths.changes,
        paths.of,
        units.cases,
        exposure=paths.exposure,
        period_factor=paths.factor,
        **drawn,
    )


def test_column(
    change: np.ndarray, treated: np.ndarray, cases: np.ndarray, **drawn: Unpack[Drawn]
) -> InferenceResult:
    """Test one change for each unit; units without one are left out."""
    seen = np.isfinite(change)
    result: InferenceResult = robust_test(change[seen], treated[seen], cases[seen], **drawn)
    return result


def no_test(data: LongFrame, reason: str, alpha: float) -> InferenceResult:
    """Give the record of a test that was not made, with the reason."""
    treated = data.panel.treated
    return InferenceResult(
        method="robust",
        n_treated=int(treated.sum()),
        n_comparators=int((~treated).sum()),
        alpha=alpha,
        reason=reason,
    )
