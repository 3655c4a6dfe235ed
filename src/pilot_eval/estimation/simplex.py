"""Least squares over the unit simplex, many problems at once, in Gram form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pilot_eval.estimation.least_norm import EXACT_TOLERANCE, fit_least_norm

FIRST_ROUND = 100  # iterations before small weights are dropped, as published
LARGEST_GRAM = 2_000  # weights up to which a square matrix of them is kept
SMALLEST_SCALE = 1e-100
CONDITION_LIMIT = 1e-9  # the same for a safe direct solution
SPARSE_SHARE = 0.25  # weights up to this share of the largest are dropped, as published


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimplexProblem:
    """Minimise |A x - b|^2 + ridge |x|^2 over x >= 0, sum(x) = 1, for several problems.

    Attributes
    ----------
    linear : float array (n_problems, n_weights)
        A'b.
    constant : float array (n_problems,)
        b'b.
    allowed : bool array (n_problems, n_weights)
        False holds a weight at zero.
    ridge : float array (n_problems,)
    factor : float array (n_weights, n_rows), optional
        A', where all problems share it.
    gram : float array (n_problems, n_weights, n_weights), optional
        A'A, where each has its own.
    """

    linear: np.ndarray
    constant: np.ndarray
    allowed: np.ndarray
    ridge: np.ndarray
    factor: np.ndarray | None = None
    gram: np.ndarray | None = None


def solve_frank_wolfe(
    problem: SimplexProblem, *, tolerance: np.ndarray, max_iterations: int = 10_000
) -> np.ndarray:
    """Solve by Frank-Wolfe steps in two rounds, small weights dropped between them.

    Parameters
    ----------
    problem : SimplexProblem
    tolerance : float array (n_problems,)
        A problem stops once a step lowers its objective by no more than this.
    max_iterations : int
        In the second round.

    Returns
    -------
    float array (n_problems, n_weights)

    References
    ----------
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), AER 111(12), algorithm 1 and its
    published software: exact line search, uniform start, 100 steps, drop weights up to a quarter
    of the largest, 10,000 steps. ``docs/methods-estimators.md``, block SDID.
    """
    start = problem.allowed / problem.allowed.sum(1, keepdims=True)
    rough = _descend(problem, start, tolerance, FIRST_ROUND)
    return _descend(problem, _sparsify(rough), tolerance, max_iterations)


def solve_exact(problem: SimplexProblem) -> np.ndarray:
    """Solve to the optimum: active sets, or non-negative least squares where near-singular.

    Parameters
    ----------
    problem : SimplexProblem

    Returns
    -------
    float array (n_problems, n_weights)
        The minimiser; where several share the minimum, one of them.

    References
    ----------
    Nocedal and Wright (2006), Numerical Optimization, algorithm 16.3; Lawson and Hanson (1974),
    Solving Least Squares Problems, chapter 23. ``docs/methods-estimators.md``, block SDID.
    """
    solution = np.zeros_like(problem.linear)
    shared = None if problem.factor is None else _Quadratic.of_factor(problem.factor)
    for b, linear in enumerate(problem.linear):
        kept = np.flatnonzero(problem.allowed[b])
        quadratic = (
            shared or _Quadratic.of_gram(problem.gram[b])  # type: ignore[index]  # own if none shared
        ).restrict(kept, problem.ridge[b])
        if quadratic.well_conditioned:
            solution[b, kept] = _active_set(quadratic, linear[kept])
        else:  # the ridge only chooses among equal minima
            solution[b, kept] = fit_least_norm(quadratic.factor, linear[kept])
    return solution


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Quadratic:
    """The matrix F F' + ridge by its factor F, (n_weights, rank)."""

    factor: np.ndarray
    smallest: float
    largest: float
    ridge: float = 0.0

    @classmethod
    def of_gram(cls, gram: np.ndarray) -> _Quadratic:
        value, vector = np.linalg.eigh(gram)
        value = np.maximum(value, 0.0)  # below 0 by rounding where donors are alike
        largest = max(float(value[-1]), 1e-300)
        return cls(factor=vector * np.sqrt(value), smallest=float(value[0]), largest=largest)

    @classmethod
    def of_factor(cls, factor: np.ndarray) -> _Quadratic:
        wide = factor.shape[0] > factor.shape[1]
        value = np.linalg.eigvalsh(factor.T @ factor if wide else factor @ factor.T)
        smallest = 0.0 if wide else max(float(value[0]), 0.0)
        return cls(factor=factor, smallest=smallest, largest=max(float(value[-1]), 1e-300))

    @property
    def well_conditioned(self) -> bool:
        return self.smallest + self.ridge > CONDITION_LIMIT * self.largest

    def restrict(self, rows: np.ndarray, ridge: float) -> _Quadratic:
        return replace(self, factor=self.factor[rows], ridge=float(ridge))

    def gradient(self, x: np.ndarray, linear: np.ndarray) -> np.ndarray:
        result: np.ndarray = self.factor @ (x @ self.factor) + self.ridge * x - linear
        return result

    def solve(self, free: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Solve on some weights, through the smaller of the two systems."""
        thin = self.factor[free]
        if len(free) <= thin.shape[1] or self.ridge <= CONDITION_LIMIT * self.largest:
            return np.linalg.solve(thin @ thin.T + self.ridge * np.eye(len(free)), right)
        inner = thin.T @ thin + self.ridge * np.eye(thin.shape[1])
        result: np.ndarray = (right - thin @ np.linalg.solve(inner, thin.T @ right)) / self.ridge
        return result

    def solve_to_one(self, free: np.ndarray, linear: np.ndarray) -> tuple[np.ndarray, float]:
        """Minimise over weights that sum to one, signs free; also the common gradient."""
        solved = self.solve(free, np.column_stack([linear[free], np.ones(len(free))]))
        level = (1.0 - solved[:, 0].sum()) / solved[:, 1].sum()
        return solved[:, 0] + level * solved[:, 1], level


def _active_set(quadratic: _Quadratic, linear: np.ndarray) -> np.ndarray:
    support, x = _first_support(quadratic, linear)
    slack = EXACT_TOLERANCE * max(quadratic.largest, np.abs(linear).max())
    for _ in range(20 * len(linear)):
        free = np.flatnonzero(support)
        goal, level = quadratic.solve_to_one(free, linear)
        if goal.min() < 0:
            down = goal < x[free]
            ratio = np.where(down, x[free] / np.where(down, x[free] - goal, 1.0), np.inf)
            x[free] = np.maximum(x[free] + min(1.0, ratio.min()) * (goal - x[free]), 0.0)
            support[free[ratio.argmin()]] = False
            x[~support] = 0.0
            continue
        x[free] = goal
        gradient = np.where(support, np.inf, quadratic.gradient(x, linear) - level)
        if gradient.min() >= -slack:
            break
        support[gradient.argmin()] = True
    return x


def _first_support(quadratic: _Quadratic, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop negative weights until none is left: a feasible start close to the optimum."""
    support, x = np.ones(len(linear), dtype=bool), np.zeros(len(linear))
    while True:
        free = np.flatnonzero(support)
        value, _ = quadratic.solve_to_one(free, linear)
        if value.min() >= 0:
            x[free] = value
            return support, x
        support[free[value < 0]] = False


def _sparsify(x: np.ndarray) -> np.ndarray:
    kept = np.where(x <= SPARSE_SHARE * x.max(1, keepdims=True), 0.0, x)
    result: np.ndarray = kept / kept.sum(1, keepdims=True)
    return result


def _descend(
    problem: SimplexProblem, start: np.ndarray, tolerance: np.ndarray, max_iterations: int
) -> np.ndarray:
    state = _State(problem, start)
    solution = start.copy()
    before = np.full(len(start), np.inf)
    for count in range(1, max_iterations + 1):
        value = state.step()
        if count >= 2:
            done = before - value <= tolerance[state.problems]
            if done.any():
                solution[state.problems[done]] = state.x[done]
                state.keep(~done)
                value = value[~done]
                if len(value) == 0:
                    return solution
        before = value
    solution[state.problems] = state.x
    return solution


class _State:
    """Running sums of the problems that have not stopped; one Frank-Wolfe step updates all.

    With H = x'A'Ax, S = x'x and P = x'A'b kept up to date, a step costs one pass over the
    gradient instead of a matrix product.
    """

    BY_PROBLEM = ("problems", "constant", "ridge", "linear", "scale", "z", "reach", "S", "H", "P")

    def __init__(self, problem: SimplexProblem, start: np.ndarray) -> None:
        self.factor: Any  # an array where `shared`, else None
        self.gram: Any  # an array, or None where `shared` and it would be too large
        self.problems = np.arange(len(start))
        self.ridge, self.constant = problem.ridge, problem.constant
        self.factor, self.gram = problem.factor, problem.gram
        self.shared = self.factor is not None
        if self.shared and len(self.factor) <= LARGEST_GRAM:
            self.gram = self.factor @ self.factor.T
        # A forbidden weight has gradient +inf: it is never chosen.
        self.linear = np.where(problem.allowed, problem.linear, -np.inf)
        self.scale = np.ones(len(start))  # x = scale * z: shrinking x is one number per problem
        self.z = start.copy()
        self.reach = self._product(start) + self.ridge[:, None] * start
        self.S = (start**2).sum(1)
        self.H = (start * self.reach).sum(1) - self.ridge * self.S
        self.P = (start * np.where(problem.allowed, problem.linear, 0.0)).sum(1)
        self._size()

    @property
    def x(self) -> np.ndarray:
        result: np.ndarray = self.scale[:, None] * self.z
        return result

    def _product(self, x: np.ndarray) -> np.ndarray:
        if self.shared:
            result: np.ndarray = (x @ self.factor) @ self.factor.T
            return result
        own: np.ndarray = np.matmul(self.gram, x[:, :, None])[:, :, 0]
        return own

    def _size(self) -> None:
        self.rows = np.arange(len(self.problems))
        self.buffer = np.empty_like(self.z)
        if self.shared:
            diagonal = (self.factor**2).sum(1)
        else:
            diagonal = np.diagonal(self.gram, axis1=-2, axis2=-1)
        self.diagonal = np.broadcast_to(diagonal, self.z.shape)

    def keep(self, rows: np.ndarray) -> None:
        for name in (
            "problems",
            "constant",
            "ridge",
            "linear",
            "scale",
            "z",
            "reach",
            "S",
            "H",
            "P",
        ):
            setattr(self, name, getattr(self, name)[rows])
        if not self.shared:
            self.gram = self.gram[rows]
        self._size()

    def step(self) -> np.ndarray:
        """Move every problem towards its best vertex; return the objectives."""
        rows, ridge = self.rows, self.ridge
        np.subtract(self.reach, self.linear, out=self.buffer)
        best = self.buffer.argmin(1)
        x_best, diagonal = self.scale * self.z[rows, best], self.diagonal[rows, best]
        product = self.reach[rows, best] - ridge * x_best
        slope = self.buffer[rows, best] - (self.H - self.P + ridge * self.S)
        curve = diagonal - 2 * product + self.H + ridge * (1 - 2 * x_best + self.S)
        size = np.where(curve > 0, -slope / np.where(curve > 0, curve, 1.0), 0.0).clip(0.0, 1.0)
        stay = 1.0 - size
        self.H = stay**2 * self.H + 2 * stay * size * product + size**2 * diagonal
        self.S = stay**2 * self.S + 2 * stay * size * x_best + size**2
        self.P = stay * self.P + size * self.linear[rows, best]
        self._move(best, size, stay)
        result: np.ndarray = self.H - 2 * self.P + self.constant + ridge * self.S
        return result

    def _move(self, best: np.ndarray, size: np.ndarray, stay: np.ndarray) -> None:
        rows = self.rows
        self.scale = self.scale * stay
        faded = self.scale < SMALLEST_SCALE
        if faded.any():
            self.z[faded] *= self.scale[faded, None]
            self.scale[faded] = 1.0
        self.z[rows, best] += size / self.scale
        if not self.shared:
            self.buffer[:] = self.gram[rows, best]
        elif self.gram is None:
            np.matmul(self.factor[best], self.factor.T, out=self.buffer)
        else:  # "clip" skips a bounds check that costs more than the copy
            np.take(self.gram, best, axis=0, out=self.buffer, mode="clip")
        self.buffer *= size[:, None]
        self.reach *= stay[:, None]
        self.reach += self.buffer
        self.reach[rows, best] += size * self.ridge
