"""Monte Carlo proof of the tests: how often each rejects a true null and finds a real effect.

The figures come from the same batched cores that the public tests call with a batch of one;
`tests/simulation` asserts that both give the same p-values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from typing import Literal
from zlib import crc32

import numpy as np
import pandas as pd

from pilot_eval.inference.adaptive import compute_adaptive, draw_resamples
from pilot_eval.inference.assignments import draw_assignments
from pilot_eval.inference.cluster_robust import compute_cluster_robust
from pilot_eval.inference.pretrial import MIN_PERIODS
from pilot_eval.inference.randomisation import step_size
from pilot_eval.inference.robust import compute_robust
from pilot_eval.inference.size_adjusted import SizeAdjusted, compute_size_adjusted
from pilot_eval.lab.validity_cells import Cell, Target, target_of
from pilot_eval.lab.validity_draws import Draws, simulate_draws

ALPHA = 0.05
ORACLE_CRITICAL = 1.959963984540054
ORACLE_EFFECT = 2.801585218
"""Effect, in true standard errors, that the oracle finds with 80% power."""
BATCH = 500
"""Data sets simulated together; random assignments are drawn again for each batch."""
PERMUTATIONS = 999
"""Random sets a data set: 50 of 1000 makes the level exact, at a point of power."""
INTERVAL_ROWS = 50
"""Data sets of a batch whose robust interval is inverted, which is slow."""
STANDARD_ERRORS = 3
"""Monte Carlo standard errors within which a target counts as met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one method said about a batch of data sets; arrays of shape (batch,).

    Attributes
    ----------
    null, effect : bool array
        Rejections without an effect and with the oracle's effect.
    low, high : array
        Intervals of the data without effect: they cover where they hold 0. Possibly fewer rows.
    """

    null: np.ndarray
    effect: np.ndarray
    low: np.ndarray
    high: np.ndarray


def run_validity(
    cells: Iterable[Cell], draws: int, seed: int, executor: Executor | None = None
) -> pd.DataFrame:
    """Measure every test in every cell.

    Parameters
    ----------
    cells : iterable of Cell
        Such as `full_grid()` or `reduced_grid()`.
    draws : int
        Simulated data sets a cell.
    seed : int
        A cell's figures depend on it and the cell's name only, not on the other cells.
    executor : concurrent.futures.Executor, optional
        Runs batches in parallel; by default they run here, one after the other.

    Returns
    -------
    pandas.DataFrame
        One row per cell and method: the cell's settings; false_positive and its Monte Carlo error;
        power, the oracle's power on the same data sets and their ratio; coverage (robust: of the
        intervals that were inverted); interval_length in lengths of the oracle's interval, as the
        geometric mean (one fitted variance near 0 would rule the arithmetic one); target,
        met ("yes", "no" or "" where nothing is promised) and note.

    Examples
    --------
    >>> from pilot_eval.lab.validity_cells import Cell
    >>> table = run_validity([Cell(name="base")], draws=20, seed=1)
    >>> sorted(table["method"])
    ['adaptive', 'cr1', 'cr2', 'robust', 'size_adjusted']
    """
    cells = list(cells)
    tasks = [task for cell in cells for task in _tasks(cell, draws, seed)]
    run = map if executor is None else executor.map
    tallies: dict[tuple[str, str], pd.Series] = {}
    for rows in run(_run_task, tasks):
        for key, tally in rows.items():
            tallies[key] = tallies[key] + tally if key in tallies else tally
    by_name = {cell.name: cell for cell in cells}
    return pd.DataFrame(
        [_row(by_name[name], method, tally) for (name, method), tally in tallies.items()]
    )


def _tasks(cell: Cell, draws: int, seed: int) -> Iterator[tuple[Cell, int, list[int]]]:
    for number, start in enumerate(range(0, draws, BATCH)):
        yield cell, min(BATCH, draws - start), [seed, crc32(cell.name.encode()), number]


def _run_task(task: tuple[Cell, int, list[int]]) -> dict[tuple[str, str], pd.Series]:
    """Count rejections and intervals of one batch; a top-level function, so that it can travel."""
    cell, batch, seeds = task
    rng = np.random.default_rng(seeds)
    data = simulate_draws(cell, batch, rng)
    effect = ORACLE_EFFECT * np.sqrt(data.true_variance)
    oracle = _oracle(data, effect)
    verdicts = compute_verdicts(cell, data, effect, seed=int(rng.integers(2**63)))
    return {(cell.name, m): _tally(v, oracle, effect) for m, v in verdicts.items()}


def compute_verdicts(
    cell: Cell, data: Draws, effect: np.ndarray, *, seed: int
) -> dict[str, Verdict]:
    """Apply every test that the cell allows to a batch, by the public tests' own cores.

    Parameters
    ----------
    cell : Cell
    data : Draws
    effect : array of shape (batch,)
        Effect added to the treated for the power figure.
    seed : int
        What a single call of the public test would be given.

    Returns
    -------
    dict of str to Verdict
    """
    sharp = compute_size_adjusted(data.changes, data.treated[None], data.cases, data.period_factor)
    low, high = sharp.interval(ALPHA)
    verdicts = {"size_adjusted": _by_interval(sharp.estimate, (high - low) / 2, effect)}
    if cell.n_treated > 1:
        verdicts["robust"] = _robust(data, sharp, effect, seed)
        verdicts |= {"cr2": _cluster(data, effect, "cr2"), "cr1": _cluster(data, effect, "cr1")}
    if cell.n_before >= MIN_PERIODS:
        verdicts["adaptive"] = _adaptive(cell, data, sharp, effect, seed)
    return verdicts


def _oracle(data: Draws, effect: np.ndarray) -> Verdict:
    treated = data.treated
    estimate = data.changes[:, treated].mean(1) - data.changes[:, ~treated].mean(1)
    return _by_interval(estimate, ORACLE_CRITICAL * np.sqrt(data.true_variance), effect)


def _by_interval(estimate: np.ndarray, half: np.ndarray, effect: np.ndarray) -> Verdict:
    """Reject where the interval leaves out 0; an effect moves the interval, not its length."""
    return Verdict(
        null=np.abs(estimate) > half,
        effect=np.abs(estimate + effect) > half,
        low=estimate - half,
        high=estimate + half,
    )


def _cluster(data: Draws, effect: np.ndarray, kind: Literal["cr1", "cr2"]) -> Verdict:
    from scipy.special import stdtrit

    mask = np.broadcast_to(data.treated, data.changes.shape)
    variance, df = compute_cluster_robust(data.changes, mask, kind)
    treated = data.treated
    estimate = data.changes[:, treated].mean(1) - data.changes[:, ~treated].mean(1)
    return _by_interval(estimate, stdtrit(df, 1 - ALPHA / 2) * np.sqrt(variance), effect)


def _robust(data: Draws, sharp: SizeAdjusted, effect: np.ndarray, seed: int) -> Verdict:
    sets = draw_assignments(data.treated, draws=PERMUTATIONS, seed=seed)
    common = (data.changes, data.treated, data.cases, data.period_factor)
    fit, shifted = compute_robust(*common, sets, sharp.fit)
    few = replace(shifted, z=shifted.z[:INTERVAL_ROWS], w=shifted.w[:INTERVAL_ROWS])
    low, high = few.interval(ALPHA, step_size(fit.variance[:INTERVAL_ROWS, data.treated]))
    return Verdict(
        null=shifted.p_value() <= ALPHA,
        effect=shifted.p_value(-effect) <= ALPHA,
        low=low,
        high=high,
    )


def _adaptive(
    cell: Cell, data: Draws, sharp: SizeAdjusted, effect: np.ndarray, seed: int
) -> Verdict:
    resamples = draw_resamples(int(data.treated.sum()), draws=PERMUTATIONS, seed=seed)
    answer = compute_adaptive(
        data.changes,
        data.treated,
        data.cases,
        data.period_factor,
        data.before,
        cell.n_after,
        resamples,
        ALPHA,
        sharp,
    )
    return _by_interval(answer.estimate, answer.critical * np.sqrt(answer.variance), effect)


def _tally(verdict: Verdict, oracle: Verdict, effect: np.ndarray) -> pd.Series:
    """Sum what a batch adds to a cell's figures."""
    rows = len(verdict.low)
    unit = 2 * ORACLE_CRITICAL / ORACLE_EFFECT * effect[:rows]
    length = (verdict.high - verdict.low) / unit
    ended = np.isfinite(length)
    return pd.Series(
        {
            "draws": len(verdict.null),
            "null": verdict.null.sum(),
            "effect": verdict.effect.sum(),
            "oracle_null": oracle.null.sum(),
            "oracle_effect": oracle.effect.sum(),
            "discordant": (verdict.effect != oracle.effect).sum(),
            "intervals": rows,
            "covered": ((verdict.low <= 0) & (verdict.high >= 0)).sum(),
            "log_length": np.log(length[ended]).sum(),
            "ended": ended.sum(),
        },
        dtype=float,
    )


def _row(cell: Cell, method: str, tally: pd.Series) -> dict[str, object]:
    draws = tally["draws"]
    rate, power = tally["null"] / draws, tally["effect"] / draws
    oracle_power, covered = tally["oracle_effect"] / draws, tally["covered"] / tally["intervals"]
    figures = {
        "draws": int(draws),
        "false_positive": rate,
        "false_positive_error": np.sqrt(max(rate * (1 - rate), 1 / draws**2) / draws),
        "oracle_false_positive": tally["oracle_null"] / draws,
        "power": power,
        "oracle_power": oracle_power,
        "power_ratio": power / oracle_power if oracle_power else np.nan,
        "power_ratio_error": np.sqrt(tally["discordant"]) / tally["oracle_effect"]
        if oracle_power
        else np.nan,
        "coverage": covered,
        "coverage_error": np.sqrt(max(covered * (1 - covered), 1 / draws**2) / tally["intervals"]),
        "interval_length": np.exp(tally["log_length"] / tally["ended"])
        if tally["ended"]
        else np.inf,
        "intervals_without_end": 1 - tally["ended"] / tally["intervals"],
    }
    return (
        asdict(cell)
        | {"group": cell.group, "method": method}
        | figures
        | _judge(target_of(cell, method), figures, method)
    )


def _judge(target: Target, figures: dict[str, float], method: str) -> dict[str, str]:
    """Compare figures with their target, allowing for Monte Carlo error."""
    slack = STANDARD_ERRORS * figures["false_positive_error"]
    ratio_slack = STANDARD_ERRORS * figures["power_ratio_error"]
    rate, faults, asked = figures["false_positive"], [], []
    if target.high is not None:
        low = target.low or 0.0
        asked.append(f"{low:.0%}-{target.high:.0%} false positives")
        if not low - slack <= rate <= target.high + slack:
            faults.append(f"false positives {rate:.1%}")
    if target.power is not None:
        asked.append(f"power at least {target.power:.0%} of the oracle's")
        if figures["power_ratio"] < target.power - ratio_slack:
            faults.append(f"power {figures['power_ratio']:.0%} of the oracle's")
    if target.coverage:
        asked.append("coverage 94-96%")
        if not 0.94 - slack <= figures["coverage"] <= 0.96 + slack:
            faults.append(f"coverage {figures['coverage']:.1%}")
    note = "; ".join(faults) or ("conservative" if rate < 0.04 - slack else "")
    met = ("no" if faults else "yes") if asked else ""
    return {"target": "; ".join(asked), "met": met, "note": note}
