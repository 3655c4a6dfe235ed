"""The answers on the first page, made from the evidence table alone."""

from __future__ import annotations

import pandas as pd

from pilot_eval.plan import EvaluationPlan, Outcome
from pilot_eval.reporting.display import Table, format_number
from pilot_eval.reporting.readability import reading_age
from pilot_eval.reporting.sentences import classify, word_finding

QUESTIONS = {
    "delay": "Did delay grow?",
    "safety": "Were children less safe?",
    "activity": "Did the councils' activity change?",
}
WORSE, BETTER = "counted as worse", "counted as better"
MOVED = {
    "rise": "rose",
    "fall": "fell",
    "suggestive rise": "may have risen",
    "suggestive fall": "may have fallen",
}
VERDICT_WORDS = {
    "undetermined": "not shown",
    "not_estimable": "no comparison possible",
    "descriptive": "described only",
}


def tabulate_verdicts(plan: EvaluationPlan, table: pd.DataFrame) -> Table:
    """Show what was found for every outcome under every scenario, in words.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        The evidence table.

    Returns
    -------
    Table
        One row an outcome, one column a scenario.
    """
    rows = []
    for key, outcome in plan.outcomes.items():
        row = {"Outcome": outcome.label}
        for scenario in dict.fromkeys(table["scenario"]):
            short = plan.scenarios[scenario].short
            row[short[0].upper() + short[1:]] = _cell(outcome, _rows(table, scenario, key))
        rows.append(row)
    return Table(frame=pd.DataFrame(rows), caption="What was found, by outcome and scenario")


def answer_question(plan: EvaluationPlan, table: pd.DataFrame, *, family: str) -> str:
    """Answer one of the evaluation's questions in plain English.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        The evidence table.
    family : {"delay", "safety", "activity"}

    Returns
    -------
    str
        A paragraph: the answer, then what it rests on.
    """
    verdicts = _verdicts(plan, table, family)
    shown = [item for item in verdicts if item[2] in ("rise", "fall")]
    suggestive = [item for item in verdicts if item[2].startswith("suggestive")]
    compared = [item for item in verdicts if item[2] not in ("not_estimable", "descriptive")]
    measures = len({outcome for outcome, _, _, _ in verdicts})
    if not compared:
        return (
            f"{QUESTIONS[family]} The figures cannot say: no measure of {family} can be compared."
        )
    if not (shown or suggestive):
        lead = (
            "Not known. No comparison shows a change that chance could not explain. "
            "That is not evidence that nothing changed."
        )
    else:
        lead = " ".join([_lead(plan, shown), *_list_findings(plan, [*shown, *suggestive])])
    return f"{lead} {_reach(table, family, measures)}"


def explain_certainty(plan: EvaluationPlan, table: pd.DataFrame) -> str:
    """Say how sure the findings are, from the number of councils and the detectable effects."""
    estimated = table[(table["status"] == "estimated") & (table["method"] == "sharp")]
    points = estimated[estimated["unit"] == "percentage points"]["mde"]
    fragile = table.groupby(["scenario", "outcome"], sort=False)["fragile"].any().sum()
    tests = len(estimated)
    level = plan.inference.alpha
    return (
        f"Not very. A comparison has at most {int(table['n_treated'].max())} treated councils "
        f"and {int(table['n_comparators'].max())} comparators. Changes smaller than "
        f"{format_number(points.min(), 0)} to {format_number(points.max(), 0)} percentage points, "
        "depending on the outcome, would often have gone unseen by the sharper test. "
        f"{tests} comparisons were made: with a test at {format_number(100 * level, 0)}%, about "
        f"{format_number(tests * level, 0)} would show a change by chance alone. "
        f"Allowing for the number of outcomes in a family, the smallest p-value is "
        f"{table['p_romano_wolf'].min():.2f}. "
        f"{int(fragile)} are fragile: what was suppressed could change their conclusion."
    )


def list_limits(plan: EvaluationPlan, table: pd.DataFrame) -> list[str]:
    """List what these figures cannot show, as sentences."""
    gone = table[table["status"] != "estimated"]
    partial = table[(table["family"] == "delay") & (table["method"] == "robust")]
    limits = [
        "None of the outcomes is a direct measure of harm to a child.",
        "The pilots were chosen, not drawn by lot. Other things happened to them too. Cumbria was "
        "inspected inadequate in 2012. Westminster merged its services in 2011. Hackney had "
        "already changed its practice.",
        "A published share in time counts finished cases only. A case that drifts is missing until "
        "it is finished.",
        "There are two years before the start at most, so parallel trends cannot be tested.",
        "From July 2011 every council knew that the limits would go. The others may have changed "
        "too, which hides effects.",
        "March and September 2011 fall in the same year of figures, so they cannot tell the two "
        "waves apart.",
    ]
    withheld = partial[[_is_partial(share) for share in partial["share_of_scenario"]]]
    if len(withheld):
        shares = withheld.groupby("outcome", sort=False)["share_of_scenario"].agg(list)
        told = " ".join(
            f"{plan.outcomes[outcome].label}: {', '.join(found[:-1])} and {found[-1]}."
            for outcome, found in shares.items()
        )
        limits.insert(
            0,
            "Timeliness was withheld for many treated councils. These have figures, of those in "
            f"each scenario. {told}",
        )
    if len(gone):
        names = ", ".join(_short(plan, key) for key in dict.fromkeys(gone["outcome"]))
        limits.append(f"Without any comparison: {names}.")
    return limits


def state_reading_age(plan: EvaluationPlan, table: pd.DataFrame) -> str:
    """Say at what age the answers and their limits can be read."""
    text = [answer_question(plan, table, family=family) for family in ("delay", "safety")]
    text += [explain_certainty(plan, table), *list_limits(plan, table)]
    age = reading_age("\n".join(text))
    return f"Reading age of the answers and limits above: {age} (Automated Readability Index)."


def list_treated(plan: EvaluationPlan) -> list[str]:
    """Say who counts as treated in each scenario, and from when."""
    lines = []
    for key, scenario in plan.scenarios.items():
        waves: dict[tuple[int, int], list[str]] = {}
        entries = zip(
            scenario.councils, scenario.first_treated, scenario.months_exposed, strict=True
        )
        for council, year, months in entries:
            waves.setdefault((year, months), []).append(council)
        told = " ".join(
            f"{', '.join(councils)}: {months} of the 12 months of {year - 1}-{year % 100:02d}."
            for (year, months), councils in waves.items()
        )
        lines.append(f"{scenario.label} (`{key}`). {told}")
    return lines


def list_findings(
    plan: EvaluationPlan, table: pd.DataFrame, *, family: str, scenario: str
) -> list[str]:
    """Word every finding of a family under one scenario."""
    keys = [key for key, outcome in plan.outcomes.items() if outcome.family == family]
    return [word_finding(plan, _rows(table, scenario, key)) for key in keys]


def _rows(table: pd.DataFrame, scenario: str, outcome: str) -> pd.DataFrame:
    return table[(table["scenario"] == scenario) & (table["outcome"] == outcome)]


def _verdicts(
    plan: EvaluationPlan, table: pd.DataFrame, family: str
) -> list[tuple[str, str, str, bool]]:
    """Outcome, scenario, classification and fragility of every comparison of a family."""
    verdicts = []
    for key, outcome in plan.outcomes.items():
        if outcome.family != family:
            continue
        for scenario in dict.fromkeys(table["scenario"]):
            rows = _rows(table, scenario, key)
            verdicts.append((key, scenario, classify(rows), bool(rows["fragile"].any())))
    return verdicts


def _lead(plan: EvaluationPlan, shown: list[tuple[str, str, str, bool]]) -> str:
    """Answer yes or no to a question about harm, from what was shown beyond chance."""
    if not shown:
        return "Not shown."
    ways = {_worse(plan.outcomes[key], direction) for key, _, direction, _ in shown}
    if WORSE in ways:
        return "There are signs of it." if BETTER not in ways else "There are signs both ways."
    return "What changed, changed for the better." if BETTER in ways else "There are changes."


def _list_findings(plan: EvaluationPlan, verdicts: list[tuple[str, str, str, bool]]) -> list[str]:
    """Say what moved, a sentence a scenario and outcome, and what could undo it."""
    sentences = []
    for key, scenario, verdict, fragile in verdicts:
        direction = verdict.removeprefix("suggestive ")
        worse = _worse(plan.outcomes[key], direction)
        moved = MOVED[verdict] + (f", which is {worse}" if worse else "")
        label = plan.outcomes[key].label
        sentences.append(f"Among {plan.scenarios[scenario].short}, “{label}” {moved}.")
        if verdict != direction:
            sentences.append("This is suggestive only.")
        if fragile:
            sentences.append("Figures that were suppressed could undo this.")
    return sentences


def _worse(outcome: Outcome, direction: str) -> str:
    if outcome.harm == "ambiguous":
        return ""
    return WORSE if (outcome.harm == "rises") == (direction == "rise") else BETTER


def _reach(table: pd.DataFrame, family: str, measures: int) -> str:
    own = table[(table["family"] == family) & (table["method"] == "robust")]
    treated = own["n_treated"]
    spread = (
        f"{treated.min()} to {treated.max()}"
        if treated.min() < treated.max()
        else f"{treated.max()}"
    )
    return (
        f"{own['outcome'].nunique()} of {measures} measures can be compared, each on {spread} "
        "treated councils."
    )


def _short(plan: EvaluationPlan, outcome: str) -> str:
    label = plan.outcomes[outcome].label
    return label[0].lower() + label[1:]


def _is_partial(share: str) -> bool:
    found, of_all = share.split(" of ")
    return found != of_all


def _cell(outcome: Outcome, rows: pd.DataFrame) -> str:
    verdict = classify(rows)
    if verdict in VERDICT_WORDS:
        return VERDICT_WORDS[verdict]
    direction = verdict.removeprefix("suggestive ")
    worse = _worse(outcome, direction)
    text = verdict + (f", {worse}" if worse else "")
    return f"{text}, fragile" if rows["fragile"].any() else text
