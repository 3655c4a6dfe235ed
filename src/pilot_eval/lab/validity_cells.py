"""The grid of simulated worlds in which every test is tried, and what is asked of it there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Allocation = Literal["random", "small", "large", "mixed"]
Errors = Literal["normal", "t3", "skewed", "binomial"]
SizeLaw = Literal["size", "wrong", "own"]
Group = Literal["base", "stress", "adverse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One simulated world.

    Attributes
    ----------
    name : str
        Short name, unique in a grid; it also seeds the cell's random numbers.
    n_councils, n_treated : int
    allocation : {"random", "small", "large", "mixed"}
        Who is treated: anybody, or the smallest or largest quarter, or half from each.
    errors : {"normal", "t3", "skewed", "binomial"}
        Shape of the shocks: normal, Student's t with 3 degrees of freedom, centred exponential;
        or binomial counts around moving shares, with the published denominators of 2010.
    n_before, n_after : int
        Periods before and after the start.
    correlation : float
        First-order serial correlation of the errors.
    missing : float
        Share of council-periods missing at random.
    noise : float
        Standard deviation of the treated relative to what their size predicts.
    size_law : {"size", "wrong", "own"}
        Error variance (a + b/size), a power of size times each council's own random factor, or
        (a + b/size) times a larger factor of its own.
    outliers : float
        Share of comparators with five times the standard deviation.
    regional_shock, common_shock : float
        Standard deviation of shocks common to a region (of nine) or to the treated, in standard
        deviations of a middling council.
    same_region : bool
        Whether all treated lie in one region: a regional shock is then common to them.
    slow : float
        Variance of a random walk's step that is added to the errors, in variances of the error.
    slow_noise : float
        Standard deviation of the treated councils' random walk relative to the comparators'.
    chosen_on_level : bool
        Whether the treated come from the quarter with the highest values before the start.
    """

    name: str
    n_councils: int = 152
    n_treated: int = 5
    allocation: Allocation = "random"
    errors: Errors = "normal"
    n_before: int = 8
    n_after: int = 2
    correlation: float = 0.6
    missing: float = 0.0
    noise: float = 1.0
    size_law: SizeLaw = "size"
    outliers: float = 0.0
    regional_shock: float = 0.0
    common_shock: float = 0.0
    same_region: bool = False
    slow: float = 0.0
    slow_noise: float = 1.0
    chosen_on_level: bool = False

    @property
    def variance_follows_size(self) -> bool:
        """Whether the sharp test's assumption holds."""
        return self.noise == 1.0 and self.slow_noise == 1.0 and self.variance_follows_size_and_noise

    @property
    def variance_follows_size_and_noise(self) -> bool:
        """Whether it holds up to a factor common to the treated (the adaptive test's)."""
        other = self.regional_shock or self.common_shock or self.chosen_on_level or self.outliers
        return self.size_law == "size" and self.errors != "binomial" and not other

    @property
    def group(self) -> Group:
        """What the cell asks: base (assumptions hold), stress, or adverse (no method can help)."""
        shock = self.common_shock or (self.regional_shock and self.same_region)
        if shock or self.chosen_on_level:
            return "adverse"
        return "base" if self.variance_follows_size and self.errors == "normal" else "stress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a method must reach in a cell; None where nothing is promised."""

    low: float | None = None
    high: float | None = None
    power: float | None = None
    coverage: bool = False


PUBLISHED_COUNCILS = 151
"""Councils with a published denominator of the binomial worlds."""
FEWEST_ROBUST = 3
ADAPTIVE_PERIODS = 8


def target_of(cell: Cell, method: str) -> Target:
    """State what a method must reach in a cell.

    Parameters
    ----------
    cell : Cell
    method : str

    Returns
    -------
    Target
        Bounds of the false-positive rate, least power as a share of the oracle's, and whether
        coverage of 94-96% is asked.
    """
    if method == "robust" and cell.n_treated >= FEWEST_ROBUST and cell.group != "adverse":
        base = cell.group == "base"
        return Target(low=0.04, high=0.06) if base else Target(high=0.07)
    if method == "size_adjusted" and cell.variance_follows_size:
        return Target(low=0.04, high=0.06, power=0.97, coverage=True)
    enough = cell.n_before >= ADAPTIVE_PERIODS
    if method == "adaptive" and enough and cell.variance_follows_size_and_noise:
        return Target(low=0.04, high=0.06)
    return Target()


def full_grid() -> list[Cell]:
    """List the grid: a base cell, each dimension in turn, then the hard pairs.

    Returns
    -------
    list of Cell
    """
    base = Cell(name="base")
    return [
        base,
        *_one_at_a_time(base),
        *_size_and_number(base),
        *_hard_pairs(base),
        *_harder(base),
    ]


def reduced_grid() -> list[Cell]:
    """List the cells that a quick check runs.

    Returns
    -------
    list of Cell
    """
    wanted = {"base", "1 treated", "3 treated", "treated 1.5x as noisy", "skewed"}
    wanted |= {"persistent, 12 periods, treated 1.5x"}
    return [cell for cell in full_grid() if cell.name in wanted]


def _one_at_a_time(base: Cell) -> list[Cell]:
    return [
        *(replace(base, name=f"{k} treated", n_treated=k) for k in (1, 2, 3, 8, 20)),
        *(replace(base, name=f"{k} treated", allocation=k) for k in ("small", "large", "mixed")),
        *(replace(base, name=k, errors=k) for k in ("t3", "skewed")),
        replace(base, name="4 periods", n_before=2, n_after=2),
        replace(base, name="20 periods", n_before=12, n_after=8),
        replace(base, name="60 periods", n_before=36, n_after=24),
        *(replace(base, name=f"correlation {k:g}", correlation=k) for k in (0.0, 0.3)),
        replace(base, name="10% missing", missing=0.1),
        replace(base, name="30% missing, 20 periods", missing=0.3, n_before=12, n_after=8),
        *(replace(base, name=f"treated {k:g}x as noisy", noise=k) for k in (0.67, 1.5)),
        replace(base, name="wrong size law", size_law="wrong"),
        replace(base, name="outlying comparators", outliers=0.03),
        replace(base, name="regional shocks", regional_shock=0.5),
        replace(base, name="common shock", common_shock=0.5),
        replace(base, name="40 councils", n_councils=40),
    ]


def _size_and_number(base: Cell) -> list[Cell]:
    pairs: list[tuple[int, Allocation]]
    pairs = [(1, "small"), (1, "large"), (2, "small"), (3, "small"), (3, "large"), (3, "mixed")]
    pairs += [(8, "small"), (8, "large"), (20, "small"), (20, "large")]
    return [
        replace(base, name=f"{count} {where} treated", n_treated=count, allocation=where)
        for count, where in pairs
    ]


def _hard_pairs(base: Cell) -> list[Cell]:
    noisy = replace(base, noise=1.5)
    three = replace(base, n_treated=3)
    one = replace(base, n_treated=1)
    return [
        replace(noisy, name="1 treated, 1.5x", n_treated=1),
        replace(noisy, name="3 treated, 1.5x", n_treated=3),
        replace(noisy, name="8 treated, 1.5x", n_treated=8),
        replace(noisy, name="20 treated, 1.5x", n_treated=20),
        replace(noisy, name="small treated, 1.5x", allocation="small"),
        replace(noisy, name="large treated, 1.5x", allocation="large"),
        replace(noisy, name="t3, 1.5x", errors="t3"),
        replace(noisy, name="skewed, 1.5x", errors="skewed"),
        replace(noisy, name="3 treated, skewed, 1.5x", n_treated=3, errors="skewed"),
        replace(noisy, name="20 periods, 1.5x", n_before=12, n_after=8),
        replace(noisy, name="10% missing, 1.5x", missing=0.1),
        replace(noisy, name="outlying comparators, 1.5x", outliers=0.03),
        replace(base, name="t3, 0.67x", errors="t3", noise=0.67),
        replace(three, name="3 treated, t3", errors="t3"),
        replace(three, name="3 treated, skewed", errors="skewed"),
        replace(three, name="3 treated, outlying comparators", outliers=0.03),
        replace(
            three, name="3 small treated, wrong size law", allocation="small", size_law="wrong"
        ),
        replace(
            base,
            name="skewed, 4 periods, uncorrelated",
            errors="skewed",
            n_before=2,
            n_after=2,
            correlation=0.0,
        ),
        replace(one, name="1 treated, t3", errors="t3"),
        replace(one, name="1 treated, skewed, uncorrelated", errors="skewed", correlation=0.0),
        replace(
            base, name="regional shock, treated in one region", regional_shock=0.5, same_region=True
        ),
    ]


def _harder(base: Cell) -> list[Cell]:
    """List persistent noise, and worlds in which something other than size matters."""
    few = replace(base, n_after=4, slow=0.2)
    many = replace(base, n_before=24, n_after=12, slow=0.05)
    counts = replace(base, errors="binomial", n_councils=PUBLISHED_COUNCILS)
    pairs = [("persistent, 12 periods", few), ("persistent, 36 periods", many)]
    pairs += [
        ("uncorrelated and persistent, 12 periods", replace(few, correlation=0.0, slow=0.1)),
        ("uncorrelated and persistent, 36 periods", replace(many, correlation=0.0, slow=0.02)),
    ]
    return [
        *(replace(cell, name=name) for name, cell in pairs[:2]),
        *(replace(cell, name=f"{name}, treated 1.5x", slow_noise=1.5) for name, cell in pairs),
        replace(base, name="variance not explained by size", size_law="own"),
        replace(counts, name="binomial, real denominators"),
        replace(counts, name="3 treated, binomial", n_treated=3),
        replace(base, name="chosen on level", chosen_on_level=True),
    ]
