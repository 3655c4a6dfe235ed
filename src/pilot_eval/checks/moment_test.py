"""Conditional test of moment inequalities with a least-favourable first stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np

FIRST_STAGE_SHARE = 0.1  # of alpha, as published
FIRST_STAGE_DRAWS = 20_000
NEGLIGIBLE = 1e-10


def dual_vertices(nuisance: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """List the vertices of {g >= 0 : g'nuisance = 0, g'spread = 1}.

    Parameters
    ----------
    nuisance : float array (n_moments, n_nuisance)
    spread : float array (n_moments,)
        Standard deviations of the moments.

    Returns
    -------
    float array (n_vertices, n_moments)
        The value of the profiled statistic is the largest of vertices @ moments.

    Examples
    --------
    >>> dual_vertices(np.zeros((2, 0)), np.array([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 0.5]]
    """
    n_moments, n_nuisance = nuisance.shape
    size = n_nuisance + 1
    chosen = np.array(list(combinations(range(n_moments), size)))
    system = np.concatenate([nuisance, spread[:, None]], axis=1)
    matrices = np.swapaxes(system[chosen], 1, 2)
    scale = np.abs(system).max(0)
    regular = np.abs(np.linalg.det(matrices / scale[:, None])) > NEGLIGIBLE
    right = np.append(np.zeros(n_nuisance), 1.0)[:, None]
    values = np.linalg.solve(matrices[regular], np.broadcast_to(right, (regular.sum(), size, 1)))
    values = values[:, :, 0]
    feasible = (values >= -NEGLIGIBLE * np.abs(values).max(1, keepdims=True)).all(1)
    vertices = np.zeros((feasible.sum(), n_moments))
    rows = np.arange(len(vertices))[:, None]
    vertices[rows, chosen[regular][feasible]] = np.maximum(values[feasible], 0.0)
    return _distinct(vertices)


def _distinct(vertices: np.ndarray) -> np.ndarray:
    rounded = np.round(vertices / np.abs(vertices).max(), 9)
    _, first = np.unique(rounded, axis=0, return_index=True)
    return vertices[np.sort(first)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MomentTest:
    """Test of E[moments] - slope * value - nuisance * anything <= 0 for many values.

    Attributes
    ----------
    moments, slope : float arrays (n_moments,)
    variance : float array (n_moments, n_moments)
    vertices : float array (n_vertices, n_moments)
        From `dual_vertices`: they profile the nuisance out.
    alpha : float
    seed : int

    References
    ----------
    Andrews, Roth and Pakes (2023), Review of Economic Studies 90(6), sections 4 and 5.
    """

    moments: np.ndarray
    slope: np.ndarray
    variance: np.ndarray
    vertices: np.ndarray
    alpha: float
    seed: int
    first_stage: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_stage", self._least_favourable())

    def _least_favourable(self) -> float:
        """Critical value of the first stage: every moment binding."""
        value, vector = np.linalg.eigh(self.variance)
        root = vector * np.sqrt(np.maximum(value, 0.0))
        largest = (self.vertices @ root @ _draw(self.seed, len(root))).max(0)
        return float(np.quantile(largest, 1 - FIRST_STAGE_SHARE * self.alpha))

    def accepts(self, values: np.ndarray) -> np.ndarray:
        """Say for each value whether it is not rejected.

        Parameters
        ----------
        values : float array (n_values,)

        Returns
        -------
        bool array (n_values,)
        """
        scores = self.vertices @ (self.moments[:, None] - np.outer(self.slope, values))
        best = scores.argmax(0)
        accepted = np.zeros(len(values), dtype=bool)
        for vertex in np.unique(best):
            columns = best == vertex
            accepted[columns] = self._accepts_at(vertex, scores[:, columns])
        return accepted

    def _accepts_at(self, vertex: int, scores: np.ndarray) -> np.ndarray:
        """Test where one vertex attains the statistic, given that it does."""
        statistic = scores[vertex]
        weights = self.vertices[vertex]
        variance = weights @ self.variance @ weights
        passed = statistic <= self.first_stage
        if variance < NEGLIGIBLE**2:
            return np.asarray(passed & (statistic <= 0))
        spread = np.sqrt(variance)
        low, high = self._truncation(vertex, scores, variance)
        low, high = low / spread, np.minimum(high, self.first_stage) / spread
        z = statistic / spread
        size = self.alpha * (1 - FIRST_STAGE_SHARE) / (1 - FIRST_STAGE_SHARE * self.alpha)
        critical = np.maximum(0.0, _truncated_quantile(1 - size, low, high))
        outside = ~((low <= z) & (z <= high))
        return np.asarray(passed & (outside | (z <= critical)))

    def _truncation(
        self, vertex: int, scores: np.ndarray, variance: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Range of the statistic over which this vertex stays the best, the rest held fixed."""
        response = self.vertices @ self.variance @ self.vertices[vertex] / variance
        rest = scores - response[:, None] * scores[vertex]
        room = 1.0 - response
        above, below = room > 1e-9, room < -1e-9
        with_room = rest / np.where(np.abs(room) > 1e-9, room, 1.0)[:, None]
        low = with_room[above].max(0, initial=-np.inf)
        high = with_room[below].min(0, initial=np.inf)
        return low, high


@lru_cache(maxsize=4)
def _draw(seed: int, n_moments: int) -> np.ndarray:
    """Draw the first stage, one column a draw: the same for every test of a seed."""
    return np.random.default_rng(seed).standard_normal((FIRST_STAGE_DRAWS, n_moments)).T


def _truncated_quantile(p: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Quantile of a standard normal kept between low and high, exact in both tails."""
    from scipy.special import log_ndtr, ndtri_exp

    flip = low > 0  # work in the tail where probabilities are small, not near one
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    share = np.where(flip, 1 - p, p)
    log_a, log_b = log_ndtr(a), log_ndtr(b)
    ratio = np.exp(np.minimum(log_a - log_b, 0.0))
    value = ndtri_exp(log_b + np.log(ratio + share * (1 - ratio)))
    return np.asarray(np.where(flip, -value, value))
