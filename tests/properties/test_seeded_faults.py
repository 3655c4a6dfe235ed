"""Each kind of fault, put back, is caught by the laws that hold for every function."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_every_function import grow, obey, refuse
from test_own_tables import ROW, read

from pilot_eval import doors
from pilot_eval.app import parameters
from pilot_eval.estimation import cohorts, event_study, two_way
from pilot_eval.inference import assignments, inputs
from pilot_eval.published import own_cells
from pilot_eval.records import pseudo_observations

ROBUST = "inference.robust.robust_test"
COLLAPSE = "estimation.did.collapse_changes"


def _by_position(error, given, kinds, **_):
    return dict(given)


def _column_means(values, seen):
    return np.where(seen, values, 0.0).sum(axis=-2) / np.maximum(seen.sum(axis=0), 1)


def _inverse(values, seen):
    normal = np.diag(seen.sum(axis=0)) - seen.T @ (seen / np.maximum(seen.sum(axis=1), 1)[:, None])
    return np.where(seen, values, 0.0).sum(axis=-2) @ np.linalg.inv(np.round(normal * 0.0))


def _read_missing_as_zero(self, name, value, error):
    return np.nan_to_num(doors.read_numbers(name, value, error))


def _own_changes(panel, time, base):
    """Changes of cohorts at their own calendar dates, period effects left in."""
    changed = ORIGINAL_COLLAPSE(panel, time, base)
    shift = panel.outcomes[panel.cohort == event_study.NEVER].mean(axis=0)
    return np.where(panel.treated, changed + shift[panel.cohort], changed)


def _read_missing(self, name, value, error):
    """Read numbers as they are, missing ones among them: every comparison with them is false."""
    return doors.read_numbers(name, value, error)


def _list_recursively(sizes):
    """List sets of one by a call within another for every unit."""

    def extend(units):
        return [units[:1], *extend(units[1:])] if units else []

    return np.array(extend(sizes[0][0].tolist()), dtype=np.intp)


ORIGINAL_PREPARE = pseudo_observations.prepare_cases
ORIGINAL_COLLAPSE = event_study._collapse
FAULTS = {
    "labels trusted by position": (doors, "align", _by_position, ROBUST),
    "a missing flag is treated": (
        doors.Flags,
        "read",
        lambda self, name, value, error: np.asarray(value, dtype=object) != 0,
        ROBUST,
    ),
    "a constant in the outcome's unit": (
        inputs,
        "no_variation",
        lambda values: bool(np.ptp(values) < 1e-3),
        "inference.cluster_robust.cr2_test",
    ),
    "digits lost to a common shift": (
        inputs,
        "centre",
        lambda changes, treated: changes.astype(np.float32).astype(float),
        ROBUST,
    ),
    "a missing number is believed": (doors.Numbers, "read", _read_missing, ROBUST),
    "years with a gap by index": (
        cohorts.Periods,
        "read",
        lambda self, name, value, error: np.arange(len(value)) + int(np.min(value)),
        "estimation.event_study.estimate_event_study",
    ),
    "a missing number is zero": (doors.Numbers, "read", _read_missing_as_zero, ROBUST),
    "one step without convergence": (two_way, "solve_period_effects", _column_means, COLLAPSE),
    "rank not checked": (two_way, "solve_period_effects", _inverse, COLLAPSE),
    "period effects in a variance": (
        event_study,
        "_collapse",
        _own_changes,
        "checks.trend_evidence.trend_evidence",
    ),
    "preconditions not enforced": (
        doors.Whole,
        "read",
        lambda self, name, value, error: value,
        ROBUST,
    ),
    "cases never at risk": (
        pseudo_observations,
        "prepare_cases",
        lambda *given: replace(ORIGINAL_PREPARE(*given), entry=None),
        "records.pseudo_observations.pseudo_restricted_mean",
    ),
}


def _is_caught(name: str) -> bool:
    for seed in range(12):
        try:
            obey(name, seed, full=bool(seed % 2))
        except Exception:  # what a fault raises is of any kind
            return True
    return False


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_put_back_is_caught(kind, monkeypatch):
    place, attribute, fault, name = FAULTS[kind]
    monkeypatch.setattr(place, attribute, fault)
    assert _is_caught(name)


def test_an_unchecked_length_is_caught(monkeypatch):
    monkeypatch.setattr(doors, "_same_units", lambda *_: None)
    with pytest.raises((ValueError, IndexError), match=r"index|shape|broadcast"):
        _refuse_many(ROBUST)


def _refuse_many(name: str) -> None:
    for seed in range(300):
        refuse(name, seed)


def test_recursion_over_units_is_caught(monkeypatch):
    monkeypatch.setattr(assignments, "_list_all", _list_recursively)
    assignments._draw_again.cache_clear()
    with pytest.raises(RecursionError):
        grow("inference.randomisation.randomisation_test", 1)


def test_an_own_tables_point_for_thousands_is_caught(monkeypatch, tmp_path):
    row = ROW | {"numerator": "30", "denominator": "56.218"}
    assert read(tmp_path, row) is None
    monkeypatch.setattr(own_cells, "_read_count", lambda text: (text, ""))
    assert read(tmp_path, row)["denominator"] == 56.218


def test_a_parameter_left_as_text_is_caught(monkeypatch):
    assert parameters.read_parameter("draws", "1e3") == 1000
    monkeypatch.setattr(parameters, "_read_number", lambda kind, value: value)
    assert parameters.read_parameter("draws", "1e3") != 1000
