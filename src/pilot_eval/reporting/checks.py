"""The checks of the result as tables and sentences."""

from __future__ import annotations

import pandas as pd

from pilot_eval.checks.leave_one_out import leave_one_out_treated
from pilot_eval.checks.other_readings import BY_DOSE, IN_PRACTICE, list_other_readings
from pilot_eval.checks.placebo import PlaceboInSpace, placebo_council, placebo_in_time
from pilot_eval.checks.simulated_power import simulate_power
from pilot_eval.checks.specification_curve import CHOICES, summarise_curve
from pilot_eval.checks.trends import TrendReport
from pilot_eval.design.build import build_design
from pilot_eval.evaluation import collapse_design
from pilot_eval.evaluation.units import detect_effect, is_comparison
from pilot_eval.evaluation.verdict_words import name_test
from pilot_eval.evidence import Verdict
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import name_year
from pilot_eval.reporting.display import (
    NO_SPECIFICATION,
    Opening,
    Sentence,
    Table,
    format_number,
    format_range,
)

INTERVALS = {
    "estimate_low": "Estimate, from",
    "estimate_high": "Estimate, to",
    "robust_low": "Robust, from",
    "robust_high": "Robust, to",
    "sharp_low": "Sharp, from",
    "sharp_high": "Sharp, to",
    "n_treated": "Treated",
}

OPTION_WORDS = {
    "all_england": "everywhere",
    "same_region": "same region",
    "same_type": "same type",
    "nearest": "the nearest",
    "neighbours_2021": "statistical neighbours, drawn up in 2021",
    "councils equal": "all equal",
    "by children": "by cases",
}


def open_checks(verdict: Verdict, space: PlaceboInSpace | Sentence, curve: pd.DataFrame) -> Opening:
    """Open the page on robustness: the finding, chance, and the other specifications."""
    used, found = verdict.inputs, summarise_curve(curve)
    chance = space.text if isinstance(space, Sentence) else word_placebo_in_space(space)
    others = (
        f"Of {found['specifications']:,.0f} specifications, {100 * found['share_above_zero']:.0f}% "
        f"give an estimate above zero and {100 * found['share_excluding_zero']:.0f}% an interval "
        "without zero."
        if len(curve)
        else NO_SPECIFICATION.text
    )
    said = f"{used.label}, {used.group}. {chance} {others}"
    return Opening(verdict.short, said)


def word_placebo_in_space(space: PlaceboInSpace) -> str:
    """Say how unusual the effect is among placebo groups of the same sizes."""
    if not len(space.placebos):
        return "There are too few comparators, or no treated, for groups to compare with."
    share = format_number(100 * space.share_as_large)
    return (
        f"The effect is {format_range(space.estimate_low, space.estimate_high)}. "
        f"Of {len(space.placebos):,} groups of comparators of the same sizes, and the "
        f"treated themselves, {share}% show one at least as far from zero."
    )


def tabulate_placebo_council(plan: EvaluationPlan, panel: pd.DataFrame, *, council: str) -> Table:
    """Show the effect on one council that was named and not treated, outcome by outcome."""
    rows = []
    for key, outcome in plan.outcomes.items():
        if not plan.window_of(key).pre or outcome.harm == "ambiguous":
            continue
        found = placebo_council(plan, panel, council=council, outcome=key)
        rows.append(
            {
                "Outcome": outcome.label,
                "Effect, from": found.get("effect_low"),
                "Effect, to": found.get("effect_high"),
                "From": found.get("conf_low"),
                "To": found.get("conf_high"),
                "Share of councils as far": found.get("rank_p"),
            }
        )
    columns = ("Effect, from", "Effect, to", "From", "To")
    return Table(
        frame=pd.DataFrame(rows).astype(dict.fromkeys(columns, float)),
        caption=f"{council} as a placebo: its own change against the comparators'",
        decimals={"Share of councils as far": 2},
    )


def open_placebo_council(table: Table, *, council: str, alpha: float) -> Opening:
    """Open the page on one council that was named and not treated, from its table."""
    shares = table.frame["Share of councils as far"].dropna()
    far = int((shares <= alpha).sum())
    return Opening(
        f"{council} moved as far as other councils do on {len(shares) - far} of {len(shares)} "
        "outcomes",
        f"On {far} no more than {100 * alpha:g}% of councils moved as far; by chance alone "
        f"{alpha * len(shares):.1f} would be expected. One council says little about what an "
        "announcement does to others.",
    )


def tabulate_placebo_in_time(plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str) -> Table:
    """Show placebo starts before the trial for every outcome, and where there can be none."""
    rows = []
    for key, outcome in plan.outcomes.items():
        if outcome.descriptive is not None:
            continue
        found = placebo_in_time(plan, panel, scenario=scenario, outcome=key)
        if found.empty:
            rows.append({"Outcome": outcome.label, "Note": "too few before: cannot be run"})
        for row in found.to_dict("records"):
            shown = {label: row[column] for column, label in INTERVALS.items()}
            start = {"Outcome": outcome.label, "Start": name_year(row["start"])}
            rows.append(start | shown | {"Note": plan.texts.in_units(_first(row["reason"]))})
    frame = pd.DataFrame(rows, columns=["Outcome", "Start", *INTERVALS.values(), "Note"])
    return Table(frame=_numbers(frame), caption="Effects of pretended starts, before the true one")


def tabulate_leave_one_out(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str, outcome: str
) -> Table | Sentence:
    """Show the estimate without each treated council in turn; a sentence where none has figures."""
    found = leave_one_out_treated(plan, panel, scenario=scenario, outcome=outcome)
    if found.empty:
        return Sentence("None of the treated has figures: none can be left out.")
    frame = found[["left_out", *INTERVALS]].rename(columns={"left_out": "Left out"} | INTERVALS)
    return Table(frame=_numbers(frame), caption="Estimates without each of the treated in turn")


def tabulate_simulated_power(plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str) -> Table:
    """Check the sharp test's detectable effects on placebo pilots drawn from real comparators."""
    rows = []
    for key, outcome in plan.outcomes.items():
        if outcome.descriptive is not None or outcome.harm == "ambiguous":
            continue
        design = build_design(plan, panel, scenario=scenario, outcome=key)
        if not is_comparison(design):
            continue
        units = collapse_design(plan, design)
        effect = detect_effect(plan, units, "sharp")
        rows.append(
            {
                "Outcome": outcome.label,
                "By formula": effect,
                "Found, %": 100 * simulate_power(plan, units, effect=effect),
                "Found with no effect, %": 100 * simulate_power(plan, units, effect=0.0),
            }
        )
    return Table(
        frame=pd.DataFrame(rows),
        caption="Detectable effect of the sharp test by formula, and how often placebo groups "
        f"with that effect are found (the aim: {100 * plan.inference.power:.0f}%)",
        decimals={"Found, %": 0, "Found with no effect, %": 0},
    )


def tabulate_other_readings(plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str) -> Table:
    """Show the readings by dose, by pooled counts and in log odds, outcome by outcome."""
    found = list_other_readings(plan, panel, scenario=scenario)
    return Table(
        frame=_lay_out_readings(plan, found),
        caption="The same comparisons on other scales; a ratio of 1 is no change",
        decimals={"p": 2, "Units": 0},
    )


def tabulate_doses(plan: EvaluationPlan, panel: pd.DataFrame) -> Table | Sentence:
    """Show the primary outcomes' readings by dose, of every group with unequal exposure."""
    parts = []
    for key in plan.open_scenarios:
        found = list_other_readings(plan, panel, scenario=key)
        mine = found["reading"].isin([BY_DOSE, IN_PRACTICE])
        own = found[mine & found["outcome"].isin(plan.family.primary_outcomes)]
        parts.append(_lay_out_readings(plan, own).assign(Group=plan.scenarios[key].short))
    frame = pd.concat(parts, ignore_index=True)
    if frame.empty:
        return Sentence(f"All {plan.texts.units} of a group were exposed alike.")
    return Table(
        frame=frame[["Group", *(name for name in frame if name != "Group")]],
        caption="Effect of full exposure, where some were exposed for longer or in a larger part",
        decimals={"p": 2, "Units": 0},
    )


def _lay_out_readings(plan: EvaluationPlan, found: pd.DataFrame) -> pd.DataFrame:
    decimals = [2 if "ratio" in scale else 1 for scale in found["scale"]]
    ends = ("estimate_low", "estimate_high"), ("conf_low", "conf_high")
    shown = [
        [format_range(*row) for row in zip(found[low], found[high], decimals, strict=True)]
        for low, high in ends
    ]
    return pd.DataFrame(
        {
            "Outcome": [plan.outcomes[key].label for key in found["outcome"]],
            "Reading": found["reading"],
            "Scale": found["scale"],
            "Estimate": shown[0],
            "Interval": shown[1],
            "p": found["p_value"],
            "Units": found["n_treated"],
            "Note": [plan.texts.in_units(_first(text)) for text in found["reason"]],
        }
    )


def tabulate_spillover(
    plan: EvaluationPlan, outcome: str, found: pd.DataFrame | Sentence
) -> Table | Sentence:
    """Show the comparison without those that border the treated, or the sentence in its place."""
    if isinstance(found, Sentence):
        return found
    return Table(frame=found, caption=plan.outcomes[outcome].label, decimals={"p_value": 3})


def word_leaving_out(each: pd.DataFrame | Sentence) -> str:
    """Say between which estimates leaving out any one comparator leads."""
    if isinstance(each, Sentence):
        return each.text
    if each.empty:
        return "There is one comparator: none can be left out."
    low, high = each["estimate_low"].min(), each["estimate_high"].max()
    return f"Leaving out any one comparator: estimates from {low:.2f} to {high:.2f}."


def tabulate_choices(plan: EvaluationPlan, curve: pd.DataFrame) -> Table | Sentence:
    """Show what the specifications of every single choice give, whatever the other choices."""
    if curve.empty:
        return NO_SPECIFICATION
    rows = []
    for choice in CHOICES:
        for option, own in curve.groupby(choice, sort=False):
            found = summarise_curve(own)
            rows.append(
                {
                    "Choice": f"{choice}: {_name_option(plan, choice, str(option))}",
                    "Specifications": found["specifications"],
                    "Median estimate": found["median"],
                    "Above zero, %": 100 * found["share_above_zero"],
                    "Interval without zero, %": 100 * found["share_excluding_zero"],
                }
            )
    frame = pd.DataFrame(rows).sort_values("Choice", ignore_index=True, kind="stable")
    caption = "Every choice on its own, over all the others: none is picked for its result"
    return Table(
        frame=frame,
        caption=caption,
        decimals={"Above zero, %": 0, "Interval without zero, %": 0},
    )


def _name_option(plan: EvaluationPlan, choice: str, option: str) -> str:
    """Name an option of a choice in words."""
    if choice == "scenario":
        return plan.scenarios[option].short
    if choice == "inference":
        return name_test(option)
    for record in plan.breaks:
        years = f"definition of {name_year(record.first_year_after)}"
        option = option.replace(record.break_id, years)
    return OPTION_WORDS.get(option, option)


def tabulate_comparator_rules(curve: pd.DataFrame, *, scenario: str) -> Table | Sentence:
    """Show the sharp, unweighted estimate under each comparator rule, years as planned."""
    if curve.empty:
        return NO_SPECIFICATION
    curve = curve[curve["scenario"] == scenario]
    rows = curve[
        (curve["weights"] == "councils equal")
        & (curve["inference"] == "sharp")
        & (curve["figures"] == "as planned")
        & (curve["years"] == max(curve["years"], key=len, default=""))
    ]
    frame = pd.DataFrame(
        {
            "Comparators": [OPTION_WORDS[rule] for rule in rows["comparators"]],
            "Estimate": [
                format_range(low, high)
                for low, high in zip(rows["estimate_low"], rows["estimate_high"], strict=True)
            ],
            "From": rows["conf_low"].to_list(),
            "To": rows["conf_high"].to_list(),
            "How many": rows["n_comparators"].to_list(),
        }
    )
    return Table(frame=frame, caption="Estimates by comparator rule (sharp test)")


def word_prior_trend(plan: EvaluationPlan, outcome: str, report: TrendReport) -> str:
    """Say how trends differed before the start, and what that would come to if it continued."""
    prior, unit = report.prior, plan.outcomes[outcome].unit
    if pd.isna(prior.slope_low):
        return "The trend before the start is not known: there are not two years before it."
    slope = format_range(prior.slope_low, prior.slope_high)
    effect = format_range(prior.effect_low, prior.effect_high)
    names = ", ".join(plan.names[code] for code in prior.treated)
    return (
        f"Before the start the treated ({names}) "
        f"moved by {slope} {unit} a year relative to comparators. Had that trend gone on, the "
        f"estimate would be {effect} without any effect of the pilot."
    )


def tabulate_trend_bounds(plan: EvaluationPlan, outcome: str, report: TrendReport) -> Table:
    """Show intervals under trends that part, in the two ways of `bound_design`."""
    names = {
        "relative_magnitudes": "times the largest parting before the start",
        "smoothness": f"{plan.outcomes[outcome].unit} of slope a year, around a straight line",
    }
    bounds = report.bounds
    said = [
        f"zero is left out up to {format_number(value)} {names[restriction]}"
        for restriction, value in report.breakdown.items()
        if not pd.isna(value)
    ]
    caption = "; ".join(said) if said else "no interval leaves zero out, under either restriction"
    if bounds.empty:
        caption = "bounds cannot be computed: there is no coefficient before the start"
    caption += f". Treated: {', '.join(report.treated) or 'none'}"
    if report.missing:
        caption += f"; without every year, and not used: {', '.join(report.missing)}"
    frame = pd.DataFrame(
        {
            "Trends may part by": [
                f"{format_number(row.allowed)} {names[row.restriction]}"
                for row in bounds.itertuples()
            ],
            "From": bounds["conf_low"].to_numpy(float),
            "To": bounds["conf_high"].to_numpy(float),
        }
    )
    return Table(frame=frame, caption=f"If trends were not parallel: {caption}")


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(INTERVALS.values(), float)).astype({"Treated": "Int64"})


def _first(reason: object) -> str:
    return str(reason).split("; ", maxsplit=1)[0] if isinstance(reason, str) else ""
