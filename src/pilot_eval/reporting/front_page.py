"""The front page: what was tried, the answers, how sure they are, what they cannot show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from pilot_eval.reporting.answers_file import AnswersFile, Comparison, Question
from pilot_eval.reporting.display import Figure, format_range
from pilot_eval.reporting.freedoms import plot_freedoms
from pilot_eval.reporting.html import make_environment
from pilot_eval.reporting.overview import plot_overview, write_interval

MOST_REASONS = 3
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
SIDES = {"rises": "A rise is harm.", "falls": "A fall is harm.", "ambiguous": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPage:
    """The front page of a run; shows itself in a notebook."""

    answers: AnswersFile

    def _repr_html_(self) -> str:
        return render_front_page(self.answers)

    def __repr__(self) -> str:
        return f"Front page: {self.answers.title}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The answer to one question as the page shows it.

    `group` names the round where a question has several; a later one has no `question` of its own.
    What is outside the plan's family has its number next to the finding, and one reason.
    """

    key: str
    question: str
    group: str
    finding: str
    counted: str
    number: str
    reasons: list[str]


def render_front_page(answers: AnswersFile) -> str:
    """Render the front page: a function of ``answers.json`` alone, the same bytes every time.

    Parameters
    ----------
    answers : AnswersFile

    Returns
    -------
    str
        HTML of the page's main part.
    """
    template = make_environment().get_template("front_page.html.j2")
    return template.render(
        answers=answers,
        published_on=name_day(answers.published_on),
        headlines=list_headlines(answers),
        overview=_show(plot_overview(answers)),
        freedoms=_show(plot_freedoms(answers)),
    )


def name_day(day: date) -> str:
    """Name a day as in "1 May 2024"; `strftime` would follow the locale."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def list_headlines(answers: AnswersFile) -> list[Headline]:
    """Word the answer to each question; what several share is said with the first."""
    compared = {(row.scenario, row.outcome): row for row in answers.comparisons}
    carried = [(item, compared[item.scenario, item.outcome]) for item in answers.questions]
    given: Counter[str] = Counter()
    headlines = []
    for item, row in carried:
        if not item.is_headline:
            own = [text for text in row.reasons[1:MOST_REASONS] if not given[text]]
            said = item.model_copy(update={"counted": ""})
            headlines.append(_head(said, row, own[:1], answers))
            given.update(own[:1])
            continue
        reasons = [text for text in row.reasons[:MOST_REASONS] if not given[text]]
        if row.reasons and not reasons:
            reasons = ["The same doubts apply."]
        counted = "" if given[item.counted] else item.counted
        said = item.model_copy(update={"counted": counted})
        headlines.append(_head(said, row, reasons, answers, again=row.label in given))
        given.update([*reasons, item.counted, row.label])
    return headlines


def _head(
    item: Question,
    row: Comparison,
    reasons: list[str],
    answers: AnswersFile,
    *,
    again: bool = False,
) -> Headline:
    rounds = sum(other.family == item.family for other in answers.questions)
    return Headline(
        key=f"{item.family}-{item.scenario}" if item.is_later_round else item.family,
        question="" if item.is_later_round else item.question,
        group=row.group[:1].upper() + row.group[1:] if rounds > 1 else "",
        finding=row.short if item.is_headline else _word_finding(row, answers),
        counted=item.counted,
        number=_word_number(row, answers, again) if item.is_headline else "",
        reasons=reasons,
    )


def _word_finding(row: Comparison, answers: AnswersFile) -> str:
    """Say finding and number in one line."""
    if row.estimate_low is None or row.estimate_high is None:
        return row.short
    effect = format_range(row.estimate_low, row.estimate_high)
    interval = f"{1 - answers.level:.0%} interval {write_interval(row)}"
    return f"{row.short} · {effect} {row.unit} ({interval})"


def _word_number(row: Comparison, answers: AnswersFile, again: bool) -> str:
    """Say what the comparison that carries an answer found, in numbers."""
    if row.estimate_low is None or row.estimate_high is None:
        return f"The answer rests on one that could not be compared: {_lower(row.label)}."
    effect = format_range(row.estimate_low, row.estimate_high)
    later = any(item.is_later_round and item.scenario == row.scenario for item in answers.questions)
    group = "" if later or row.scenario == answers.scenario else f" ({row.group})"
    what, side = ("a difference of ", "") if row.earlier else ("", SIDES[row.harm])
    rests = (
        "The same measure gives" if again else f"The answer rests on {_lower(row.label)}{group}:"
    )
    return (
        f"{rests} {what}{effect} {row.unit} in {row.seen} of {row.listed} {answers.units}, "
        f"against {row.n_comparators} others "
        f"({1 - answers.level:.0%} interval {write_interval(row)}). {side}"
    ).strip()


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _show(figure: Figure | None) -> str:
    return figure._repr_html_() if figure else ""
