"""The design of the next pilot as tables: what each size of lot detects, and a choice's price."""

from __future__ import annotations

from pilot_eval.checks.next_pilot import PilotDesign
from pilot_eval.evaluation.verdict_words import name_test
from pilot_eval.plan import EvaluationPlan
from pilot_eval.project import find_file
from pilot_eval.published.boundaries import CHANGES, read_boundary_changes
from pilot_eval.reporting.display import Opening, Sentence, Table

LOTS = {
    "lot_none": "Lot",
    "lot_type": "Lot within type",
    "lot_region": "Lot within region",
    "lot_level": "Lot within level",
}
TESTS = {
    "robust": name_test("robust").capitalize(),
    "size_adjusted": name_test("sharp").capitalize(),
    "cr2": name_test("cr2"),
}
PRICE = {
    "choice": "Who takes part",
    "detectable": "Detectable",
    "level_gap_in_sd": "Gap in level, standard deviations",
    "p_value_rests_on": "The p-value rests on",
}


def open_design(plan: EvaluationPlan, outcome: str, design: PilotDesign | Sentence) -> Opening:
    """Open the page with the design, or with why there is none.

    Parameters
    ----------
    plan : EvaluationPlan
    outcome : str
    design : PilotDesign or Sentence
        A sentence where the figures bear none, here and in the other functions.
    """
    judged = f"Judged on: {plan.outcomes[outcome].label}."
    if isinstance(design, Sentence):
        return Opening("No design can be judged on these figures", f"{judged} {design.text}")
    return Opening(design.title, judged)


def tabulate_detectable(plan: EvaluationPlan, design: PilotDesign | Sentence) -> Table | Sentence:
    """Show the smallest effect found, by how many take part and for how long.

    Parameters
    ----------
    plan : EvaluationPlan
    design : PilotDesign or Sentence

    Returns
    -------
    Table or Sentence
        A dash where no effect of any size would be found.
    """
    if isinstance(design, Sentence):
        return design
    names = {"councils": plan.texts.units.capitalize(), "periods_after": "Periods after"}
    frame = design.table.replace(float("inf"), float("nan"))
    return Table(
        frame=frame.rename(columns=names | LOTS | TESTS | {"stretches": "Stretches"}),
        caption=f"{plan.outcomes[design.outcome].label}: detectable effects, {design.unit}",
    )


def tabulate_price(plan: EvaluationPlan, design: PilotDesign | Sentence) -> Table | Sentence:
    """Show what those that were chosen detect, compared with a random draw of the same size."""
    if isinstance(design, Sentence):
        return design
    label = plan.outcomes[design.outcome].label
    return Table(
        frame=design.choice.rename(columns=PRICE),
        caption=f"{label}: chosen {plan.texts.units} and a random draw: effects, {design.unit}",
    )


def word_draw(plan: EvaluationPlan, design: PilotDesign | Sentence) -> str:
    """Say in Markdown whom the lot gives, whom to ask next, and what to know of them."""
    if isinstance(design, Sentence):
        return design.text
    drawn = [
        f"**Drawn:** {'; '.join(design.drawn)}",
        f"**Reserves:** {'; '.join(design.reserves)}",
    ]
    return "\n\n".join([*drawn, *design.notes, *_list_divided(plan, design)])


def _list_divided(plan: EvaluationPlan, design: PilotDesign) -> list[str]:
    """Say which of those drawn have become several: their figures are the successors' together."""
    asked = {*design.drawn, *design.reserves}
    dates = {
        plan.names[change.old_code]: change.date
        for change in read_boundary_changes(find_file(CHANGES))
        if change.rule == "add" and plan.names.get(change.old_code) in asked
    }
    return [
        f"{name} was divided on {date}: in its place are the councils that followed it."
        for name, date in dates.items()
    ]
