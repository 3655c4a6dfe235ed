"""Every public function that takes data, under every law, and with every wrong argument.

Functions are found by introspection (`subjects`), laws and where they do not apply are one table
(`laws`, shown in docs/properties.md). `run.py test --slow` runs 200 examples,
benchmarks/bench_properties.py 5,000 of each law and 10,000 wrong calls.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pkgutil import walk_packages

import numpy as np
import pytest
from corruption import bound_draws, corrupt
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import LAWS, NOT_APPLIED, find_reason
from property_page import PAGE, write_page
from subjects import (
    BEHIND,
    IN_FRONT,
    SUBJECTS,
    TREATED,
    find_functions,
    make_world,
    make_world_of,
)

import pilot_eval
from pilot_eval.doors import find_kinds
from pilot_eval.errors import PilotEvalError

EXAMPLES, SLOW, WRONG = 20, 200, 24
MANY_UNITS = 1500
USUAL_DEPTH = 1000
"""Python's own limit of calls within calls; some packages raise it."""
FEWER_UNITS = {"estimation.synthetic_control.estimate_each_council": 400}
NO_ANSWER = {"inference.power.minimum_detectable_effect"}
"""Functions whose answer may be that there is none: here, power out of reach."""
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
MANY = settings(max_examples=SLOW, deadline=None, derandomize=True, database=None)


def obey(name: str, seed: int, *, full: bool) -> None:
    """Hold one function to every law that applies to it, in one drawn world."""
    subject = SUBJECTS[name]
    world = make_world_of(name, seed, full=full)
    base = subject.call(world)
    answered = any(np.isfinite(value).any() for value in base.values())
    assert answered or name in NO_ANSWER, "no answer to compare with"
    for law, check in LAWS.items():
        if find_reason(name, law) or (law == "rename periods" and "periods" not in _parts(name)):
            continue
        try:
            check(subject, world, base, np.random.default_rng(seed))
        except AssertionError as fault:
            raise AssertionError(f"{law}: {fault}") from fault


def refuse(name: str, seed: int) -> None:
    """Call one function with wrong arguments: an answer, or an error of the project's own."""
    rng = np.random.default_rng(seed)
    subject = SUBJECTS[name]
    world = make_world_of(name, seed, full=bool(seed % 2))
    arguments = bound_draws(corrupt(subject, world, rng))
    try:
        subject.function(**arguments)
    except PilotEvalError:
        return


def _parts(name: str) -> object:
    return SUBJECTS[name].parameters


@pytest.mark.parametrize("name", SUBJECTS)
@given(seed=SEEDS, full=st.booleans())
@FEW
def test_a_public_function_obeys_every_law(name, seed, full):
    obey(name, seed, full=full)


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
@given(seed=SEEDS, full=st.booleans())
@MANY
def test_a_public_function_obeys_every_law_in_many_worlds(name, seed, full):
    obey(name, seed, full=full)


@pytest.mark.parametrize("name", SUBJECTS)
def test_wrong_arguments_raise_nothing_but_the_projects_errors(name):
    for seed in range(WRONG):
        refuse(name, seed)


def grow(name: str, n_treated: int) -> None:
    """Call one function with many units; with one treated every set is listed."""
    subject = SUBJECTS[name]
    world = make_world(1, n_treated=n_treated, n_units=FEWER_UNITS.get(name, MANY_UNITS))
    given = subject.arguments(world)
    if n_treated > 1 and "draws" in given:
        given["draws"] = min(given["draws"], 99)
    elif "statistic" in subject.parameters:
        given["statistic"] = "difference"
    kept = sys.getrecursionlimit()
    sys.setrecursionlimit(USUAL_DEPTH)
    try:
        answer = subject.answer(given)
    finally:
        sys.setrecursionlimit(kept)
    assert n_treated == 1 or any(np.isfinite(value).any() for value in answer.values())


@pytest.mark.parametrize("name", [n for n, item in SUBJECTS.items() if item.units])
def test_many_units_are_no_limit(name):
    grow(name, TREATED)
    try:
        grow(name, 1)
    except PilotEvalError:
        return


def test_every_public_function_is_called_or_behind_one_that_is():
    unknown = {name: item.unknown() for name, item in IN_FRONT.items() if item.unknown()}
    assert unknown == {}, "name the parameter in subjects.ARGUMENTS, or the function in BEHIND"
    found = find_functions()
    gone = [part for part in BEHIND if not any(f"{n}.".startswith(f"{part}.") for n in found)]
    gone += [row[0] for row in NOT_APPLIED if not any(f"{n}.".startswith(row[0]) for n in SUBJECTS)]
    assert gone == [], "rows of functions that are no more"


def test_every_door_of_the_package_knows_its_kinds():
    """Annotations are read when a function is first called: one that cannot be would fail there."""
    doors = 0
    for info in walk_packages(pilot_eval.__path__, "pilot_eval."):
        for item in vars(import_module(info.name)).values():
            if inspect.isfunction(item) and item.__module__ == info.name:
                doors += bool(find_kinds(item))
    assert doors > len(SUBJECTS) / 2


def test_the_page_shows_the_table():
    assert PAGE.read_text(encoding="utf-8") == write_page(), "run tests/properties/property_page.py"
