"""Tables and figures as people meet them: readable by eye, by ear and by machine."""

import re

import numpy as np
import pandas as pd
import pytest

import pilot_eval as pe
from pilot_eval.errors import ParameterError
from pilot_eval.published.bands import daily_shares
from pilot_eval.reporting import band_pages, figures
from pilot_eval.reporting import council as report
from pilot_eval.reporting.answers_file import collect_answers
from pilot_eval.reporting.display import Table, format_number
from pilot_eval.reporting.overview import plot_overview


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.fixture(scope="module")
def evidence(plan):
    return pe.evaluate(plan, scenarios=("announced",))


@pytest.fixture(scope="module")
def panel(plan):
    return pe.build_panel(pe.load_published(), plan)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (-1234.56, 1, "−1,234.6"),
        (-0.04, 1, "0.0"),
        (0.25, 0, "0"),
        (float("inf"), 1, "no limit"),
        (12, 0, "12"),
    ],
)
def test_numbers_are_written_for_reading(value, places, text):
    assert format_number(value, places) == text


def test_a_table_has_caption_headers_scope_and_escapes_text():
    frame = pd.DataFrame({"Council": ["A & B"], "n": [3], "x": [np.nan], "yes": [True]})
    html = Table(frame=frame, caption="What <is> shown")._repr_html_()
    assert "<caption>What &lt;is&gt; shown</caption>" in html
    assert html.count('scope="col"') == 4
    assert '<th scope="row">A &amp; B</th>' in html
    assert ">3<" in html
    assert ">–<" in html
    assert ">yes<" in html


def test_the_spike_is_englands_published_one():
    # SFR27/2012, England: 192,100 initial assessments on days 6-10 and 38,400 on days 11-15, of
    # 451,500: 42.55% over five days and 8.5% over five.
    shares = daily_shares(pe.load_published(), band_pages.CLOSED_BANDS, year=2012)
    assert shares.loc["E92000001", "6 to 10"] == pytest.approx(100 * 192_100 / 451_500 / 5)
    assert shares.loc["E92000001", "11 to 15"] == pytest.approx(100 * 38_400 / 451_500 / 5)


def test_titles_state_what_the_numbers_say(plan, panel):
    evidence = pe.evaluate(plan, scenarios=("announced",), outcomes=("repeat_plan_pct",))
    figure = figures.plot_effects(plan, evidence, scenario="announced", outcome="repeat_plan_pct")
    own = figure.numbers.set_index("Council")["Effect from"].drop(
        ["Pooled, sharp test", "Pooled, robust test"]
    )
    assert f": {(own > 0).sum()} of {len(own)} councils' own effects are above zero" in figure.title
    design = pe.build_design(plan, panel, scenario="announced", outcome="repeat_plan_pct")
    # Westminster's 21 later plans of 108 and 1 to 5 of 119 are 10.1 to 11.8 on average.
    lowest, highest = (wide.loc[list(design.treated)] for wide in design.bounds())
    low, high = (
        (wide[list(design.post)].mean(axis=1) - wide[list(design.pre)].mean(axis=1)).mean()
        for wide in (lowest, highest)
    )
    assert high - low == pytest.approx(100 * 4 / 119 / 2 / 5)
    said = f"5 treated councils rose by {low:.1f} to {high:.1f}"
    assert said in figures.plot_trend(plan, design).title


def test_the_overview_shows_every_outcome_with_the_signs_of_the_tables(plan, evidence):
    rows = evidence.table.query("method == 'robust'").set_index("outcome")
    collected = collect_answers(plan, evidence, version="1")
    shown = plot_overview(collected).numbers.set_index("Outcome")
    assert list(shown.index) == [plan.outcomes[row.outcome].label for row in collected.primary()]
    reviews = rows.loc["plan_reviewed_on_time_pct"]  # harm if it falls
    ends = (format_number(reviews[name]) for name in ("conf_low", "conf_high"))
    label = plan.outcomes["plan_reviewed_on_time_pct"].label
    assert shown.loc[label, "Interval"] == " to ".join(ends)
    assert shown.loc[label, "Harm if it"] == "falls"
    assert plot_overview(collected.model_copy(update={"comparisons": ()})) is None


def test_trend_leaves_withheld_years_empty(plan, panel):
    design = pe.build_design(plan, panel, scenario="granted", outcome="ia_within_10wd_pct")
    figure = figures.plot_trend(plan, design)
    numbers = figure.numbers.set_index("Councils")
    assert numbers.loc["Cumbria", "2011-12"] == 88.1  # DfE: (231 + 460 + 1,947) / 2,993
    assert np.isnan(numbers.loc["Cumbria", "2012-13"])


def test_a_council_report_for_anyone_and_a_hint_for_a_misspelling(plan, panel):
    assert "Not in the register" in report.describe_council(plan, "Leeds")[0]
    assert any("Inspected inadequate" in line for line in report.describe_council(plan, "Cumbria"))
    table = report.tabulate_figures(plan, panel, "Westminster").frame.set_index("Outcome")
    label = plan.outcomes["ia_within_10wd_pct"].label
    assert np.isnan(table.loc[label, "2011-12"])
    *years, place = table.columns
    assert years == sorted(years)
    assert table.loc[plan.outcomes["repeat_plan_pct"].label, place].endswith(" of 152")  # 2016-17
    with pytest.raises(ParameterError, match="Did you mean Cumbria"):
        report.plan_for_council(plan, "Cumbra")


@pytest.mark.parametrize(
    ("council", "said"),
    [
        ("Hackney", "15 days to the conference; not known for 1 other requirement"),
        ("Hammersmith and Fulham", "Hammersmith and Fulham, freed: Two-stage assessment; "),
        ("Leeds", "Leeds, not freed in this pilot"),
    ],
)
def test_a_council_report_opens_with_what_the_council_was_freed_from(plan, panel, council, said):
    one = report.plan_for_council(plan, council)
    assert said in report.open_council(one, panel, council).answer


def test_one_council_is_never_its_own_comparator(plan, panel):
    one = report.plan_for_council(plan, "Leeds")
    design = report.council_design(one, panel, "repeat_plan_pct")
    assert design.names == ["Leeds"]
    assert not set(design.treated) & set(design.comparators)


def test_a_columns_cells_are_aligned_alike():
    """By words where one cell has words, by numbers where none has."""
    rows = {
        "Council": ["A", "B"],
        "After": ["2012, 2013", "2014 alone"],
        "Effect": ["", "1.0 to 2.0"],
    }
    html = Table(frame=pd.DataFrame(rows), caption="t")._repr_html_()
    assert re.findall(r"<td( class=\"number\")?>", html) == ["", ' class="number"'] * 2


def test_no_key_stands_in_the_head_of_a_table():
    names = ("effect_low", "months_exposed", "reading", "p_value", "p, family", "Council")
    frame = pd.DataFrame([[1.0] * len(names)], columns=list(names))
    shown = Table(frame=frame, caption="any", decimals={"effect_low": 3})._repr_html_()
    heads = re.findall(r'<th scope="col">([^<]*)</th>', shown)
    assert heads == ["Effect from", "Months exposed", "Reading", "p", "p, family", "Council"]
    assert "1.000" in shown


def test_the_ends_of_a_set_or_an_interval_share_a_column():
    frame = pd.DataFrame(
        {
            "reading": ["a", "b"],
            "estimate_low": [1.0, -2.5],
            "estimate_high": [2.0, -2.5],
            "conf_low": [-3.25, np.nan],
            "conf_high": [np.inf, np.nan],
        }
    )
    table = Table(frame=frame, caption="any", decimals={"conf_low": 2})
    heads = re.findall(r'<th scope="col">([^<]*)</th>', table._repr_html_())
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", table._repr_html_())
    assert heads == ["Reading", "Estimate", "Interval"]
    assert cells == ["1.0 to 2.0", "−3.25 to no limit", "−2.5", "–"]
