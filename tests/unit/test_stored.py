"""Stored results of long checks: found for exactly what they rest on, exact, and up to date."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from pilot_eval.checks import long_run, other_readings, placebo, plan_readings
from pilot_eval.checks.specification_curve import specification_curve
from pilot_eval.checks.specification_grid import compute_specification_grid
from pilot_eval.design.build import build_design
from pilot_eval.evaluation import stored
from pilot_eval.evaluation.identified import search_set
from pilot_eval.evaluation.published_strand import build_designs
from pilot_eval.evaluation.units import ALL_METHODS
from pilot_eval.lab import detection, simulated_trial
from pilot_eval.monitoring import false_alarms
from pilot_eval.plan import load_plan
from pilot_eval.project import find_file
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.panel import build_panel

STORED = [
    compute_specification_grid,
    detection.months_to_detection,
    false_alarms.list_boundary_alarms,
    false_alarms.list_chart_alarms,
    long_run.list_long_runs,
    other_readings.list_other_readings,
    placebo.list_placebo_years,
    plan_readings.bound_unknown_treated,
    plan_readings.list_certainty_readings,
    plan_readings.list_left_out,
    plan_readings.list_like_readings,
    plan_readings.list_plan_readings,
    plan_readings.list_spillover_readings,
    search_set,
    simulated_trial.watch_councils,
    specification_curve,
]
SEARCHED = 3  # sets searched again in every run of the tests; all of them in the slow ones
OUTCOMES = {
    "conferences_first": "icpc_within_15wd_pct",
    "conferences_both": "icpc_within_15wd_pct",
    "single_exempt": "sa_within_45wd_pct",
    "single_switches": "sa_within_45wd_pct",
}
FRAME = pd.DataFrame(
    {
        "number": [0.1 + 0.2, -1e-17, np.nan, np.inf],
        "count": [1, 2, 3, 4],
        "flag": [True, False, True, False],
        "word": ["a", None, "\u2013", '"x"'],
        "mixed": pd.Series([None, 1.5, "b", True], dtype=object),
    }
)


def double(frame, *, by=2, note=None):
    """Multiply the numbers of a table."""
    return frame.assign(number=frame["number"] * by)


def read_keys(function):
    """State and arguments of each committed result of a function."""
    lines = stored._read_lines(find_file(stored.STORE) / f"{function.__name__}.jsonl")
    return [key.split() for key in lines]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A project without results, of the committed facts and calibrations."""
    real = find_file
    monkeypatch.setattr(
        stored, "find_file", lambda name: tmp_path / name if name == stored.STORE else real(name)
    )
    monkeypatch.setattr(stored, "_hash_function", lambda module, name: f"{module}.{name}")
    (tmp_path / "noted").mkdir()
    (tmp_path / stored.STORE).mkdir(parents=True)
    return tmp_path


def fill(store, *calls, whole=True):
    """Use a stored function as `calls` say, and write what was used."""
    with stored.noting(store / "noted"):
        for args, kwargs in calls:
            stored.stored(double)(*args, **kwargs)
    new = store / "new"
    stored.write_store(store / "noted", store, new, whole=whole)
    (new / stored.STORE / "double.jsonl").replace(store / stored.STORE / "double.jsonl")
    (new / stored.STORE).rmdir()


def never(*_, **__):
    raise AssertionError("computed")


never.__name__, never.__module__ = double.__name__, double.__module__


def test_what_is_found_is_what_was_computed_to_the_last_bit(store):
    fill(store, ([FRAME], {"by": 3}))
    pd.testing.assert_frame_equal(
        stored.stored(never)(FRAME, by=3), double(FRAME, by=3), check_exact=True
    )


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([FRAME], {"by": 4}),
        ([FRAME], {}),
        ([FRAME[::-1]], {"by": 3}),
        ([FRAME.assign(number=1.0)], {"by": 3}),
        ([FRAME.rename(columns={"flag": "flags"})], {"by": 3}),
        ([FRAME.rename(index={0: 9})], {"by": 3}),
        ([FRAME], {"by": 3.0000000001}),
        ([FRAME], {"by": np.array([3.0, 1, 1, 1])}),
    ],
)
def test_another_argument_is_computed(store, args, kwargs):
    fill(store, ([FRAME], {"by": 3}))
    with pytest.raises(AssertionError, match="computed"):
        stored.stored(never)(*args, **kwargs)


def test_other_code_facts_or_versions_are_computed(store, monkeypatch):
    fill(store, ([FRAME], {"by": 3}))
    for name, other in (("_hash_function", "x"), ("hash_folder", "x"), ("version", "9.9")):
        with monkeypatch.context() as changed:
            changed.setattr(stored, name, lambda *_, other=other: other)
            with pytest.raises(AssertionError, match="computed"):
                stored.stored(never)(FRAME, by=3)


def test_an_argument_without_a_hash_is_computed_and_not_stored(store):
    with stored.noting(store / "noted"):
        found = stored.stored(double)(FRAME, note=object())
    pd.testing.assert_frame_equal(found, double(FRAME))
    assert not list((store / "noted").iterdir())


def test_a_whole_refresh_drops_what_is_used_no_more(store):
    fill(store, ([FRAME], {"by": 3}))
    fill(store, ([FRAME], {"by": 5}), whole=False)
    path = store / stored.STORE / "double.jsonl"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    for noted in (store / "noted").iterdir():
        noted.unlink()
    fill(store, ([FRAME], {"by": 5}))
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


def test_a_refresh_of_some_pages_drops_what_older_code_gave(store, monkeypatch):
    fill(store, ([FRAME], {"by": 3}), ([FRAME], {"by": 4}))
    for noted in (store / "noted").iterdir():
        noted.unlink()
    monkeypatch.setattr(stored, "_hash_function", lambda *_: "x")
    fill(store, ([FRAME], {"by": 3}), whole=False)
    path = store / stored.STORE / "double.jsonl"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1
    stored.stored(never)(FRAME, by=3)


def test_hashes_know_every_kind_of_argument_that_checks_take():
    @dataclass
    class Design:
        codes: tuple
        figures: pd.DataFrame

    plan = load_plan()
    kinds = [plan, Design(("a",), FRAME), {"a": {"b": [1, None]}}, {"b", "a"}, range(3), np.eye(2)]
    hashes = {stored._hash_arguments((kind,), {}) for kind in kinds}
    assert len(hashes) == len(kinds)
    assert hashes == {stored._hash_arguments((kind,), {}) for kind in kinds}
    assert stored._hash_arguments(({"b", "a"},), {}) == stored._hash_arguments(({"a", "b"},), {})


@pytest.mark.parametrize("function", STORED, ids=lambda function: function.__name__)
def test_what_is_committed_is_of_the_present_code(function):
    """Run `pilot-eval refresh` where this fails."""
    assert {state for state, _ in read_keys(function)} == {stored.find_state(function)}


def test_every_stored_function_is_known():
    names = {path.stem for path in find_file(stored.STORE).glob("*.jsonl")}
    assert names == {function.__name__ for function in STORED}


@pytest.mark.parametrize(
    ("scenario", "functions"),
    [
        ("conferences_first", ["list_left_out", "list_spillover_readings"]),
        ("conferences_both", ["bound_unknown_treated", "list_certainty_readings"]),
        ("single_exempt", ["list_left_out", "list_certainty_readings"]),
        ("single_switches", ["bound_unknown_treated", "list_left_out"]),
    ],
)
def test_what_is_committed_is_what_is_computed(scenario, functions):
    """Readings of pages 02a, 02b and of the page on robustness, with and without the store."""
    plan, table = load_plan(), load_published()
    panel = build_panel(table, plan)
    design = build_design(plan, panel, scenario=scenario, outcome=OUTCOMES[scenario])
    for function in (getattr(plan_readings, name) for name in functions):
        keys = {key for _, key in read_keys(function)}
        assert stored._hash_arguments((plan, design), {}) in keys
        pd.testing.assert_frame_equal(
            function(plan, design), function.__wrapped__(plan, design), rtol=1e-9
        )


def search_again(plan, designs):
    """Search sets without the store; they must be what the store holds."""
    keys = {key for _, key in read_keys(search_set)}
    for design in designs:
        call, whole = (plan, design, ALL_METHODS), {"thorough": True, "companions": True}
        assert stored._hash_arguments(call, whole) in keys
        [kept], [found] = (
            one(*call, **whole).to_dict("records") for one in (search_set, search_set.__wrapped__)
        )
        assert kept["counts"] == found["counts"]
        for method in ALL_METHODS:
            ours, theirs = (
                pd.Series(one["numbers"][method], dtype=object) for one in (kept, found)
            )
            assert ours["reason"] == theirs["reason"]
            assert ours["fragile"] == theirs["fragile"]
            rest = ours.index.drop(["reason", "fragile"])
            np.testing.assert_allclose(
                ours[rest].astype(float), theirs[rest].astype(float), rtol=1e-9
            )


def list_searched(pilot):
    """The designs of a pilot whose hidden counts are searched."""
    plan = load_plan(pilot)
    designs = build_designs(plan, load_published(), tuple(plan.comparisons)).values()
    few = [one for one in designs if len(one.treated) > 1 and len(one.comparators) > 1]
    return plan, [one for one in few if len(one.own_hidden)]


def test_sets_are_what_a_search_finds():
    plan, designs = list_searched("timescales-2011")
    chosen = np.random.default_rng(7).choice(len(designs), SEARCHED, replace=False)
    search_again(plan, [designs[place] for place in chosen])


@pytest.mark.slow
@pytest.mark.parametrize("pilot", ["timescales-2011", "family-safeguarding"])
def test_every_set_is_what_a_search_finds(pilot):
    search_again(*list_searched(pilot))


def test_what_a_stored_result_rests_on_is_not_stored_too(store):
    def outer(frame):
        return stored.stored(double)(frame)

    outer.__module__ = double.__module__
    with stored.noting(store / "noted"):
        stored.stored(outer)(FRAME)
    assert [path.name.split("-")[0] for path in (store / "noted").iterdir()] == ["outer"]


def test_the_store_holds_no_more_than_tables():
    for path in find_file(stored.STORE).glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert set(json.loads(line)) == {"key", "columns"}
