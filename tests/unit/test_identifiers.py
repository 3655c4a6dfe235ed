"""Patterns of identifiers: the words that spare a search never hide what the pattern finds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot_eval.disclosure.release.identifiers import RULES, find_identifiers, fold, holds_one


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule[1])
def test_what_a_pattern_finds_holds_one_of_its_words(rule):
    _, what, words, pattern = rule

    @settings(
        max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.from_regex(pattern))
    def check(text):
        assert holds_one(fold(text), words)
        assert what in {reason for _, reason in find_identifiers(text)}

    check()
