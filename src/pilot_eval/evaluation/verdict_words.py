"""The words of verdicts, and the list of words that nothing else may use.

Every sentence that judges a result is made here. `JUDGING_PHRASES` is searched for in code,
documents, notebooks and everything a run writes: outside the words of a verdict it is a fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

from pilot_eval.evidence import (
    BEST_RATING,
    FELL,
    ROSE,
    Doubt,
    Finding,
    Verdict,
    VerdictInputs,
)

Direction = Literal["worse", "better", ""]
FINDINGS: tuple[Finding, ...] = get_args(Finding)

JUDGING_PHRASES = (
    # findings of a verdict
    "no clear change",
    "no clear difference",
    "cannot be told",
    "counted as worse",
    "counted as better",
    # other ways of saying the same
    "beyond chance",
    "could be chance",
    "harm is shown",
    "harm shown",
    "inconclusive",
    "may have fallen",
    "may have risen",
    "no significant",
    "non-inferior",
    "not shown",
    "rule out",
    "ruled out",
    "rules out",
    "shows harm",
    "signs both ways",
    "signs of",
    "significantly",
    "stand firm",
    "statistically significant",
    "suggestive",
    "undetermined",
)
COUNTED = dict(
    zip(
        FINDINGS,
        (
            "{n} rose",
            "{n} fell",
            "{n} {show} no clear change",
            "{n} cannot be told",
            "{n} higher",
            "{n} lower",
            "{n} {show} no clear difference",
        ),
        strict=True,
    )
)
POINTS, MOST_POINTS = "percentage points", 100
SHORT_UNITS = {POINTS: "points", "per 10,000 children": "per 10,000"}
ADJUSTED_TEST = "adjusted"
MOST_REASONS = 3
"""Reasons for doubt in the long words: the heaviest; all are in the tables."""
NO_TEST = "No test errs rarely enough on this outcome's own data."
NO_END = "The interval has no end: no size of change is excluded."
NO_TREND = "There is no trend before the start to compare with: only one period was published."
TEST_NAMES = {
    "cr2": "CR2 test",
    "stratified_type": "test stratified by type",
    "stratified_region": "test stratified by region",
}
NOT_CALIBRATED = "How often the test errs on this outcome's own data has not been measured."


def name_direction(harm: str, finding: Finding) -> Direction:
    """Say what a finding means for children: worse, better, or nothing.

    A difference in levels means neither: it can be older than the treatment.

    Examples
    --------
    >>> name_direction("falls", "rose"), name_direction("ambiguous", "rose")
    ('better', '')
    """
    if harm == "ambiguous" or finding not in (ROSE, FELL):
        return ""
    return "worse" if (harm == "rises") == (finding == ROSE) else "better"


def word_short(finding: Finding, direction: Direction, rating: int) -> str:
    """Word a verdict for a cell of a table.

    Examples
    --------
    >>> word_short("rose", "worse", 3)
    'rose, counted as worse; security 3 of 5'
    """
    meaning = f", counted as {direction}" if direction else ""
    return f"{finding}{meaning}; security {rating} of {BEST_RATING}"


def word_long(
    inputs: VerdictInputs,
    finding: Finding,
    direction: Direction,
    excludes_margin: bool | None,
    rating: int,
    doubts: Sequence[Doubt],
) -> str:
    """Word a verdict in full: number, interval, rating, then the heaviest reasons for doubt."""
    meaning = f", counted as {direction}" if direction else ""
    parts = [f"{inputs.label}, {inputs.group}: {finding}{meaning}."]
    if inputs.status == "estimated":
        parts += [word_number(inputs), word_interval(inputs), _word_margin(inputs, excludes_margin)]
    parts.append(f"Security {rating} of {BEST_RATING}.")
    if doubts:
        parts.append("Reasons for doubt: " + " ".join(_number(doubts[:MOST_REASONS])))
    return " ".join(part for part in parts if part)


def word_answer(carried: Verdict, verdicts: Sequence[Verdict]) -> str:
    """Word the answer to a question: what its outcomes show, then the one that carries it."""
    if len(verdicts) == 1:
        return carried.long
    counted = Counter(item.finding for item in verdicts)
    said = [
        COUNTED[finding].format(
            n=counted[finding], show="shows" if counted[finding] == 1 else "show"
        )
        for finding in FINDINGS
        if counted[finding]
    ]
    *others, last = said
    counts = f"{', '.join(others)} and {last}" if others else last
    return f"Of {len(verdicts)} measures, {counts}. {carried.long}"


def name_test(method: str) -> str:
    """Name a test in a sentence.

    Examples
    --------
    >>> name_test("robust"), name_test("stratified_type")
    ('robust test', 'test stratified by type')
    """
    return TEST_NAMES.get(method, f"{method} test")


def word_number(inputs: VerdictInputs) -> str:
    """Word the estimate or the identified set."""
    low, high = show(inputs.estimate_low), show(inputs.estimate_high)
    what = "Effect while it lasted, read from the change at its end:" if inputs.by_end else "Effect"
    if inputs.earlier:
        what = "Difference in levels"
    if low == high:
        return f"{what} {low} {inputs.unit}."
    return (
        f"{what} between {low} and {high} {inputs.unit}, depending on figures that were suppressed."
    )


def word_interval(inputs: VerdictInputs) -> str:
    """Word the interval, its test and who was compared."""
    managed = f" under {inputs.n_units} managements" if inputs.n_units != inputs.seen else ""
    test = f", {name_test(inputs.test)}" if inputs.test else ""
    return (
        f"{100 * (1 - inputs.level):.0f}% interval {show(inputs.conf_low)} to "
        f"{show(inputs.conf_high)} ({inputs.seen} of {inputs.listed} {inputs.units}{managed} "
        f"against {inputs.n_comparators} comparators{test})."
    )


def _word_margin(inputs: VerdictInputs, excludes: bool | None) -> str:
    if excludes is None or inputs.margin is None:
        return ""
    side = "excludes" if excludes else "does not exclude"
    return f"The interval {side} a harm of {show(inputs.margin)} {_unit(inputs)} or more."


def _number(doubts: Sequence[Doubt]) -> list[str]:
    return [f"({place}) {doubt.text}" for place, doubt in enumerate(doubts, start=1)]


def word_too_few(inputs: VerdictInputs) -> str:
    """Say that there are too few treated units for any answer."""
    return f"{_count(inputs)}: its change cannot be separated from its own luck."


def word_unvalidated(inputs: VerdictInputs) -> str:
    """Say that the test is not validated for so few units."""
    return f"{_count(inputs)}: the test is not validated for so few."


def word_few(inputs: VerdictInputs) -> str:
    """Say that few units say little about how much they vary by chance."""
    return f"{_count(inputs)}, which say little about variation by chance."


def word_says_nothing(inputs: VerdictInputs) -> str:
    """Say that the interval is wider than differences between units, or than what is possible."""
    if inputs.unit == POINTS and max(-inputs.conf_low, inputs.conf_high) > MOST_POINTS:
        return f"The interval goes beyond {MOST_POINTS} points, further than any share can move."
    return f"The interval is wide on both sides of zero: {inputs.units} commonly differ by less."


def word_unseen(inputs: VerdictInputs) -> str:
    """Say for how many of the treated there are figures."""
    return f"Only {inputs.seen} of the {inputs.listed} {inputs.units} have figures."


def word_not_freed(inputs: VerdictInputs) -> str:
    """Say how many of those compared are known to have had the treatment at issue."""
    known = inputs.known_freed or "none"
    are = "are" if inputs.known_freed > 1 else "is"
    return f"Of the {inputs.seen} compared, {known} {are} known to have been {inputs.treated_as}."


def word_breaks(inputs: VerdictInputs) -> str:
    """Say that a definition changed within the comparison."""
    return f"The definition changed {' and '.join(inputs.breaks)}."


def word_later_test(inputs: VerdictInputs) -> str:
    """Say that the first test errs too often and another carries the verdict."""
    return (
        f"The usual test errs too often on this outcome; the {name_test(inputs.test)} replaces it."
    )


def word_chosen(inputs: VerdictInputs) -> str:
    """Say that treatment was not assigned by lot."""
    return f"The {inputs.units} were chosen, not drawn by lot."


def word_levels(inputs: VerdictInputs) -> str:
    """Say that levels are compared, and why they cannot be read as changes."""
    return (
        f"These are levels, not changes: no figure is from before, and the {inputs.units} can have "
        "differed already."
    )


def word_not_adjusted(inputs: VerdictInputs) -> str:
    """Say that there is no adjusted reading."""
    return f"No estimate adjusted for {_basis(inputs)} could be made."


def _basis(inputs: VerdictInputs) -> str:
    return f"earlier {inputs.earlier}" if inputs.earlier else "the level before the start"


def _noun(inputs: VerdictInputs) -> str:
    return "difference" if inputs.earlier else "effect"


def word_readings(inputs: VerdictInputs) -> str:
    """Say that the adjusted and the unadjusted reading differ."""
    how = "Not adjusted" if inputs.test == ADJUSTED_TEST else "Adjusted"
    return (
        f"{how} for {_basis(inputs)} the {_noun(inputs)} is {_range(inputs, 'other')} "
        f"({show(inputs.other_conf_low)} to {show(inputs.other_conf_high)}): the two readings, "
        f"which assume different ways of choosing the {inputs.units}, differ."
    )


def word_hidden(inputs: VerdictInputs) -> str:
    """Say how far suppressed figures leave the estimate open."""
    where = _range(inputs, "estimate")
    return f"Suppressed figures leave the {_noun(inputs)} anywhere in {where}."


def word_trend(inputs: VerdictInputs) -> str:
    """Say what the trend before the start would have given."""
    return (
        f"The trend before the start, continued, would alone give {_range(inputs, 'trend')} "
        f"{_unit(inputs)}."
    )


def word_trend_whole(inputs: VerdictInputs) -> str:
    """Say that the change was under way before the start."""
    return (
        "The change was under way before the start: that trend, continued, would alone give "
        f"{_range(inputs, 'trend')} {_unit(inputs)}, as much as was found."
    )


def word_left_one_out(inputs: VerdictInputs) -> str:
    """Say how far the estimate depends on single units."""
    where = _range(inputs, "left_one_out")
    return f"Without one of them the {_noun(inputs)} is anything in {where}."


def word_family(inputs: VerdictInputs) -> str:
    """Say what is left after allowing for the other comparisons."""
    if inputs.p_family != inputs.p_family:
        return "No p-value allows for the other comparisons that were made."
    return (
        f"Allowing for the other comparisons that were made, the p-value is {inputs.p_family:.2f} "
        f"instead of {inputs.p_value:.2f}."
    )


def word_imprecise(inputs: VerdictInputs, size: float) -> str:
    """Say that the interval includes a change that would matter."""
    if size != size:
        return f"No {_noun(inputs)} of any size could be relied on to show."
    what = "change" if inputs.harm == "ambiguous" else "harm"
    what = "difference" if inputs.earlier else what
    return f"The interval includes a {what} of {show(size)} {_unit(inputs)} or more."


def finish(text: str) -> str:
    """Make a sentence of a reason."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def show(value: float) -> str:
    """Show a number with one decimal and a true minus sign."""
    if abs(value) == float("inf"):
        return "no limit"
    text = f"{value:,.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def _range(inputs: VerdictInputs, name: str) -> str:
    low, high = show(getattr(inputs, f"{name}_low")), show(getattr(inputs, f"{name}_high"))
    return low if low == high else f"{low} to {high}"


def _unit(inputs: VerdictInputs) -> str:
    return SHORT_UNITS.get(inputs.unit, inputs.unit)


def _count(inputs: VerdictInputs) -> str:
    nouns = inputs.units if inputs.n_units == inputs.seen else "managements"
    noun = nouns.removesuffix("s") if inputs.n_units == 1 else nouns
    return f"Only {inputs.n_units} treated {noun}"
