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


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if isinstance(rule[3], Near)], ids=lambda rule: rule[1]
)
def test_near_its_anchor_a_pattern_finds_what_it_finds_everywhere(rule):
    near = rule[3]
    numbers = st.text("0123456789 -./ab", max_size=REACH)

    @settings(
        max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(numbers, st.from_regex(near.pattern), numbers)
    def check(before, match, after):
        for text in (before + match + after, f"{before} {match} {after}", before + after):
            assert bool(near.search(text)) == bool(near.pattern.search(text))

    check()
