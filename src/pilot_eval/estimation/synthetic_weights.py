"""Unit and time weights of synthetic DiD and synthetic control, many problems at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pilot_eval.doors import Flags, Numbers, OneOf, Whole, takes
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.simplex import SimplexProblem, solve_exact, solve_frank_wolfe

Method = Literal["sdid", "sc", "did"]
Solver = Literal["frank_wolfe", "exact"]
METHODS, SOLVERS = ("sdid", "sc", "did"), ("frank_wolfe", "exact")
NEGLIGIBLE_RIDGE = 1e-6  # times the noise: only makes the minimiser unique, as published
STOP_DECREASE = 1e-5  # times the noise: stopping rule of the published software
BATCH_CELLS = 20_000_000  # largest working array of a batch of placebos, in numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticWeights:
    """Weights of many problems that share one pool of comparators.

    Unit and period means of the pool are taken out first. As weights sum to one this changes no
    weight, and it keeps the Gram matrices well scaled. The ridge and the stopping rule follow the
    spread of each problem's own donors.

    Attributes
    ----------
    pool, centred : float arrays (n_comparators, n_periods)
        Comparators' outcomes; the same without the period means.
    n_pre, n_treated : int
    method, solver : str
    """

    pool: np.ndarray
    centred: np.ndarray
    n_pre: int
    n_treated: int
    method: str
    solver: str

    @classmethod
    def of(
        cls, pool: np.ndarray, n_pre: int, n_treated: int, method: str, solver: str
    ) -> SyntheticWeights:
        """Prepare a pool of comparators."""
        return cls(
            pool=pool,
            centred=pool - pool.mean(0),
            n_pre=n_pre,
            n_treated=n_treated,
            method=method,
            solver=solver,
        )

    def effects(self, target: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """Estimate the effect on each target from its own donors, in batches.

        Parameters
        ----------
        target : float array (n_problems, n_periods)
        donors : bool array (n_problems, n_comparators)

        Returns
        -------
        float array (n_problems,)
        """
        size = max(1, BATCH_CELLS // max(self.pool.shape[0], self.pool.shape[1] ** 2))
        found = np.empty(len(target))
        for k in range(0, len(target), size):
            some = slice(k, k + size)
            unit, time = self.weights(target[some], donors[some])
            gap = target[some] - unit @ self.pool
            before = (time * gap[:, : self.n_pre]).sum(1)
            found[some] = gap[:, self.n_pre :].mean(1) - before
        return found

    def weights(self, target: np.ndarray, donors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute unit and time weights, (n_problems, n_comparators) and (n_problems, n_pre)."""
        noise = self._noise(donors)
        equal = donors / donors.sum(1, keepdims=True)
        time = np.full((len(target), self.n_pre), 0.0 if self.method == "sc" else 1 / self.n_pre)
        if self.method == "did" or not noise.any():
            return equal, time
        still = (noise == 0.0)[:, None]  # donors that never change: nothing to fit
        noise = np.where(noise == 0.0, 1.0, noise)
        unit = self._solve(self._unit_problem(target, donors, noise), self.n_pre, noise)
        if self.method == "sdid":
            found = self._solve(self._time_problem(donors, noise), donors.sum(1), noise)
            time = np.where(still, time, found)
        return np.where(still, equal, unit), time

    def _noise(self, donors: np.ndarray) -> np.ndarray:
        """Measure the spread of the donors' first differences before the start."""
        step = np.diff(self.pool[:, : self.n_pre], axis=1)
        step = step - step.mean()
        count = donors.sum(1) * step.shape[1]
        total, square = donors @ step.sum(1), donors @ (step**2).sum(1)
        spread = np.maximum(square - total**2 / count, 0.0) / np.maximum(count - 1, 1)
        result: np.ndarray = np.sqrt(spread)
        return result

    def _solve(
        self, problem: SimplexProblem, n_rows: int | np.ndarray, noise: np.ndarray
    ) -> np.ndarray:
        if self.solver == "exact":
            return solve_exact(problem)
        return solve_frank_wolfe(problem, tolerance=n_rows * (STOP_DECREASE * noise) ** 2)

    def _unit_problem(
        self, target: np.ndarray, donors: np.ndarray, noise: np.ndarray
    ) -> SimplexProblem:
        A = self.centred[:, : self.n_pre]
        b = (target - self.pool.mean(0))[:, : self.n_pre]
        size = NEGLIGIBLE_RIDGE
        if self.method == "sdid":  # an intercept, and a ridge that spreads the weights
            A, b = A - A.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
            size = (self.n_treated * (self.pool.shape[1] - self.n_pre)) ** 0.25
        return SimplexProblem(
            factor=A,
            linear=b @ A.T,
            constant=(b**2).sum(1),
            allowed=donors,
            ridge=self.n_pre * (size * noise) ** 2,
        )

    def _time_problem(self, donors: np.ndarray, noise: np.ndarray) -> SimplexProblem:
        """Fit the post-treatment mean of each problem's donors by their pre-treatment periods."""
        pre, post = self.centred[:, : self.n_pre], self.centred[:, self.n_pre :].mean(1)
        level = pre.mean(1)
        rows = np.column_stack([pre - level[:, None], post - level])
        out = ~donors
        count = donors.sum(1)[:, None, None]
        total = rows.sum(0) - out @ rows
        products = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
        left_out = (out.astype(float) @ products).reshape(len(donors), *[rows.shape[1]] * 2)
        gram = rows.T @ rows - left_out - total[:, :, None] * total[:, None, :] / count
        return SimplexProblem(
            gram=np.ascontiguousarray(gram[:, :-1, :-1]),
            linear=gram[:, :-1, -1],
            constant=gram[:, -1, -1],
            allowed=np.ones((len(donors), self.n_pre), dtype=bool),
            ridge=donors.sum(1) * (NEGLIGIBLE_RIDGE * noise) ** 2,
        )


@takes(
    DesignError,
    outcomes=Numbers(ndim=(2,)),
    treated=Flags(),
    n_pre=Whole(least=2),
    method=OneOf(METHODS),
    solver=OneOf(SOLVERS),
)
def split_units(
    outcomes: np.ndarray, treated: np.ndarray, n_pre: int, method: str, solver: str
) -> tuple[np.ndarray, np.ndarray]:
    """Check the input; return comparators' and treated units' outcomes.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
    treated : bool array (n_units,)
    n_pre : int
    method, solver : str

    Returns
    -------
    tuple of float arrays

    Raises
    ------
    DesignError
        Where the estimators of this family have no answer.
    """
    Y = outcomes
    checks = [
        ("treated", "name at least one unit", "none", treated.any()),
        ("comparators", "number at least two", int((~treated).sum()), (~treated).sum() >= 2),
        ("n_pre", "leave two periods before and one after", n_pre, 2 <= n_pre < Y.shape[-1]),
    ]
    for name, rule, got, fine in checks:
        if not fine:
            raise DesignError(explain(name, rule, got, "Correct the input, or leave units out."))
    return Y[~treated], Y[treated]
