"""Results in words: each sentence is made from evidence rows, in calibrated language.

Never "no effect" and never "safe" for want of significance: what the data rule out is said
instead, and what they could not have shown.
"""

from __future__ import annotations

from math import isfinite

import pandas as pd

from pilot_eval.evaluation import conclude
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reporting.display import format_number

SHORT_UNITS = {"percentage points": "points", "per 10,000 children": "per 10,000"}
FEWEST_VALIDATED = 3  # the robust test with two treated councils is shown, not relied on
UNKNOWN = "undetermined"


def word_finding(plan: EvaluationPlan, rows: pd.DataFrame) -> str:
    """Word the finding of one scenario and outcome.

    Parameters
    ----------
    plan : EvaluationPlan
        For labels and the level.
    rows : DataFrame
        Evidence rows of one strand, scenario and outcome (one a method).

    Returns
    -------
    str
        Two to four sentences.

    Examples
    --------
    >>> word_finding(plan, table.query("scenario == 'announced' and outcome == 'cin_rate'"))
    ...                                                                   # doctest: +SKIP
    """
    first = rows.iloc[0]
    label = plan.outcomes[first["outcome"]].label
    if first["status"] != "estimated":
        return f"{label}: these figures cannot answer the question. {_sentence(first['reason'])}"
    shown = row_to_show(rows)
    parts = [
        f"{label}: {_headline(plan, rows, shown)}",
        _what_is_ruled_out(shown),
        _power(shown),
        _family(rows),
        _fragility(rows),
        _coverage(shown),
    ]
    return " ".join(part for part in parts if part)


def classify(rows: pd.DataFrame) -> str:
    """Classify one scenario and outcome by what its tests say together.

    Parameters
    ----------
    rows : DataFrame
        Evidence rows of one scenario and outcome.

    Returns
    -------
    str
        ``"rise"`` or ``"fall"`` (robust test), ``"suggestive rise"`` or ``"suggestive fall"``
        (sharp test alone), ``"undetermined"``, or the status where nothing was estimated.
    """
    first = rows.iloc[0]
    if first["status"] != "estimated":
        return str(first["status"])
    by_method = rows.set_index("method")
    answers = {
        method: conclude(by_method.loc[method, "conf_low"], by_method.loc[method, "conf_high"])
        for method in ("robust", "sharp")
    }
    if by_method.loc["robust", "n_treated"] >= FEWEST_VALIDATED and answers["robust"] != UNKNOWN:
        return answers["robust"]
    return UNKNOWN if answers["sharp"] == UNKNOWN else f"suggestive {answers['sharp']}"


def row_to_show(rows: pd.DataFrame) -> pd.Series:
    """Take the robust answer where it is validated and has two ends, else the sharp one.

    Parameters
    ----------
    rows : DataFrame
        Evidence rows of one scenario and outcome that was estimated.

    Returns
    -------
    Series
        The row, named by its method.
    """
    by_method = rows.set_index("method")
    robust = by_method.loc["robust"]
    ends = isfinite(robust["conf_low"]) and isfinite(robust["conf_high"])
    return robust if ends and robust["n_treated"] >= FEWEST_VALIDATED else by_method.loc["sharp"]


def _headline(plan: EvaluationPlan, rows: pd.DataFrame, shown: pd.Series) -> str:
    unit = shown["unit"]
    size = format_number(abs(shown["estimate"]))
    moved = f"{'rose' if shown['estimate'] > 0 else 'fell'} by {size} {unit}"
    if not float(size.replace(",", "")):
        moved = f"moved by less than 0.05 {unit}"
    text = (
        f"among the pilots it {moved} relative to comparators ({_interval(plan, shown)}; "
        f"{_groups(shown)})."
    )
    answer = classify(rows)
    if answer.startswith("suggestive"):
        text += (
            " This is suggestive only: it rests on the assumption that a council's year-to-year "
            "variation follows its size."
        )
    elif answer == "undetermined":
        text += " That could be chance."
    return text[0].upper() + text[1:]


def _groups(row: pd.Series) -> str:
    councils = int(row["share_of_scenario"].split(" of ")[0])
    treated = f"{councils} treated councils"
    if councils != row["n_treated"]:
        treated += f" under {row['n_treated']} managements"
    return f"{treated} against {row['n_comparators']} comparators"


def _interval(plan: EvaluationPlan, row: pd.Series) -> str:
    level = format_number(100 * (1 - plan.inference.alpha), 0)
    low, high = format_number(row["conf_low"]), format_number(row["conf_high"])
    return f"{level}% interval {low} to {high}, {row.name} test"


def _what_is_ruled_out(row: pd.Series) -> str:
    low, high, unit = row["conf_low"], row["conf_high"], SHORT_UNITS[row["unit"]]
    if not (isfinite(low) and isfinite(high)):
        return "The data rule out no size of effect."
    if conclude(low, high) == "rise":
        return (
            f"The data rule out a rise of less than {format_number(low)} "
            f"or more than {format_number(high)} {unit}."
        )
    if conclude(low, high) == "fall":
        return (
            f"The data rule out a fall of less than {format_number(-high)} "
            f"or more than {format_number(-low)} {unit}."
        )
    return (
        f"The data rule out a rise of more than {format_number(high)} {unit} "
        f"and a fall of more than {format_number(-low)} {unit}."
    )


def _power(row: pd.Series) -> str:
    if not isfinite(row["mde"]):
        return "With so few councils no effect of any size could be relied on to show."
    unit = SHORT_UNITS[row["unit"]]
    return (
        f"A true effect smaller than {format_number(row['mde'])} {unit} would more often than one "
        "time in five have gone unseen."
    )


def _family(rows: pd.DataFrame) -> str:
    """Say what is left of a shown change after allowing for the family's other outcomes."""
    if classify(rows) not in ("rise", "fall"):
        return ""
    robust = rows.set_index("method").loc["robust"]
    return (
        f"Allowing for the other outcomes of its family, {robust['family']}, the p-value is "
        f"{robust['p_romano_wolf']:.2f} instead of {robust['p_value']:.2f}."
    )


def _fragility(rows: pd.DataFrame) -> str:
    fragile = rows[rows["fragile"].astype(bool)]
    if fragile.empty:
        return ""
    row = fragile.iloc[0]
    return (
        "Fragile: with the suppressed small counts put back at anything they can be, the estimate "
        f"would lie between {format_number(row['bound_low'])} and "
        f"{format_number(row['bound_high'])} {SHORT_UNITS[row['unit']]} and the conclusion of the "
        f"{' and '.join(fragile['method'])} test would change."
    )


def _coverage(row: pd.Series) -> str:
    found, of_all = row["share_of_scenario"].split(" of ")
    if found == of_all:
        return ""
    return f"It rests on {found} of the {of_all} councils ({row['treated'].replace('; ', ', ')})."


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
