"""Pilots unlike the first run end to end, and no page of theirs says a word of the first."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from made_up_pilots import list_made_up, write_pilot
from project_folder import ROOT
from readability import reading_age
from stories import list_story
from test_front_page import EASIEST_FOR, MOST_WORDS, read_lines

import pilot_eval as pe
from pilot_eval.checks.placebo import placebo_in_space
from pilot_eval.checks.specification_curve import CURVE_COLUMNS
from pilot_eval.disclosure.release.release_check import check_release
from pilot_eval.evaluation.unit_facts import describe_councils
from pilot_eval.project import list_pilots
from pilot_eval.published.council_table import read_council_table
from pilot_eval.reference.facts import council_names
from pilot_eval.reporting import checks, design_tables
from pilot_eval.reporting.answers_file import collect_answers
from pilot_eval.reporting.display import NO_SPECIFICATION, Sentence, show_or_say
from pilot_eval.reporting.figures import (
    _find_limit,
    plot_detectable,
    plot_effects,
    plot_specification_curve,
    plot_trend,
)
from pilot_eval.reporting.front_page import render_front_page
from pilot_eval.reporting.tables import design_summary, tabulate_balance

PILOTS = list_made_up(council_names(ROOT))


@pytest.fixture(scope="module", params=PILOTS)
def pilot(request, tmp_path_factory):
    """A made-up pilot: its description, its plan and its table."""
    folder = tmp_path_factory.mktemp(request.param)
    first = (ROOT / "pilots" / "timescales-2011" / "plan.toml").read_text(encoding="utf-8")
    verdict = first[first.index("[verdict]") : first.index("# The adjusted reading")]
    table = write_pilot(PILOTS[request.param], folder, verdict)
    plan = pe.load_plan(folder / "pilots" / request.param)
    units = [unit.unit_code for unit in plan.units]
    return PILOTS[request.param], plan, read_council_table(table, units=units), folder, table


def test_every_comparison_has_an_estimate_near_the_truth(pilot):
    made, plan, table, *_ = pilot
    found = pe.evaluate(plan, table)
    robust = found.table[found.table["method"] == "robust"]
    assert len(robust) == len(plan.scenarios) * len(plan.outcomes)
    assert (robust["status"] == "estimated").all(), robust["reason"].tolist()
    shares = robust[robust["unit"] != "per 10,000 children"]
    assert (abs(shares["estimate"] - made.treated_effect) < 4).all()
    assert (shares["p_value"] < 0.05).all()
    assert len(found.answers) == len(plan.questions)
    lines = read_lines(render_front_page(collect_answers(plan, found, version="1.0")))
    assert len(" ".join(lines).split()) < MOST_WORDS
    assert reading_age("\n".join(lines)) <= EASIEST_FOR


def test_starts_are_those_of_the_register(pilot):
    made, plan, table, *_ = pilot
    starts = set(pe.evaluate(plan, table).table["starts"])
    assert (
        starts
        == {
            "two-waves": {"2019: 3 councils; 2020: 3 councils"},
            "no-delay": {"2019 to 2020: 5 councils"},
            "quarters": {"2018Q3: 4 councils"},
            "teams": {"2019: 5 teams"},
            "ends": {"2019 to 2020: 5 councils", "until 2020: 5 councils"},
        }[made.name]
    )


def test_reasons_speak_of_the_plans_own_units():
    """Too few comparators, and too few treated, of teams: nothing is said of councils."""
    made = PILOTS["teams"]
    codes = list(made.units)
    for kept, said in ((codes[:8], "3 comparator teams, needs 5"), (codes[4:], "treated teams")):
        reasons = set(evaluate_some(made, kept)[1].table["reason"])
        assert any(said in reason for reason in reasons), reasons
        assert not any("council" in reason or "; ;" in reason for reason in reasons)


def evaluate_some(made, kept):
    """Evaluate a made-up pilot on some of its units alone: plan and evidence."""
    first = (ROOT / "pilots" / "timescales-2011" / "plan.toml").read_text(encoding="utf-8")
    verdict = first[first.index("[verdict]") : first.index("# The adjusted reading")]
    with TemporaryDirectory() as name:
        table = write_pilot(made, Path(name), verdict)
        plan = pe.load_plan(Path(name, "pilots", made.name))
        figures = read_council_table(table, units=[unit.unit_code for unit in plan.units])
    return plan, pe.evaluate(plan, figures[figures["council_code"].isin(kept)])


def test_a_unit_seen_only_just_before_its_own_later_start_is_compared(tmp_path):
    """It has no figure before the first wave: its level, and how sure that is, are its own."""
    made = PILOTS["two-waves"]
    first = (ROOT / "pilots" / "timescales-2011" / "plan.toml").read_text(encoding="utf-8")
    verdict = first[first.index("[verdict]") : first.index("# The adjusted reading")]
    table = read_council_table(write_pilot(made, tmp_path, verdict))
    plan = pe.load_plan(tmp_path / "pilots" / made.name)
    late = list(made.spells)[-1]
    seen_late = table[(table["council_code"] != late) | (table["year_ending"] >= 2019)]
    evidence = pe.evaluate(plan, seen_late, outcomes="visited_in_5_pct").table
    assert set(evidence["status"]) == {"estimated"}
    assert set(evidence["n_treated"]) == {6}
    panel = pe.build_panel(seen_late, plan)
    design = pe.build_design(plan, panel, scenario="everybody", outcome="visited_in_5_pct")
    variance = describe_councils(plan, design).level_variance[list(design.codes).index(late)]
    share, size = design.figures.loc[late, 2019] / 100, design.cases[late]
    assert variance == pytest.approx(1e4 * share * (1 - share) / size, rel=0.05)


def test_two_against_two_are_told_in_words():
    """CR2 alone has an answer: no chart of effects, none of what could be found."""
    made = PILOTS["teams"]
    plan, evidence = evaluate_some(made, list(made.units)[3:7])
    chosen = {"scenario": "volunteers"}
    shown = [
        plot_effects(plan, evidence, outcome="visited_in_5_pct", **chosen),
        plot_detectable(plan, evidence, **chosen),
    ]
    assert all(isinstance(item, Sentence) for item in shown), shown
    assert "2 comparator teams, needs 5" in shown[0].text
    assert {verdict.rating for verdict in evidence.verdicts} == {0}
    assert "none can be left out" in checks.word_leaving_out(pd.DataFrame())
    assert "cannot be told" in evidence.summary()


def test_pages_on_treated_without_figures_say_so():
    """Found on random pilots: an error stood where a sentence or an empty chart should."""
    made = PILOTS["teams"]
    plan, evidence = evaluate_some(made, list(made.units)[5:])
    chosen = {"scenario": "volunteers", "outcome": "visited_in_5_pct"}
    with TemporaryDirectory() as name:
        table = write_pilot(replace(made, name="other"), Path(name), "")
        figures = read_council_table(table, units=[unit.unit_code for unit in plan.units])
    panel = pe.build_panel(figures[figures["council_code"].isin(list(made.units)[5:])], plan)
    design = pe.build_design(plan, panel, **chosen)
    assert design_summary(design).startswith("none (0 of 5) against 15 comparators")
    assert "0 treated teams moved by an unknown number" in plot_trend(plan, design).title
    space = placebo_in_space(plan, panel, **chosen)
    assert "for groups to compare with" in checks.word_placebo_in_space(space)
    nobody = Sentence("Left out: no figures")  # as from show_or_say, where all are withheld
    [verdict] = [v for v in evidence.verdicts if v.inputs.outcome == chosen["outcome"]]
    opened = checks.open_checks(verdict, nobody, pd.DataFrame(columns=list(CURVE_COLUMNS)))
    assert nobody.text in opened.text
    assert checks.word_leaving_out(nobody) == nobody.text
    assert checks.tabulate_spillover(plan, chosen["outcome"], nobody) == nobody
    assert isinstance(checks.tabulate_leave_one_out(plan, panel, **chosen), Sentence)
    assert isinstance(plot_effects(plan, evidence, **chosen), Sentence)
    nothing = replace(design, figures=design.figures * np.nan)
    assert plot_trend(plan, nothing).numbers.shape[0] == 1
    alike = tabulate_balance(plan, panel.assign(value=1.0), (), design.comparators).frame
    assert alike["Difference, standard deviations"].isna().all()
    assert _find_limit([2.0, np.inf, np.nan], np.nan) == pytest.approx(2.5)


def test_without_unequal_exposure_there_is_no_reading_by_dose(pilot):
    _, plan, table, *_ = pilot
    said = checks.tabulate_doses(plan, pe.build_panel(table, plan))
    assert said == Sentence(f"All {plan.texts.units} of a group were exposed alike.")


def test_pages_on_too_few_units_say_so():
    """No specification and no design: a sentence stands where figures and tables would."""
    plan = pe.load_plan()
    figures = pe.build_panel(pe.load_published(), plan)
    empty = pd.DataFrame(columns=list(CURVE_COLUMNS))
    outcome = plan.family.primary_outcomes[0]
    for shown in (
        plot_specification_curve(plan, empty, outcome=outcome),
        checks.tabulate_choices(plan, empty),
        checks.tabulate_comparator_rules(empty, scenario=plan.family.primary_scenario),
    ):
        assert shown == NO_SPECIFICATION
    units = plan.texts.model_copy(update={"units": "teams"})
    teams = plan.model_copy(update={"texts": units})
    none = show_or_say(teams, pe.design_pilot, plan, figures.head(50), outcome=outcome)
    assert isinstance(none, Sentence)
    assert "ten teams" in none.text
    assert none.text in design_tables.open_design(teams, outcome, none).text
    assert design_tables.tabulate_detectable(plan, none) == none
    assert design_tables.tabulate_price(plan, none) == none
    assert design_tables.word_draw(plan, none) == none.text


# --- reports ------------------------------------------------------------------------------------

#: Pages of the tool itself, with the field's words.
DOCUMENTS = ("methods.html", "evidence.html", "glossary.html")
STORIES = [words for name in list_pilots(ROOT) for words in list_story(pe.load_plan(name))]
UNITS = "England's councils|drop_councils|Twenty teams of one council|Council (?:code|tax)"
FIRST_PILOT = re.compile(
    r"\b20(?:09|1[0-3])-?\d\d\b|\b(?:February|March|September) 2011|timescale|[Ee]xempt|"
    r"assessment|conference|child protection|DfE withheld"
)
ELSEWHERE = "August 2011"  # the low-income covariate of England's councils


def read_pages(report):
    """The words of a report's pages: no pictures, no code cells."""
    for page in sorted(report.glob("*.html")):
        text = re.sub(r"(?s)<style.*?</style>|data:image[^\"]*", "", page.read_text("utf-8"))
        text = re.sub(r'(?s)<details class="code.*?</details>|<pre.*?</pre>', "", text)
        yield page.name, unescape(re.sub(r"<[^>]+>", " ", text)).replace(ELSEWHERE, "")


@pytest.mark.slow
def test_the_whole_report_is_made_and_speaks_of_this_pilot_alone(pilot):
    from pilot_eval.app.request import RunRequest
    from pilot_eval.app.run import run_evaluation

    made, plan, _, folder, table = pilot
    out = folder / "report"
    told = []
    request = RunRequest(root=folder, pilot=made.name, table_file=table, out=out)
    result = run_evaluation(request, told.append)
    assert result.failed == []
    assert any("children are simulated for" in line for line in told)
    pages = dict(read_pages(out))
    own = set(made.units.values())
    others = [words for words in STORIES if words.replace("\\", "") not in own]
    for name, text in pages.items():
        assert [words for words in others if re.search(rf"\b{words}\b", text)] == [], name
        if name in DOCUMENTS or name.startswith("qa_log"):
            continue
        assert FIRST_PILOT.findall(text) == [], name
        if made.own_units:
            assert "ouncil" not in re.sub(UNITS, "", text), name
            assert "without comparators" not in text, name  # nobody knows who borders whom
    assert made.title in pages["index.html"]
    assert plan.texts.introduction in pages["index.html"]
    assert "Not part of this report: Children's records quality" in pages["index.html"]
    assert held(out) == []
    shutil.rmtree(out)


def held(out) -> list[str]:
    """Name what of a clean run the release check does not let through."""
    judged = check_release(out, threshold=5, rounding=10)
    return judged.loc[judged["verdict"] != "pass", "reason"].tolist()


def test_what_a_run_on_an_own_table_writes_may_be_released(tmp_path):
    """Its manifest too: the plan in it are settings, and count nobody."""
    from pilot_eval.app.request import RunRequest
    from pilot_eval.app.run import run_evaluation

    made = PILOTS["teams"]
    first = (ROOT / "pilots" / "timescales-2011" / "plan.toml").read_text(encoding="utf-8")
    verdict = first[first.index("[verdict]") : first.index("# The adjusted reading")]
    table = write_pilot(made, tmp_path, verdict)
    out = tmp_path / "results"
    request = RunRequest(root=tmp_path, pilot=made.name, table_file=table, out=out, notebooks=False)
    assert run_evaluation(request, lambda _: None).failed == []
    assert held(out) == []


def test_a_pilot_is_checked_on_its_own_table(pilot, capsys):
    from pilot_eval.app.cli import main

    made, _, _, folder, table = pilot
    home = str(folder / "pilots" / made.name)
    assert main(["check", home, "--table", str(table)]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out
    assert main(["check", home]) != 0  # DfE's table has none of its outcomes
