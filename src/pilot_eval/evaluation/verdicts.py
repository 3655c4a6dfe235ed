"""Evidence becomes verdicts: a finding, a security rating and words, by the rules of the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, isfinite, isnan

import pilot_eval.evaluation.verdict_words as words
from pilot_eval.evidence import (
    ALIKE,
    BEST_RATING,
    CHANGED,
    FELL,
    HIGHER,
    LOWER,
    ROSE,
    UNANSWERED,
    UNCHANGED,
    Answer,
    Doubt,
    Finding,
    Verdict,
    VerdictInputs,
)
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_settings import VerdictRules

NO_ANSWER = "no_answer"


def judge(inputs: VerdictInputs, rules: VerdictRules) -> Verdict:
    """Judge one comparison.

    Parameters
    ----------
    inputs : VerdictInputs
    rules : VerdictRules
        ``plan.verdict``.

    Returns
    -------
    Verdict
        `finding` is ``"cannot be told"`` with rating 0 where nothing was estimated, no test holds
        its level on the outcome's own data, the interval says nothing, or the trend before the
        start would have given as much by itself. Levels of an outcome without figures from before
        are *higher* or *lower* and never said to have changed. Otherwise it follows
        from the interval of the test that carries it, and the rating is 5 minus the points of
        every condition that holds, at least 0 and at most the lowest cap.

    References
    ----------
    Education Endowment Foundation (2019), Classification of the security of findings from EEF
    evaluations: the rating is about the evidence and not about the size of the effect.

    Examples
    --------
    >>> judge(inputs, load_plan().verdict).short                          # doctest: +SKIP
    'no clear change; security 1 of 5'
    """
    why = _why_no_answer(inputs, rules)
    finding = UNANSWERED if why else _find(inputs)
    doubts = [Doubt(condition=NO_ANSWER, points=BEST_RATING, cap=0, text=why)] if why else []
    if inputs.status == "estimated":
        doubts += _list_doubts(inputs, rules, finding)
    doubts.sort(key=lambda doubt: -doubt.weight)  # stable: equal weights stay in the rules' order
    rating = rate(doubts)
    direction = words.name_direction(inputs.harm, finding)
    excludes = _excludes_margin(inputs, finding)
    return Verdict(
        inputs=inputs,
        finding=finding,
        direction=direction,
        excludes_margin=excludes,
        rating=rating,
        doubts=tuple(doubts),
        short=words.word_short(finding, direction, rating),
        long=words.word_long(inputs, finding, direction, excludes, rating, doubts),
    )


def answer_questions(plan: EvaluationPlan, verdicts: Sequence[Verdict]) -> tuple[Answer, ...]:
    """Answer every question of the plan that was evaluated.

    The primary scenario's comparisons answer the question of their outcomes' family, a primary
    outcome before others; a scenario with a question of its own answers that one. A later round
    answers every question again, for itself.
    """
    primary = plan.family.primary_scenario
    asked = (primary, *(key for key, scenario in plan.scenarios.items() if scenario.question))
    answers = []
    for key, question in plan.questions.items():
        for scenarios in (asked, *((later,) for later in list_later_rounds(plan))):
            own = [
                verdict
                for verdict in verdicts
                if verdict.inputs.scenario in scenarios
                and plan.family_of(verdict.inputs.scenario, verdict.inputs.outcome) == key
            ]
            first = [item for item in own if item.inputs.outcome in plan.family.primary_outcomes]
            if own:
                found = answer(question, key, own, first or own)
                headline = found.verdict.inputs.scenario not in plan.family.outside
                later = scenarios is not asked
                answers.append(replace(found, is_later_round=later, is_headline=headline))
    return tuple(answers)


def list_later_rounds(plan: EvaluationPlan) -> list[str]:
    """List the scenarios of other councils in other windows than the primary one's."""
    primary = plan.family.primary_scenario
    treated = set(plan.scenarios[primary].councils)
    return [
        key
        for key, scenario in plan.scenarios.items()
        if key != primary
        and scenario.windows
        and not scenario.question
        and not treated & set(scenario.councils)
    ]


def answer(
    question: str,
    family: str,
    verdicts: Sequence[Verdict],
    primary: Sequence[Verdict] | None = None,
) -> Answer:
    """Answer a question from the verdicts of its comparisons.

    The comparison that carries the answer is the most secure of those that found a change for the
    worse; if there is none, of those that found any change. Where none found a change, it is the
    one whose interval reaches furthest into harm, in standard deviations between comparators: a
    warning is not outvoted, and the least reassuring outcome speaks.

    Parameters
    ----------
    question, family : str
    verdicts : sequence of Verdict
        At least one.
    primary : sequence of Verdict, optional
        Those that may carry the answer; all by default.

    Returns
    -------
    Answer
    """
    carried = min(verdicts if primary is None else primary, key=_place)
    return Answer(
        question=question,
        family=family,
        verdict=carried,
        verdicts=tuple(verdicts),
        short=words.word_short(carried.finding, carried.direction, carried.rating),
        long=words.word_answer(carried, verdicts),
    )


def _place(verdict: Verdict) -> tuple[int, float]:
    """Place a verdict in the order in which comparisons carry an answer."""
    if verdict.finding == UNANSWERED:
        return 3, 0.0
    if verdict.finding in (UNCHANGED, ALIKE):
        used = verdict.inputs
        reach = {"rises": used.conf_high, "falls": -used.conf_low}.get(
            used.harm, max(used.conf_high, -used.conf_low)
        )
        return 2, -reach / used.spread
    return 0 if verdict.direction == "worse" else 1, -verdict.rating


def rate(doubts: list[Doubt]) -> int:
    """Turn doubts into a rating: 5 minus their points, at least 0 and at most the lowest cap."""
    left = BEST_RATING - sum(doubt.points for doubt in doubts)
    return max(0, min([left, *(doubt.cap for doubt in doubts)]))


def _why_no_answer(inputs: VerdictInputs, rules: VerdictRules) -> str:
    """Say why the comparison gives no answer; empty where it gives one."""
    if inputs.status != "estimated":
        return words.finish(inputs.reason or "no figures can be compared")
    if inputs.n_units < rules.fewest_units:
        return words.word_too_few(inputs)
    if not inputs.test:
        return words.NO_TEST
    if not (isfinite(inputs.conf_low) and isfinite(inputs.conf_high)):
        return words.NO_END
    reach = rules.widest_interval * inputs.spread
    if inputs.conf_low < -reach and inputs.conf_high > reach:
        return words.word_says_nothing(inputs)
    if _find(inputs) in CHANGED and _trend_share(inputs) >= rules.trend_whole:
        return words.word_trend_whole(inputs)
    return ""


def _find(inputs: VerdictInputs) -> Finding:
    above, below, neither = (HIGHER, LOWER, ALIKE) if inputs.earlier else (ROSE, FELL, UNCHANGED)
    finding: Finding = above if inputs.conf_low > 0 else neither
    return below if inputs.conf_high < 0 else finding


def _excludes_margin(inputs: VerdictInputs, finding: Finding) -> bool | None:
    """Say whether the interval leaves out a harm as large as the margin (non-inferiority)."""
    if inputs.margin is None or inputs.harm == "ambiguous" or finding == UNANSWERED:
        return None
    if inputs.harm == "rises":
        return inputs.conf_high < inputs.margin
    return inputs.conf_low > -inputs.margin


def _list_doubts(inputs: VerdictInputs, rules: VerdictRules, finding: Finding) -> Iterator[Doubt]:
    """Yield every doubt that the plan's rules find, with its points or its cap."""
    points, caps = rules.points.model_dump(), rules.caps.model_dump()
    for condition, text in (*_about_units(inputs, rules), *_about_result(inputs, rules, finding)):
        cost, cap = points.get(condition, 0), caps.get(condition, BEST_RATING)
        if cost or cap < BEST_RATING:
            yield Doubt(condition=condition, points=cost, cap=cap, text=text)


def _about_units(inputs: VerdictInputs, rules: VerdictRules) -> Iterator[tuple[str, str]]:
    """Yield doubts that stand before any result: who is compared, on which figures."""
    if inputs.n_units < rules.validated_units:
        yield "too_few_units", words.word_unvalidated(inputs)
    elif inputs.n_units < rules.enough_units:
        yield "few_units", words.word_few(inputs)
    unseen = 1 - inputs.seen / inputs.listed
    if unseen:
        condition = "many_unseen" if unseen > rules.most_unseen else "some_unseen"
        yield condition, words.word_unseen(inputs)
    if inputs.known_freed < inputs.seen:
        yield "not_known_freed", words.word_not_freed(inputs)
    if inputs.breaks:
        yield "definition_changed", words.word_breaks(inputs)
    if inputs.earlier:
        yield "levels", words.word_levels(inputs)
    elif isnan(inputs.trend_low):
        yield "one_period_before", words.NO_TREND
    if inputs.test and not inputs.is_first_test:
        yield "later_test", words.word_later_test(inputs)
    if inputs.test and isnan(inputs.rejection_rate):
        yield "not_calibrated", words.NOT_CALIBRATED
    if rules.assignment == "chosen":
        yield "chosen", words.word_chosen(inputs)


def _about_result(
    inputs: VerdictInputs, rules: VerdictRules, finding: Finding
) -> Iterator[tuple[str, str]]:
    """Yield doubts that come from the numbers."""
    if isnan(inputs.other_low):
        yield "not_adjusted", words.word_not_adjusted(inputs)
    elif _readings_differ(inputs):
        yield "readings_differ", words.word_readings(inputs)
    width = inputs.estimate_high - inputs.estimate_low
    if width > rules.widest_set * (inputs.conf_high - inputs.conf_low):
        yield "hidden_counts", words.word_hidden(inputs)
    if finding in CHANGED:
        yield from _about_change(inputs, rules)
    elif finding in (UNCHANGED, ALIKE):
        yield from _about_no_change(inputs, rules)


def _about_change(inputs: VerdictInputs, rules: VerdictRules) -> Iterator[tuple[str, str]]:
    if not inputs.p_family <= inputs.level:
        yield "family", words.word_family(inputs)
    if _trend_share(inputs) >= rules.trend_part:
        yield "trend_part", words.word_trend(inputs)
    if _one_unit_decides(inputs, rules.share_without_one):
        yield "one_unit_decides", words.word_left_one_out(inputs)


def _about_no_change(inputs: VerdictInputs, rules: VerdictRules) -> Iterator[tuple[str, str]]:
    size = rules.matters * inputs.spread if inputs.margin is None else inputs.margin
    if _holds_what_matters(inputs, size):
        yield "imprecise", words.word_imprecise(inputs, size)
    if max(abs(inputs.trend_low), abs(inputs.trend_high)) >= size:
        yield "trend_part", words.word_trend(inputs)


def _readings_differ(inputs: VerdictInputs) -> bool:
    """Say whether the unadjusted and the adjusted reading differ in sign or in leaving out zero."""
    ours = _sign(inputs.conf_low, inputs.conf_high)
    theirs = _sign(inputs.other_conf_low, inputs.other_conf_high)
    signs = _sign(inputs.estimate_low, inputs.estimate_high) * _sign(
        inputs.other_low, inputs.other_high
    )
    return ours != theirs or signs < 0


def _sign(low: float, high: float) -> int:
    """Return 1 or -1 where everything between lies on one side of zero, else 0."""
    return 1 if low > 0 else -1 if high < 0 else 0


def _trend_share(inputs: VerdictInputs) -> float:
    """Share of the effect found that the trend before the start would give, at most.

    0 where there was no trend or it pointed the other way; infinite for a set that holds 0.
    """
    side = 1 if inputs.conf_low > 0 else -1
    trend = max(side * inputs.trend_low, side * inputs.trend_high)
    if not trend > 0:
        return 0.0
    least = min(side * inputs.estimate_low, side * inputs.estimate_high)
    return trend / least if least > 0 else inf


def _one_unit_decides(inputs: VerdictInputs, share: float) -> bool:
    """Say whether without some unit less than a share of the effect found would remain."""
    side = 1 if inputs.conf_low > 0 else -1
    without = min(side * inputs.left_one_out_low, side * inputs.left_one_out_high)
    return without < share * min(side * inputs.estimate_low, side * inputs.estimate_high)


def _holds_what_matters(inputs: VerdictInputs, size: float) -> bool:
    """Say whether the interval holds a change that would matter: a harm, where harm has a side."""
    if isnan(size):
        return True
    up, down = inputs.conf_high >= size, inputs.conf_low <= -size
    return {"rises": up, "falls": down, "ambiguous": up or down}[inputs.harm]
