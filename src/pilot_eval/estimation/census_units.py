"""The councils of a design, picked from the census strand's changes; one management, one unit."""

from __future__ import annotations

import numpy as np

from pilot_eval.design.records_design import CensusDesign
from pilot_eval.estimation.council_changes import CouncilChanges, effective_cases
from pilot_eval.estimation.did import Units, combine_clusters


def select_units(changes: CouncilChanges, design: CensusDesign) -> tuple[Units, list[str]]:
    """Pick a design's councils, treated first, and combine those under one management.

    Parameters
    ----------
    changes : CouncilChanges
        With one change a council.
    design : CensusDesign

    Returns
    -------
    units : Units
        `cases` are effective cases: a council whose cases are more spread out counts as smaller.
    treated : list of str
        Codes of the treated councils that have a change.
    """
    chosen, rows, treated = _pick(changes, design)
    units = Units(
        change=changes.change[rows],
        treated=treated,
        cases=effective_cases(changes)[rows],
        period_factor=np.ones(len(rows)),
    )
    labels = [design.clusters.get(code, code) for code in chosen]
    return combine_clusters(units, labels), [c for c in chosen if c in design.treated]


def combine_curves(
    changes: CouncilChanges, design: CensusDesign
) -> tuple[CouncilChanges, np.ndarray]:
    """Pick a design's councils from changes of whole curves, one unit a management.

    Parameters
    ----------
    changes : CouncilChanges
        With K changes a council.
    design : CensusDesign

    Returns
    -------
    units : CouncilChanges
        Mean change and level and sum of cases of every unit.
    treated : ndarray of bool, shape (units,)
    """
    chosen, rows, treated = _pick(changes, design)
    labels = np.array([design.clusters.get(code, code) for code in chosen], dtype=object)
    names, first, member = np.unique(labels.astype(str), return_index=True, return_inverse=True)
    share = np.zeros((len(names), len(rows)))
    share[member, np.arange(len(rows))] = 1
    mean = share / share.sum(axis=1, keepdims=True)
    units = CouncilChanges(
        councils=tuple(names.tolist()),
        change=mean @ changes.change[rows],
        level=np.tensordot(mean, changes.level[rows], axes=1),
        n_pre=changes.n_pre,
        size=share @ changes.size[rows],
        spread=np.full((len(names), changes.size.shape[1]), np.nan),
        dropped=changes.dropped,
    )
    return units, treated[first]


def _pick(changes: CouncilChanges, design: CensusDesign) -> tuple[list[str], list[int], np.ndarray]:
    place = {code: position for position, code in enumerate(changes.councils)}
    chosen = [code for code in (*design.treated, *design.comparators) if code in place]
    treated = np.array([code in design.treated for code in chosen], dtype=bool)
    return chosen, [place[code] for code in chosen], treated
