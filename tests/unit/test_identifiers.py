"""Patterns of identifiers: the words that spare a search never hide what the pattern finds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot_eval.disclosure.release.identifiers import (
    REACH,
    RULES,
    TENS,
    Near,
    Shaped,
    find_identifiers,
    fold,
    holds_one,
)


def everywhere(pattern):
    """Give the pattern itself, without what spares a search."""
    while isinstance(pattern, Near | Shaped):
        pattern = pattern.pattern
    return pattern


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule[1])
def test_what_a_pattern_finds_holds_one_of_its_words(rule):
    _, what, words, pattern = rule

    @settings(
        max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.from_regex(everywhere(pattern)))
    def check(text):
        assert holds_one(fold(text), words)
        assert what in {reason for _, reason in find_identifiers(text)}

    check()


@pytest.mark.parametrize(
    "searched",
    [pattern for *_, pattern in RULES if isinstance(pattern, Near | Shaped)] + [TENS],
    ids=lambda searched: everywhere(searched).pattern[:40],
)
def test_what_spares_a_search_finds_what_the_pattern_finds_everywhere(searched):
    pattern = everywhere(searched)
    numbers = st.text("0123456789 -./abA\u0661\u017f\u00e9\u2013", max_size=REACH)

    @settings(
        max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(numbers, st.from_regex(pattern), numbers)
    def check(before, match, after):
        for text in (before + match + after, f"{before} {match} {after}", before + after):
            assert bool(searched.search(text)) == bool(pattern.search(text))

    check()
