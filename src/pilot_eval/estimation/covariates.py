"""What is known of councils before the start, and the few covariates a plan may declare of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pilot_eval.plan_settings import Covariate

TYPE_GROUPS = {"ILB": "London borough", "OLB": "London borough"}
"""Types that count as one: too few inner London boroughs are not pilots to stand on their own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitFacts:
    """What is known of each council, or of each cluster of councils under one management.

    Attributes
    ----------
    names, types, regions : ndarray of str, shape (n,)
    low_income : ndarray, shape (n,)
        Percent of children in low-income families.
    level_variance : ndarray, shape (n,)
        Sampling variance of the mean level before the start.
    """

    names: np.ndarray
    types: np.ndarray
    regions: np.ndarray
    low_income: np.ndarray
    level_variance: np.ndarray

    def combine(self, labels: np.ndarray, first: np.ndarray, share: np.ndarray) -> UnitFacts:
        """Combine councils under one management.

        Parameters
        ----------
        labels : ndarray of str, shape (units,)
        first : ndarray of int, shape (units,)
            Position of each unit's first council, whose type and region it takes.
        share : ndarray, shape (n, units)
            Weight of each council in its unit's mean.
        """
        single = (share > 0).sum(axis=0) == 1
        return UnitFacts(
            names=np.where(single, self.names[first], labels),
            types=self.types[first],
            regions=self.regions[first],
            low_income=self.low_income @ share,
            level_variance=self.level_variance @ share**2,
        )


def build_covariates(names: Sequence[Covariate], facts: UnitFacts, cases: np.ndarray) -> np.ndarray:
    """Lay out declared covariates, one row for each council.

    Parameters
    ----------
    names : sequence of str
        ``"log_size"`` (logarithm of the cases behind the outcome), ``"council_type"`` (London
        boroughs as one) or ``"region"`` (a column of 0 and 1 for each but the most frequent),
        ``"child_low_income"``.
    facts : UnitFacts
    cases : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n, q)
    """
    parts = {
        "log_size": lambda: [_standardise(np.log(cases))],
        "child_low_income": lambda: [_standardise(facts.low_income)],
        "council_type": lambda: _indicators(group_types(facts.types)),
        "region": lambda: _indicators(facts.regions),
    }
    columns = [column for name in names for column in parts[name]()]
    return np.column_stack(columns) if columns else np.empty((len(cases), 0))


def group_types(types: np.ndarray) -> np.ndarray:
    """Name types with inner and outer London boroughs as one."""
    return np.array([TYPE_GROUPS.get(str(name), str(name)) for name in types])


def _standardise(values: np.ndarray) -> np.ndarray:
    result: np.ndarray = (values - values.mean()) / (values.std() or 1.0)
    return result


def _indicators(labels: np.ndarray) -> list[np.ndarray]:
    """Make a 0/1 column for each label but the most frequent."""
    found, counts = np.unique(labels, return_counts=True)
    rest = [label for label in found if label != found[counts.argmax()]]
    return [(labels == label).astype(float) for label in rest]
