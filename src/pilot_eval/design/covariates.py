"""The few covariates that a plan may declare for the adjusted reading, as columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pilot_eval.plan import Covariate
from pilot_eval.reference.facts import Council, load_councils

COUNCIL_TYPES = {"ILB": "London borough", "OLB": "London borough"}
"""Types that count as one: too few inner London boroughs are not pilots to stand on their own."""


def build_covariates(
    names: Sequence[Covariate], codes: Sequence[str], cases: np.ndarray
) -> np.ndarray:
    """Lay out declared covariates, one row for each council.

    Parameters
    ----------
    names : sequence of str
        ``"log_size"`` (logarithm of the cases behind the outcome), ``"council_type"`` or
        ``"region"`` (a column of 0 and 1 for each but the most frequent), ``"child_low_income"``
        (percent of children in low-income families, 2011).
    codes : sequence of str, length n
        Council codes.
    cases : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n, q)
    """
    councils = {council.council_code: council for council in load_councils()}
    own = [councils[code] for code in codes]
    parts = {
        "log_size": lambda: [_standardise(np.log(cases))],
        "child_low_income": lambda: [
            _standardise(np.array([council.child_low_income_2011_pct for council in own], float))
        ],
        "council_type": lambda: _indicators([group_type(council) for council in own]),
        "region": lambda: _indicators([council.region for council in own]),
    }
    columns = [column for name in names for column in parts[name]()]
    return np.column_stack(columns) if columns else np.empty((len(own), 0))


def group_type(council: Council) -> str:
    """Name a council's type, inner and outer London boroughs together."""
    return COUNCIL_TYPES.get(council.council_type, council.council_type)


def _standardise(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() or 1.0)


def _indicators(labels: list[str]) -> list[np.ndarray]:
    """Make a 0/1 column for each label but the most frequent."""
    found, counts = np.unique(labels, return_counts=True)
    rest = [label for label in found if label != found[counts.argmax()]]
    return [(np.array(labels) == label).astype(float) for label in rest]
