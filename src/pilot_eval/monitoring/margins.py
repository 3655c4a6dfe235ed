"""Say whether harm is shown, or harm beyond a margin ruled out, or neither.

"No significant difference" is never read as "safe": an outcome is called non-inferior only where
its interval rules out a harm as large as a margin that was written down, with its reason, before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import pandas as pd

from pilot_eval.errors import DataError, ParameterError, explain

Harm = Literal["rises", "falls"]
Verdict = Literal["harm shown", "non-inferior", "inconclusive", "not estimable"]
HARM_SHOWN, NON_INFERIOR, INCONCLUSIVE, NOT_ESTIMABLE = get_args(Verdict)

_KEYS = ("strand", "scenario", "outcome", "method")
_NEEDED = ("outcome", "harm", "estimate", "conf_low", "conf_high")


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyJudgement:
    """What an interval says about harm.

    Attributes
    ----------
    verdict : {"harm shown", "non-inferior", "inconclusive", "not estimable"}
    least_harm, most_harm : float
        Ends of the interval turned so that harm is positive, in the outcome's unit.
    explanation : str
        The verdict in one sentence.
    """

    verdict: Verdict
    least_harm: float
    most_harm: float
    explanation: str


class _Outcome(Protocol):
    margin: float | None
    margin_reason: str | None


class _Plan(Protocol):
    outcomes: object


def judge_safety(
    conf_low: float,
    conf_high: float,
    *,
    harm: Harm,
    margin: float,
    margin_reason: str,
) -> SafetyJudgement:
    """Judge one outcome by its interval, against no effect and against the margin.

    Parameters
    ----------
    conf_low, conf_high : float
        Ends of the interval of the effect, in the outcome's natural unit. NaN where there is none;
        an end may be infinite.
    harm : {"rises", "falls"}
        Direction in which the outcome does harm.
    margin : float
        Smallest harm that matters, in the same unit and above 0 whatever the direction.
    margin_reason : str
        Why this margin, in words.

    Returns
    -------
    SafetyJudgement
        "harm shown" where the whole interval lies on the side of harm; otherwise "non-inferior"
        where the interval excludes a harm of `margin` or more; otherwise "inconclusive".

    Raises
    ------
    ParameterError
        If the margin is not above 0, has no reason, the direction of harm is ambiguous, or the
        interval is the wrong way round.

    References
    ----------
    Piaggio et al. (2012), Reporting of noninferiority and equivalence randomized trials, JAMA
    308(24): non-inferiority is read from the interval and a margin set beforehand.

    Examples
    --------
    >>> judge_safety(-2.0, 1.5, harm="rises", margin=3.0, margin_reason="two years' drift").verdict
    'non-inferior'
    >>> judge_safety(-2.0, 4.5, harm="rises", margin=3.0, margin_reason="two years' drift").verdict
    'inconclusive'
    """
    _check_margin(harm, margin, margin_reason)
    if np.isnan(conf_low) or np.isnan(conf_high):
        return SafetyJudgement(
            verdict=NOT_ESTIMABLE,
            least_harm=np.nan,
            most_harm=np.nan,
            explanation="There is no interval, so nothing can be said about harm.",
        )
    if conf_low > conf_high:
        raise ParameterError(
            explain("conf_low", f"not exceed conf_high, {conf_high}", conf_low, "Swap the ends.")
        )
    sign = 1.0 if harm == "rises" else -1.0
    least, most = sorted((sign * conf_low, sign * conf_high))
    verdict, explanation = _read_interval(least, most, margin)
    return SafetyJudgement(
        verdict=verdict, least_harm=least, most_harm=most, explanation=explanation
    )


def assess_safety(
    evidence_table: pd.DataFrame, plan: _Plan, *, adjusted: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Judge every row of the evidence whose outcome has a margin in the plan.

    Parameters
    ----------
    evidence_table : DataFrame
        Evidence rows with outcome, harm, estimate, conf_low, conf_high and, where there are any,
        strand, scenario, family, unit, method, p_value, status.
    plan : EvaluationPlan
        ``plan.outcomes[key]`` has `margin` (above 0, natural unit) and `margin_reason`.
    adjusted : DataFrame, optional
        Romano-Wolf p-values: `p_value_adjusted` and at least the column outcome, further columns
        among strand, scenario and method narrowing where each applies.

    Returns
    -------
    DataFrame
        One row an evidence row with a margin: its keys, estimate and interval, margin,
        margin_reason, least_harm, most_harm, verdict, p_value, p_value_adjusted, explanation. Rows
        without an interval are "not estimable".

    Raises
    ------
    DataError
        If columns are missing, or adjusted p-values do not match one to one.
    ParameterError
        If a margin has the wrong sign or no reason, or an outcome with one has no direction of
        harm.

    Notes
    -----
    Several outcomes do not weaken "harm shown": a warning is not taken back because other outcomes
    were looked at too; the adjusted p-value says how far it could be chance. "Non-inferior" for a
    family needs every member to be so (`summarise_safety`), which takes no adjustment (Berger 1982,
    intersection-union test).
    """
    _check_columns("evidence_table", evidence_table, _NEEDED)
    margins = {key: outcome for key, outcome in plan.outcomes.items() if outcome.margin is not None}
    rows = evidence_table[evidence_table["outcome"].isin(margins)].reset_index(drop=True)
    kept = [c for c in (*_KEYS[:3], "family", "unit", "harm", "method") if c in rows]
    table = rows[[*kept, "estimate", "conf_low", "conf_high"]].assign(
        margin=[float(margins[key].margin) for key in rows["outcome"]],
        margin_reason=[margins[key].margin_reason for key in rows["outcome"]],
    )
    judged = [
        judge_safety(
            float(row.conf_low),
            float(row.conf_high),
            harm=row.harm,
            margin=row.margin,
            margin_reason=row.margin_reason,
        )
        for row in table.itertuples(index=False)
    ]
    table = table.assign(
        least_harm=[j.least_harm for j in judged],
        most_harm=[j.most_harm for j in judged],
        verdict=[j.verdict for j in judged],
        p_value=rows.get("p_value", np.nan),
    )
    table = _join_adjusted(table, adjusted)
    return table.assign(explanation=[j.explanation for j in judged])


def summarise_safety(assessed: pd.DataFrame) -> pd.DataFrame:
    """Sum a family of outcomes up, method by method.

    Parameters
    ----------
    assessed : DataFrame
        What `assess_safety` returns.

    Returns
    -------
    DataFrame
        One row a strand, scenario and method: outcomes, number with each verdict, and the overall
        verdict: "harm shown" if any outcome shows it; "non-inferior" only if every outcome is;
        otherwise "inconclusive".

    Raises
    ------
    DataError
        If columns are missing.

    References
    ----------
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24(4).
    """
    _check_columns("assessed", assessed, ("outcome", "verdict"))
    keys = [key for key in ("strand", "scenario", "method") if key in assessed]
    groups = assessed.groupby(keys, sort=False, dropna=False) if keys else [((), assessed)]
    rows = []
    for values, part in groups:
        counts = part["verdict"].value_counts()
        named = {
            verdict.replace(" ", "_").replace("-", "_"): int(counts.get(verdict, 0))
            for verdict in get_args(Verdict)
        }
        labels = dict(zip(keys, values, strict=True))
        rows.append(labels | {"outcomes": len(part)} | named | {"overall": _overall(counts)})
    return pd.DataFrame(rows)


def _read_interval(least: float, most: float, margin: float) -> tuple[Verdict, str]:
    """Word the verdict; harm is positive."""
    if least > 0:
        size = (
            f"at least as large as the margin of {margin:g}"
            if least >= margin
            else f"larger than {least:.2g}, which may be less than the margin of {margin:g}"
            if most >= margin
            else f"between {least:.2g} and {most:.2g}, less than the margin of {margin:g}"
        )
        return HARM_SHOWN, f"The interval lies wholly on the side of harm: harm is {size}."
    if most < margin:
        return NON_INFERIOR, f"A harm of {margin:g} or more is ruled out by the interval."
    return INCONCLUSIVE, (
        f"The interval holds both no harm and a harm of {margin:g}: neither can be ruled out."
    )


def _overall(counts: pd.Series) -> Verdict:
    if counts.get(HARM_SHOWN, 0):
        return HARM_SHOWN
    return NON_INFERIOR if counts.get(NON_INFERIOR, 0) == counts.sum() else INCONCLUSIVE


def _check_margin(harm: str, margin: float, margin_reason: str | None) -> None:
    if harm not in get_args(Harm):
        raise ParameterError(
            explain(
                "harm",
                "be rises or falls",
                harm,
                "An outcome whose direction of harm is ambiguous has no margin.",
            )
        )
    if not 0 < margin < np.inf:
        raise ParameterError(
            explain(
                "margin",
                "be above 0 and finite, whatever the direction of harm",
                margin,
                "Write the size of the smallest harm that matters, in the outcome's unit.",
            )
        )
    if not (margin_reason or "").strip():
        raise ParameterError(
            explain("margin_reason", "say why the margin is what it is", "nothing", "Write it.")
        )


def _check_columns(name: str, table: pd.DataFrame, needed: tuple[str, ...]) -> None:
    missing = [column for column in needed if column not in table]
    if missing:
        raise DataError(
            explain(
                name, f"have the columns {', '.join(needed)}", f"none of {missing}", "Add them."
            )
        )


def _join_adjusted(table: pd.DataFrame, adjusted: pd.DataFrame | None) -> pd.DataFrame:
    if adjusted is None:
        return table.assign(p_value_adjusted=np.nan)
    _check_columns("adjusted", adjusted, ("outcome", "p_value_adjusted"))
    keys = [key for key in _KEYS if key in adjusted and key in table]
    if adjusted.duplicated(keys).any():
        raise DataError(
            explain("adjusted", f"hold one row for each {', '.join(keys)}", "repeats", "Drop them.")
        )
    part = adjusted[[*keys, "p_value_adjusted"]]
    return table.merge(part, on=keys, how="left", validate="many_to_one")
