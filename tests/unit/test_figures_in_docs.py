"""Figures that documents quote are those of the committed evidence, or of the choice they name."""

from __future__ import annotations

import pandas as pd
import pytest
from project_folder import ROOT

from pilot_eval.checks.specification_curve import _tables, _weigh_by_children
from pilot_eval.design.build import build_design
from pilot_eval.evaluation.identified import identify
from pilot_eval.plan import load_plan
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.panel import build_panel
from pilot_eval.reporting.display import format_number, format_range
from pilot_eval.reporting.long_paths import lay_out_paths

REPEAT, REREFERRAL = "repeat_plan_pct", "rereferral_12m_pct"
INITIAL, CORE = "ia_within_10wd_pct", "ca_within_35wd_pct"
CONFERENCE = "icpc_within_15wd_pct"
FIVE, FOUR, LATER, EIGHT = "announced", "granted_march", "granted_september", "granted"
ENGLISH = ("zero", "one", "two", "three", "four", "five")
UNTIL_2012 = {"windows.main.post": [2012]}


@pytest.fixture(scope="module")
def evidence():
    table = pd.read_csv(ROOT / "reports" / "published" / "evidence.csv")
    return table[table["status"] == "estimated"]


@pytest.fixture(scope="module")
def published():
    return load_published()


def read(name: str) -> str:
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


def effect(row) -> str:
    return format_range(row["estimate_low"], row["estimate_high"])


def interval(row) -> str:
    return f"{format_number(row['conf_low'])} to {format_number(row['conf_high'])}"


@pytest.fixture(scope="module")
def stored(evidence):
    """Look a comparison up in the committed evidence."""
    keyed = evidence.set_index(["scenario", "outcome", "method"])
    return lambda scenario, outcome, method="robust": keyed.loc[scenario, outcome, method]


@pytest.fixture(scope="module")
def other(published):
    """Estimate a comparison under another choice of the plan, or on other figures."""

    def estimate(change, scenario, outcome, method="robust", table=None):
        plan = load_plan().revise(change)
        panel = build_panel(published if table is None else table, plan)
        design = build_design(plan, panel, scenario=scenario, outcome=outcome)
        return identify(plan, design, ["robust", method]).numbers[method]

    return estimate


def test_assumptions(stored, other, evidence):
    text = read("assumptions.md")
    five, four = stored(FIVE, REPEAT), stored(FOUR, REPEAT)
    assert f"five against four: repeat plans {effect(five)} and {effect(four)} points" in text
    alone = effect(other({"clusters": {}}, EIGHT, REPEAT))
    together = effect(stored(EIGHT, REPEAT))
    assert f"repeat plans among the eight are {alone} instead of {together} points" in text
    number = len(evidence.drop_duplicates(["scenario", "outcome"]))
    assert f"one outcome at a time, {number} in all" in text
    by_chance = ENGLISH[round(number * load_plan().inference.alpha)]
    assert f"{number} are estimated. At 5%, about {by_chance} would show a change" in text
    assert f"p-value below {evidence['p_romano_wolf'].min():.2f}." in text
    said = f"repeat plans among the four {four['p_romano_wolf']:.2f} instead of"
    assert f"{said} {four['p_value']:.2f} |" in text


def test_estimand(stored, published):
    text = read("decisions/estimand.md")
    five, four, eight = (effect(stored(name, REPEAT)) for name in (FIVE, FOUR, EIGHT))
    assert f"give {five} points among the five, {four} among the four and {eight} among" in text
    plan = load_plan()
    panel = build_panel(published, plan)
    weighted = [
        effect(_weigh_by_children(plan, build_design(plan, panel, scenario=name, outcome=REPEAT)))
        for name in (FIVE, FOUR, EIGHT)
    ]
    assert "{} (five), {} (four) and {} (eight)".format(*weighted) in text


def test_clusters(stored, other):
    text = read("decisions/clusters.md")
    for outcome, words in ((REPEAT, "repeat plans change from"), (REREFERRAL, "re-referrals from")):
        one, apart = stored(EIGHT, outcome), other({"clusters": {}}, EIGHT, outcome)
        robust = "robust " if outcome == REPEAT else ""
        said = f"{words} {effect(one)} ({robust}{interval(one)}) to {effect(apart)}"
        assert f"{said} ({interval(apart)})" in text


def test_where_the_tests_disagree(evidence, stored):
    text = read("decisions/inference-few-treated.md")
    away = evidence.assign(away=(evidence["conf_low"] > 0) | (evidence["conf_high"] < 0))
    wide = away.pivot(index=["scenario", "outcome"], columns="method", values="away")
    tests = wide[["robust", "sharp", "cr2"]].astype(bool)
    apart = tests[tests.any(axis=1) & ~tests.all(axis=1)]
    assert apart.index.tolist() == [(LATER, REPEAT)]
    assert (
        f"Of {len(wide)} estimated comparisons the tests disagree in {ENGLISH[len(apart)]}" in text
    )
    said = [
        interval(stored(LATER, REPEAT, name)) for name in ("robust", "cr2", "sharp", "adjusted")
    ]
    assert "robust ({}) and CR2 ({}) leave it out and sharp ({}) does not".format(*said) in text
    assert f"holds 0 ({said[3]})" in text
    four = stored(FOUR, REPEAT)
    assert f"p {four['p_value']:.2f} alone and {four['p_romano_wolf']:.2f} allowing" in text


@pytest.mark.parametrize(
    ("outcome", "words"),
    [(INITIAL, "initial assessments within 10"), (CORE, "core assessments within 35"),
     (CONFERENCE, "conferences within 15")],
)  # fmt: skip
def test_years_without_the_breaks(stored, other, outcome, words):
    planned = stored(FIVE, outcome, "sharp")
    shorter = other(UNTIL_2012, FIVE, outcome, "sharp")
    cells = [f"{effect(row)} ({interval(row)})" for row in (planned, shorter)]
    assert f"| {words} days | {cells[0]} | {cells[1]} |" in read("decisions/measurement-breaks.md")
    if outcome == INITIAL:
        later = other({"windows.main.pre": [2011]}, FIVE, outcome, "sharp")
        said = f"gives {effect(later)} ({interval(later)}) for initial"
        assert said in read("decisions/measurement-breaks.md")


def test_printed_rates(stored, other, published):
    text = read("decisions/one-population-series.md")
    said = {"cpp_rate": "a plan are {} (five) and {} (eight) instead of {} and {}",
            "cin_rate": "in need {} and {} instead of {} and {}",
            "referral_rate": "referrals {} and {} instead of {} and {}"}  # fmt: skip
    for outcome, words in said.items():
        printed = dict(_tables(published, outcome))["rates as printed"]
        other_way = [effect(other({}, name, outcome, table=printed)) for name in (FIVE, EIGHT)]
        planned = [effect(stored(name, outcome)) for name in (FIVE, EIGHT)]
        assert words.format(*other_way, *planned) in text


@pytest.mark.parametrize(
    "rule", ["all_england", "same_region", "same_type", "nearest", "neighbours_2021"]
)
def test_other_comparators(other, rule):
    row = other({"comparators.rule": rule}, FOUR, REPEAT)
    found = [line for line in read_lines("decisions/comparators.md") if f"| `{rule}` |" in line]
    assert [line.endswith(f"| {effect(row)} | {interval(row)} |") for line in found] == [True]


def read_lines(name: str) -> list[str]:
    return (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines()


def test_hidden_counts(stored):
    rows = [stored(FOUR, REPEAT, name) for name in ("robust", "sharp", "cr2")]
    cells = " | ".join(map(interval, rows))
    said = f"| whatever the hidden counts are | {effect(rows[0])} | {cells} |"
    assert said in read("decisions/suppression-and-bounds.md")


def test_what_others_found(published):
    """The register counts as the first evaluation does, and Islington's share is DfE's."""
    text, plan = read("other-evaluations.md"), load_plan()
    register = pd.read_csv(ROOT / "pilots" / "timescales-2011" / "register.csv")
    first = register[register["freed"].isin(["yes", "inferred"])]
    first = first[first["granted"].fillna("").str.startswith("2011")]
    counts = first.groupby("requirement").size()
    names = ("two_stage_assessment", "assessment_time_limits", "icpc_15wd", "core_group_10wd")
    said = [str(counts[name]) for name in names]
    assert f"the register names {', '.join(said[:3])} and {said[3]} |" in text
    paths = 100 - lay_out_paths(plan, published, "sa_within_45wd_pct")[2015]
    own, others = paths.loc[True, "Islington"], paths.loc[False].mean()
    said = f"{format_number(own)}% took more than 45 days in 2014-15, {format_number(others)}% in"
    assert said in text
