"""Section of the validity page: how often a family of comparisons makes a false finding."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np
import pandas as pd

from pilot_eval.inference import family_test
from pilot_eval.lab.validity_section import Section

FAMILIES = 5_000
PERMUTATIONS = 199
COMPARATORS = 140
LEVEL, PROMISED = 0.05, 0.059
SHARE_MISSING = 0.1
"""Of comparators without a value, in each outcome, where there are missing years."""
SHARE_SHORTER = 0.2
"""Of all councils that have a value but miss a year, in each outcome."""
SHORTER_FACTOR = 1.5
"""Variance of a change with a year missing, relative to one with every year."""
CORRELATION = 0.5
"""Between two outcomes of one council."""
EFFECT = 3.0
"""True effects where there are any, in standard deviations of a large council's change."""
BATCHES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyWorld:
    """A family: how many of the treated each outcome is seen for, and what else is special."""

    treated: int
    seen: tuple[int, ...]
    missing: bool
    effects: bool

    @property
    def n_effects(self) -> int:
        """Number of outcomes with a true effect: a third of them, or none."""
        return len(self.seen) // 3 if self.effects else 0


PATTERNS = ((5, (5,) * 6), (4, (2, 3, 4)), (6, (2, 2, 5)))
"""Treated councils, and for how many of them each outcome is seen."""
WORLDS = tuple(
    FamilyWorld(treated=treated, seen=seen, missing=missing, effects=effects)
    for treated, seen in PATTERNS
    for missing in (False, True)
    for effects in (False, True)
)


def simulate_family(
    world: FamilyWorld, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Simulate the changes of one family.

    Parameters
    ----------
    world : FamilyWorld
    rng : numpy Generator

    Returns
    -------
    changes : ndarray, shape (outcomes, n)
        NaN where a council is not seen.
    treated : ndarray of bool, shape (n,)
    cases : ndarray, shape (n,)
    period_factor : ndarray, shape (outcomes, n)
        The variance of a change is (1 + 100 / cases) times this.
    """
    outcomes, n_treated = len(world.seen), world.treated
    n = n_treated + COMPARATORS
    cases = rng.uniform(50, 800, n)
    common, own = rng.normal(size=n), rng.normal(size=(outcomes, n))
    noise = sqrt(CORRELATION) * common + sqrt(1 - CORRELATION) * own
    shorter = rng.random(noise.shape) < (SHARE_SHORTER if world.missing else 0.0)
    factor = np.where(shorter, SHORTER_FACTOR, 1.0)
    changes = noise * np.sqrt(factor * (1 + 100 / cases))
    changes[: world.n_effects, :n_treated] += EFFECT
    for row, seen in enumerate(world.seen):
        changes[row, rng.permutation(n_treated)[seen:]] = np.nan
    if world.missing:
        lost = rng.random((outcomes, COMPARATORS)) < SHARE_MISSING
        changes[:, n_treated:][lost] = np.nan
    return changes, np.arange(n) < n_treated, cases, factor


def run_families(draws: int, seed: int, executor: Executor | None = None) -> pd.DataFrame:
    """Count families with a false finding, and true effects that are found.

    Parameters
    ----------
    draws : int
        Families for each world.
    seed : int
    executor : concurrent.futures.Executor, optional

    Returns
    -------
    DataFrame
        One row for each world: `seen`, `missing`, `effects`, `families`, `any_false`, `error`
        (Monte Carlo standard error) and `found` (share of true effects).
    """
    count = partial(_count_batch, max(draws // BATCHES, 1), seed)
    jobs = [(world, batch) for world in range(len(WORLDS)) for batch in range(BATCHES)]
    found = list(map(count, jobs) if executor is None else executor.map(count, jobs))
    rows = []
    for position, world in enumerate(WORLDS):
        own = np.sum([f for f, job in zip(found, jobs, strict=True) if job[0] == position], axis=0)
        families, false, hits = (int(number) for number in own)
        share = false / families
        rows.append(
            {
                "seen": f"{', '.join(map(str, world.seen))} of {world.treated}",
                "missing": "yes" if world.missing else "no",
                "effects": world.n_effects,
                "families": families,
                "any_false": share,
                "error": sqrt(share * (1 - share) / families),
                "found": hits / (families * world.n_effects) if world.n_effects else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _count_batch(families: int, seed: int, job: tuple[int, int]) -> tuple[int, int, int]:
    world = WORLDS[job[0]]
    rng = np.random.default_rng([seed, *job])
    false = hits = 0
    for _ in range(families):
        changes, treated, cases, factor = simulate_family(world, rng)
        result = family_test(
            changes, treated, cases, draws=PERMUTATIONS, seed=rng, period_factor=factor
        )
        found = result.romano_wolf <= LEVEL
        false += bool(found[world.n_effects :].any())
        hits += int(found[: world.n_effects].sum())
    return families, false, hits


def describe_families(table: pd.DataFrame) -> str:
    """Describe the stored table in Markdown."""
    lines = [
        f"Simulated families of outcomes of one trial with {COMPARATORS} comparators, the "
        f"outcomes correlated by {CORRELATION:g}; each outcome is seen for some of the treated "
        f"councils only. Where years are missing, {SHARE_MISSING:.0%} of comparators have no "
        f"value and {SHARE_SHORTER:.0%} of councils miss a year, which multiplies the variance of "
        f"their change by {SHORTER_FACTOR:g}. A family makes a false finding if any outcome "
        f"without a true effect has an adjusted p-value of {LEVEL:g} or less; at most "
        f"{PROMISED:.1%} of families may.",
        "",
        "| treated seen, by outcome | years missing | true effects | families | any false "
        "finding | standard error | true effects found | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        found = "–" if np.isnan(row.found) else f"{row.found:.0%}"
        met = "yes" if row.any_false <= PROMISED else "no"
        lines.append(
            f"| {row.seen} | {row.missing} | {row.effects} | {row.families:,} "
            f"| {row.any_false:.1%} | {row.error:.1%} | {found} | {met} |"
        )
    return "\n".join(lines)


FAMILY = Section(
    name="families",
    heading="Families of comparisons",
    draws=FAMILIES,
    run=run_families,
    describe=describe_families,
)
