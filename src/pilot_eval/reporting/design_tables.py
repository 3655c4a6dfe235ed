"""The design of the next pilot as tables: what each size of lot detects, and a choice's price."""

from __future__ import annotations

from pilot_eval.checks.next_pilot import PilotDesign
from pilot_eval.evaluation.verdict_words import name_test
from pilot_eval.plan import EvaluationPlan
from pilot_eval.project import find_file
from pilot_eval.published.boundaries import CHANGES, read_boundary_changes
from pilot_eval.reporting.display import Table

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


def tabulate_detectable(plan: EvaluationPlan, design: PilotDesign) -> Table:
    """Show the smallest effect found, by how many take part and for how long.

    Parameters
    ----------
    plan : EvaluationPlan
    design : PilotDesign

    Returns
    -------
    Table
        A dash where no effect of any size would be found.
    """
    names = {"councils": plan.texts.units.capitalize(), "periods_after": "Periods after"}
    frame = design.table.replace(float("inf"), float("nan"))
    return Table(
        frame=frame.rename(columns=names | LOTS | TESTS | {"stretches": "Stretches"}),
        caption=f"{plan.outcomes[design.outcome].label}: detectable effects, {design.unit}",
    )


def tabulate_price(plan: EvaluationPlan, design: PilotDesign) -> Table:
    """Show what those that were chosen detect, compared with a random draw of the same size."""
    label = plan.outcomes[design.outcome].label
    return Table(
        frame=design.choice.rename(columns=PRICE),
        caption=f"{label}: chosen {plan.texts.units} and a random draw: effects, {design.unit}",
    )


def list_divided(plan: EvaluationPlan, design: PilotDesign) -> list[str]:
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
