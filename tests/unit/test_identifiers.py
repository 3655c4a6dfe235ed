"""Patterns of identifiers: the words that spare a search never hide what the pattern finds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot_eval.disclosure.release.identifiers import (
    REACH,
    RULES,
    Near,
    find_identifiers,
    fold,
    holds_one,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule[1])
def test_what_a_pattern_finds_holds_one_of_its_words(rule):
    _, what, words, pattern = rule

    @settings(
        max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.from_regex(pattern.pattern if isinstance(pattern, Near) else pattern))
    def check(text):
        assert holds_one(fold(text), words)
        assert what in {reason for _, reason in find_identifiers(text)}

    check()


@pytest.mark.parametrize("before", ["", "x" * (REACH - 10), "2003 ", "1" * REACH, "in 2004 on "])
@pytest.mark.parametrize("after", ["", " " + "x" * REACH, "1", " 2005", "-2"])
def test_near_a_year_is_as_everywhere(before, after):
    [near] = [pattern for _, _, _, pattern in RULES if isinstance(pattern, Near)]
    for day in ("2003-01-31", "31/01/2003", "1st January 2003", "31 Sept 1999", "2009-01-31"):
        text = before + day + after
        assert bool(near.search(text)) == bool(near.pattern.search(text)), text
