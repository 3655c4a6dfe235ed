"""Simulated panels of one cell, with the variance that an oracle would know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from pilot_eval.inference.collapse import collapse_panel
from pilot_eval.inference.pretrial import MIN_OBSERVED
from pilot_eval.lab.validity_cells import Cell
from pilot_eval.published.council_indicators import load_published
from pilot_eval.reference.facts import ENGLAND

LOG_CASES, LOG_SPREAD = 6.0, 0.8
"""Cases behind an outcome: median 403, from about 80 to 2,000. The spread of the logarithm in DfE's
tables of 2010 to 2014 is 0.6 (plan starts, referrals) to 1.0 (initial assessments)."""
TYPICAL_CASES = 400.0
OUTLIER_SCALE = 5.0
OWN_SPREAD = 0.7
"""Standard deviation of the log of a variance that size does not explain."""
DENOMINATORS = "ia_within_7wd_pct"
"""Indicator whose published denominators of the first year binomial worlds use."""
SHARES = (0.4, 0.9)
"""Range of the councils' true shares before the start."""
SHARE_SD = 0.04
"""Standard deviation of a council's moving share: four of them stay within 0 and 1."""
REGIONS = 9
BURN_IN = 12
"""Periods simulated before the first kept one; 0.6 to the 12th is 0.002."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """A batch of simulated data sets; the first `n_treated` councils of each are treated.

    Attributes
    ----------
    treated : bool array of shape (n,)
    cases, changes, period_factor : array of shape (batch, n)
    before : array of shape (batch, n, n_before)
    true_variance : array of shape (batch,)
        Variance of the effect's estimate, were every variance known.
    """

    treated: np.ndarray
    cases: np.ndarray
    changes: np.ndarray
    period_factor: np.ndarray
    before: np.ndarray
    true_variance: np.ndarray


def simulate_draws(cell: Cell, batch: int, rng: np.random.Generator) -> Draws:
    """Simulate a batch of data sets without any effect.

    Parameters
    ----------
    cell : Cell
    batch : int
        Number of data sets.
    rng : numpy Generator

    Returns
    -------
    Draws
    """
    treated = np.arange(cell.n_councils) < cell.n_treated
    cases = _cases(cell, batch, rng)
    variance = _error_variance(cell, cases, rng)
    region = rng.integers(REGIONS, size=cases.shape)
    if cell.same_region:
        region[:, treated] = 0
    panel = _panel(cell, variance, region, rng)
    white = np.zeros(cases.shape)
    if cell.errors == "binomial":
        panel, variance, white = _binomial(cell, cases, rng)
    if cell.chosen_on_level:
        order = _order_on_level(cell, panel, rng)
        cases, variance, region, white = (
            np.take_along_axis(part, order, axis=1) for part in (cases, variance, region, white)
        )
        panel = np.take_along_axis(panel, order[:, :, None], axis=1)
    panel[_missing(cell, batch, rng)] = np.nan
    collapsed = collapse_panel(panel, cell.n_before, treated)
    return Draws(
        treated=treated,
        cases=cases,
        changes=collapsed.changes,
        period_factor=collapsed.period_factor,
        before=panel[:, :, : cell.n_before],
        true_variance=_true_variance(cell, panel, variance, region, white),
    )


def _cases(cell: Cell, batch: int, rng: np.random.Generator) -> np.ndarray:
    """Draw council sizes and put the treated councils first."""
    shape = (batch, cell.n_councils)
    if cell.errors == "binomial":
        return rng.permuted(np.broadcast_to(_denominators()[: shape[1]], shape), axis=1)
    cases = np.exp(rng.normal(LOG_CASES, LOG_SPREAD, shape))
    if cell.allocation == "random":
        return cases
    cases.sort(axis=1)
    quarter, k = cell.n_councils // 4, cell.n_treated
    low = {"small": k, "large": 0, "mixed": (k + 1) // 2}[cell.allocation]
    chosen = np.concatenate(
        [
            _some(batch, quarter, low, rng),
            cell.n_councils - 1 - _some(batch, quarter, k - low, rng),
        ],
        axis=1,
    )
    mask = np.ones(cases.shape, bool)
    np.put_along_axis(mask, chosen, False, axis=1)
    rest = cases[mask].reshape(batch, cell.n_councils - k)
    return np.concatenate([np.take_along_axis(cases, chosen, axis=1), rest], axis=1)


def _some(batch: int, n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    return np.argsort(rng.random((batch, n)), axis=1)[:, :k]


def _error_variance(cell: Cell, cases: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if cell.size_law == "wrong":
        variance = np.sqrt(TYPICAL_CASES / cases) * np.exp(rng.normal(0, 0.5, cases.shape))
    else:
        variance = 0.5 + 0.5 * TYPICAL_CASES / cases
    if cell.size_law == "own":
        variance = variance * np.exp(rng.normal(0, OWN_SPREAD, cases.shape))
    treated = np.arange(cell.n_councils) < cell.n_treated
    outlying = ~treated & (rng.random(cases.shape) < cell.outliers)
    result: np.ndarray = (
        variance * np.where(treated, cell.noise**2, 1.0) * np.where(outlying, OUTLIER_SCALE, 1) ** 2
    )
    return result


def _panel(
    cell: Cell, variance: np.ndarray, region: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Add council effects, period effects, shocks and serially correlated errors."""
    batch, n = variance.shape
    periods = cell.n_before + cell.n_after
    panel = _serial(cell, (batch, n), rng)
    panel *= np.sqrt(variance)[:, :, None]
    panel += rng.standard_normal((batch, n, 1)) + rng.standard_normal((batch, 1, periods))
    if cell.regional_shock:
        shocks = cell.regional_shock * _serial(cell, (batch, REGIONS), rng)
        panel += np.take_along_axis(shocks, region[:, :, None], axis=1)
    if cell.common_shock:
        panel[:, : cell.n_treated] += cell.common_shock * _serial(cell, (batch, 1), rng)
    if cell.slow:
        steps = rng.standard_normal(panel.shape) * np.sqrt(cell.slow * variance)[:, :, None]
        steps[:, : cell.n_treated] *= cell.slow_noise
        panel += steps.cumsum(2)
    return panel


@lru_cache(maxsize=1)
def _denominators() -> np.ndarray:
    """Read the published denominators of one indicator in the first year."""
    table = load_published()
    rows = table[(table["indicator"] == DENOMINATORS) & (table["council_code"] != ENGLAND)]
    rows = rows[rows["year_ending"] == rows["year_ending"].min()]
    result: np.ndarray = rows["denominator"].dropna().to_numpy(float)
    return result


def _binomial(
    cell: Cell, cases: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw percentages from counts; return also the moving and the sampling variance."""
    share = rng.uniform(*SHARES, cases.shape)
    moving = replace(cell, errors="normal")
    path = share[:, :, None] + SHARE_SD * _serial(moving, cases.shape, rng)
    counts = rng.binomial(cases.astype(int)[:, :, None], np.clip(path, 0, 1))
    sampling = (share * (1 - share) - SHARE_SD**2) / cases
    return (
        100 * counts / cases[:, :, None],
        np.full(cases.shape, (100 * SHARE_SD) ** 2),
        100**2 * sampling,
    )


def _order_on_level(cell: Cell, panel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put councils of the highest quarter before the start first, as the treated."""
    rank = np.argsort(-panel[:, :, : cell.n_before].mean(2), axis=1)
    quarter = cell.n_councils // 4
    return np.concatenate([rng.permuted(rank[:, :quarter], axis=1), rank[:, quarter:]], axis=1)


def _serial(cell: Cell, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Simulate first-order series of unit variance, shape (*shape, periods)."""
    rho, periods = cell.correlation, cell.n_before + cell.n_after
    burn = BURN_IN if rho else 0
    shocks = _shocks(cell.errors, (burn + periods, *shape), rng)
    root = np.sqrt(1 - rho**2)
    out, level = np.empty((*shape, periods)), shocks[0]
    for t in range(burn + periods):
        level = rho * level + root * shocks[t] if t else level
        if t >= burn:
            out[:, :, t - burn] = level
    return out


def _shocks(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if kind == "t3":
        result: np.ndarray = rng.standard_t(3, shape) / np.sqrt(3)
        return result
    if kind == "skewed":
        return rng.standard_exponential(shape) - 1
    return rng.standard_normal(shape)


def _missing(cell: Cell, batch: int, rng: np.random.Generator) -> np.ndarray:
    """Choose what is missing; a council that would lose too much is left complete."""
    shape = (batch, cell.n_councils, cell.n_before + cell.n_after)
    if not cell.missing:
        return np.zeros(shape, bool)
    gone = rng.random(shape) < cell.missing
    seen_before = (~gone[:, :, : cell.n_before]).sum(2)
    seen_after = (~gone[:, :, cell.n_before :]).sum(2)
    too_much = (seen_before < min(MIN_OBSERVED, cell.n_before)) | (seen_after < 1)
    result: np.ndarray = gone & ~too_much[:, :, None]
    return result


def _true_variance(
    cell: Cell, panel: np.ndarray, variance: np.ndarray, region: np.ndarray, white: np.ndarray
) -> np.ndarray:
    """Compute the variance of the mean difference from everything that was simulated."""
    k, n, time = cell.n_treated, cell.n_councils, np.arange(panel.shape[2])
    share = np.where(np.arange(n) < k, 1 / k, -1 / (n - k))
    seen = np.isfinite(panel)
    serial = cell.correlation ** np.abs(np.subtract.outer(time, time))
    own = variance * _change_variance(cell, seen, serial)
    own += white * _change_variance(cell, seen, np.eye(time.size))
    if cell.slow:
        slow = cell.slow * np.where(np.arange(n) < k, cell.slow_noise**2, 1.0)
        own += variance * slow * _change_variance(cell, seen, np.minimum.outer(time, time))
    total = (share**2 * own).sum(1)
    full = _change_variance(cell, np.ones((1, 1, time.size), bool), serial)[0, 0]
    for r in range(REGIONS if cell.regional_shock else 0):
        total += cell.regional_shock**2 * full * (share * (region == r)).sum(1) ** 2
    result: np.ndarray = total + cell.common_shock**2 * full
    return result


def _change_variance(cell: Cell, seen: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Compute the variance of mean after minus mean before from the covariance of the periods."""
    before = np.arange(seen.shape[2]) < cell.n_before
    weight = np.where(before, -1.0, 1.0) * seen
    weight /= np.where(
        before, (seen & before).sum(2, keepdims=True), (seen & ~before).sum(2, keepdims=True)
    )
    result: np.ndarray = ((weight @ covariance) * weight).sum(2)
    return result
