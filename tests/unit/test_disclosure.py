"""Suppress, then round, then derive: boundaries, totals, groups, releases and means."""

from dataclasses import fields
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from project_folder import ROOT
from scipy.optimize import LinearConstraint, milp

import pilot_eval as pe
from pilot_eval.app.manifest import hash_data, hash_outputs
from pilot_eval.app.results import read_table, write_results
from pilot_eval.disclosure.protect.indicator_tables import protect_indicators
from pilot_eval.disclosure.protect.rounding import (
    bound_rounded,
    derive_rate,
    round_counts,
    round_half_up,
)
from pilot_eval.disclosure.protect.suppression import (
    protect_shares,
    protect_table,
)
from pilot_eval.disclosure.protect.symbols import show_value
from pilot_eval.disclosure.release_evidence import NUMBERS, release_evidence
from pilot_eval.errors import DisclosureError
from pilot_eval.evidence import Evidence, hash_table
from pilot_eval.evidence_row import EvidenceRow
from pilot_eval.published.bands import PUBLISHED_BANDS

EIGHT = ["Cumbria", "Knowsley", "Westminster", "Hackney", "H&F", "K&C", "Islington", "Wandsworth"]


@pytest.mark.parametrize("threshold", [5, 7, 10])
def test_a_table_prints_true_zeros_and_counts_above_the_threshold(threshold):
    counts = pd.DataFrame({"a": [0, 1, threshold, threshold + 1]}, index=list("wxyz"))
    published = protect_table(counts, threshold=threshold, row_groups={}, column_groups={})
    assert published.published["a"].tolist() == [0, "c", "c", threshold + 1]


def test_the_smallest_threshold_hides_ones_and_twos():
    counts = pd.DataFrame({"a": [0, 1, 2, 3]}, index=list("wxyz"))
    found = protect_table(counts, threshold=2, row_groups={}, column_groups={})
    assert found.published["a"].tolist() == [0, "c", "c", 3]


@pytest.mark.parametrize("threshold", [0, 1, 2.5])
def test_a_threshold_that_hides_nothing_is_refused(threshold):
    with pytest.raises(DisclosureError, match="`threshold` must be a whole number from 2"):
        protect_table(pd.DataFrame([[1]]), threshold=threshold)


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        ([[1.5]], {}, "whole numbers"),
        ([[-1]], {}, "whole numbers"),
        ([[np.nan]], {}, "number in every cell"),
        ([[1]], {"row_groups": {"England": ["elsewhere"]}}, "all be in the table"),
        ([[1]], {"row_groups": {"r": ["r"]}}, "differ from the names of groups"),
        ([[1]], {"rounding": {"elsewhere": 10}}, "name rows of the table"),
        ([[1]], {"rounding": 0}, "whole number from 1"),
    ],
)
def test_what_is_no_table_of_counts_is_refused(counts, options, message):
    with pytest.raises(DisclosureError, match=message):
        protect_table(pd.DataFrame(counts, index=["r"]), threshold=5, **options)


def test_one_small_cell_takes_the_cheapest_second_one():
    # 3 of a row of 43: one further cell of the row is enough, the total stays.
    counts = pd.DataFrame([[3, 30, 10]], index=["A"], columns=["a", "b", "c"])
    table = protect_table(counts, threshold=5, row_groups={})
    assert table.published.loc["A", "Total"] == 43
    assert (table.n_primary, table.n_secondary, table.optimal) == (1, 1, True)


def test_all_eight_minus_seven_named_gives_nothing_away():
    # Wandsworth is not printed, but "all eight" less "seven named" would be its 3 children.
    counts = pd.DataFrame({"plans": [40, 30, 20, 60, 25, 35, 45, 3]}, index=EIGHT)
    table = protect_table(
        counts,
        threshold=5,
        row_groups={"all eight": EIGHT, "seven named": EIGHT[:7]},
        column_groups={},
        hidden_rows=["Wandsworth"],
    ).published
    assert "Wandsworth" not in table.index
    known_seven = table.loc["seven named", "plans"] != "c" or "c" not in set(table["plans"][:7])
    assert not (table.loc["all eight", "plans"] != "c" and known_seven)


def test_a_second_release_does_not_undo_the_first():
    # First release: "all eight" 258. Now seven are to be named, and the eighth has 3.
    counts = pd.DataFrame({"plans": [40, 30, 20, 60, 25, 35, 45, 3]}, index=EIGHT)
    earlier = pd.DataFrame({"plans": [258]}, index=["all eight"])
    options = {
        "threshold": 5,
        "row_groups": {"all eight": EIGHT},
        "column_groups": {},
        "hidden_rows": ["all eight"],
    }
    alone = protect_table(counts, **options)
    after = protect_table(counts, **options, earlier=earlier)
    assert (alone.n_secondary, after.n_secondary) == (0, 2)  # whoever works in one has no other
    after = protect_table(counts, **options, earlier=earlier, insiders=False)
    assert after.n_secondary == 1


def test_what_a_release_told_already_cannot_be_withheld_and_is_counted():
    counts = pd.DataFrame({"plans": [3, 30]}, index=["A", "B"])
    earlier = pd.DataFrame({"plans": [3]}, index=["A"])
    table = protect_table(counts, threshold=5, column_groups={}, earlier=earlier)
    assert table.exposed == 1


def test_rounded_totals_need_no_secondary_cell():
    # England 38 prints 40, which is 35 to 44: the 3 could be 1 to 5.
    counts = pd.DataFrame({"plans": [3, 35]}, index=["A", "B"])
    table = protect_table(
        counts,
        threshold=5,
        row_groups={"England": ["A", "B"]},
        column_groups={},
        rounding={"England": 10},
    )
    assert table.published["plans"].tolist() == ["c", 35, 40]


def test_percentages_hide_the_small_part_outside_too():
    # B: 97 of 100 in time tells that 3 were late; C: 3 of 100; D: all of 20; E: 0 of 0.
    shares = protect_shares(
        pd.Series([50, 97, 3, 20, 0], index=list("ABCDE")),
        pd.Series([80, 100, 100, 20, 0], index=list("ABCDE")),
        threshold=5,
        groups={},
    )
    assert shares["value"].tolist() == [62.5, "c", "c", 100.0, "z"]


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"),
    [(0.25, 1, 0.3), (1.005, 2, 1.01), (2.5, 0, 3), (-0.25, 1, -0.3), (4.45, 1, 4.5)],
)
def test_halves_go_up_as_they_are_written(value, decimals, rounded):
    assert round_half_up(value, decimals=decimals) == rounded


@pytest.mark.parametrize("base", [1, 2, 5, 10])
def test_intervals_hold_exactly_the_counts_that_round_to_a_figure(base):
    counts = np.arange(0, 101)
    rounded = round_counts(counts, base=base)
    for figure in np.unique(rounded[rounded > 0]):
        low, high = bound_rounded(figure, base=base)
        assert counts[rounded == figure].min() == low
        # The last figure's counts go on beyond 100.
        assert counts[rounded == figure].max() == min(high, 100)


def test_percentages_come_from_shown_counts_only():
    assert derive_rate([10, "c", 10, 0], [30, 30, "c", 0], per=100).tolist()[0] == 33.3
    assert np.isnan(derive_rate(["c", 10, 0], [30, "c", 0], per=100)).all()


@pytest.mark.parametrize(
    ("status", "symbol"),
    [
        ("suppressed", "c"),
        ("not_available", "x"),
        ("withheld_pilot", "x"),
        ("false_zero", "x"),
        ("not_applicable", "z"),
        ("unreliable", "u"),
    ],
)
def test_each_reason_for_a_gap_has_its_symbol(status, symbol):
    assert show_value(float("nan"), status) == symbol


def test_zero_low_and_unknown_words():
    assert [show_value(v, decimals=1) for v in (0, 0.04, 0.05)] == [0.0, "low", 0.1]
    with pytest.raises(DisclosureError, match="`status`"):
        show_value(1.0, "lost")
    with pytest.raises(DisclosureError, match="say why"):
        show_value(float("nan"))


@pytest.mark.parametrize(
    ("indicator", "numerator", "denominator", "shown"),
    [
        ("repeat_plan_pct", 0, 40, True),
        ("repeat_plan_pct", 1, 40, False),
        ("repeat_plan_pct", 5, 40, False),
        ("repeat_plan_pct", 6, 40, True),
        ("repeat_plan_pct", 34, 40, True),
        ("repeat_plan_pct", 35, 40, False),
        ("repeat_plan_pct", 40, 40, True),
        ("repeat_plan_pct", 0, 5, False),
        ("repeat_plan_pct", None, 40, False),
        ("ia_band_0_10_pct", 38, 40, False),
        ("cpp_rate", 6, 8, True),
        ("cpp_rate", 5, 30_000, False),
    ],
)
def test_an_own_tables_figures_rest_on_enough_children(indicator, numerator, denominator, shown):
    table = make_table((2012, "E09000012", indicator, numerator, denominator))
    [found] = protect_indicators(table, threshold=5).to_dict("records")
    assert found["value_status"] == ("reported" if shown else "suppressed")
    assert np.isnan(found["value"]) != shown


def make_table(*rows):
    """Lay out figures as `read_council_table` does: year, council, indicator and counts."""
    names = ("year_ending", "council_code", "indicator", "numerator", "denominator")
    table = pd.DataFrame(rows, columns=names).astype({"numerator": float, "denominator": float})
    return table.assign(
        value=12.5,
        value_status="reported",
        numerator_status="reported",
        denominator_status="reported",
        published_value=np.nan,
        value_basis="",
        numerator_low=table["numerator"],
        numerator_high=table["numerator"],
    )


def test_a_withheld_share_is_known_to_lie_where_its_rule_says():
    table = make_table(
        (2012, "E09000012", "repeat_plan_pct", 3, 40),
        (2012, "E09000013", "repeat_plan_pct", 38, 40),
        (2012, "E09000014", "repeat_plan_pct", 2, 4),
        (2012, "E09000015", "cpp_rate", 4, 30_000),
        (2012, "E92000001", "cpp_rate", 400, 3_000_000),
        (2013, "E92000001", "cpp_rate", 400, 3_000_000),
    )
    found = protect_indicators(table, threshold=5).set_index(["year_ending", "council_code"])
    assert found["numerator"].notna().sum() == 1  # England in the year when nobody is withheld
    ends = found[["numerator_low", "numerator_high"]]
    assert ends.loc[(2012, "E09000012")].tolist() == [1, 5]
    assert ends.loc[(2012, "E09000013")].tolist() == [35, 39]
    assert ends.loc[(2012, "E09000014")].isna().all()
    assert ends.loc[(2012, "E09000015")].tolist() == [1, 5]
    assert np.isnan(found.loc[(2012, "E09000014"), "denominator"])


@pytest.mark.parametrize("clock", ["initial_assessment", "core_assessment", "icpc"])
def test_no_band_or_limit_gives_a_small_count_away(clock):
    bands = [band.indicator for band in PUBLISHED_BANDS[clock]]
    prefix, last = bands[0].split("_band_")[0], [band.last for band in PUBLISHED_BANDS[clock]]
    edges = [int(edge) for edge in last[:-1]]
    rng = np.random.default_rng(20110201)
    pinned_by_primary_alone = 0
    for _ in range(25):
        counts = rng.poisson(rng.choice([0.5, 3, 9, 40], size=len(bands)))
        whole = int(counts.sum())
        if whole <= 5:
            continue
        chosen = sorted(rng.choice(edges, size=rng.integers(1, len(edges) + 1), replace=False))
        rows = [(2012, "E09000012", band, n, whole) for band, n in zip(bands, counts, strict=True)]
        rows += [
            (
                2012,
                "E09000012",
                f"{prefix}_within_{edge}wd_pct",
                counts[: last.index(edge) + 1].sum(),
                whole,
            )
            for edge in chosen
        ]
        table = make_table(*rows)
        shown = protect_indicators(table, threshold=5)
        few = table["numerator"].between(1, 5) | (whole - table["numerator"]).between(1, 5)
        primary = table.assign(value_status=table["value_status"].mask(few, "suppressed"))
        for start, stop in combinations(range(len(bands) + 1), 2):
            true = int(counts[start:stop].sum())
            if 1 <= true <= 5 and is_asked(
                start, stop, len(bands), [last.index(e) + 1 for e in chosen]
            ):
                low, high = attack(shown, bands, last, prefix, whole, start, stop)
                assert high - low >= 2, (counts, chosen, start, stop)
                low, high = attack(primary, bands, last, prefix, whole, start, stop)
                pinned_by_primary_alone += high - low < 2
    assert pinned_by_primary_alone > 5  # the attacker can


def is_asked(start, stop, bands, limits):
    """Say whether a run of bands is a figure of the table, or the difference of two of them."""
    edges = {0, bands, *limits}
    return stop == start + 1 or {start, stop} <= edges


def attack(shown, bands, last, prefix, whole, start, stop):
    """Find the least and the largest count between two bands that what is printed allows."""
    printed = shown[shown["value_status"] == "reported"]
    rows, totals = [np.ones(len(bands))], [whole]
    for indicator, numerator in zip(printed["indicator"], printed["numerator"], strict=True):
        if indicator in bands:
            row = np.array([band == indicator for band in bands], float)
        else:
            limit = float(indicator.removeprefix(f"{prefix}_within_").removesuffix("wd_pct"))
            row = np.array([end <= limit for end in last], float)
        rows.append(row)
        totals.append(numerator)
    aim = np.zeros(len(bands))
    aim[start:stop] = 1
    same = LinearConstraint(np.array(rows), totals, totals)
    ends = [milp(sign * aim, constraints=same, integrality=np.ones(len(bands))) for sign in (1, -1)]
    return round(ends[0].fun), round(-ends[1].fun)


def test_nothing_a_run_writes_depends_on_a_withheld_count(tmp_path):
    """Two tables that differ in what is withheld alone give the same bytes."""
    plan = pe.load_plan()
    table = pe.load_published()
    table = table[table["indicator"].eq("repeat_plan_pct") & table["year_ending"].le(2013)]
    hidden = table["value_status"].eq("suppressed")
    assert hidden.sum() > 20
    written = []
    for name, counts in (("low", 1.0), ("high", 5.0)):
        own = table.assign(
            numerator=table["numerator"].mask(hidden, counts),
            value=table["value"].mask(hidden, 100 * counts / table["denominator"]),
            value_status=table["value_status"].mask(hidden, "reported"),
            numerator_status=table["numerator_status"].mask(hidden, "reported"),
        ).drop(columns=["numerator_low", "numerator_high", "published_value", "value_basis"])
        file = tmp_path / name / "own.csv"
        file.parent.mkdir()
        own.to_csv(file, index=False)
        folder = tmp_path / f"out-{name}"
        folder.mkdir()
        write_results(plan, file, folder)
        hashes = hash_data(plan, ROOT, file)
        written.append([hashes, hash_outputs(folder), hash_table(read_table(plan, file))])
    assert written[0] == written[1]
    exact = plan.revise({"disclosure.own_tables": "public"})
    files = [tmp_path / name / "own.csv" for name in ("low", "high")]
    assert len({hash_table(read_table(exact, file)) for file in files}) == 2


def test_records_evidence_shows_no_councils_own_effect_and_no_more_digits_than_it_bears():
    rows = {"status": "estimated", "reason": "", "estimate": 1.23456789, "p_value": 0.0123456}
    rows |= {"conf_low": -2.34567, "conf_high": 4.815, "n_comparators": 9}
    table = pd.DataFrame([{**rows, "n_treated": n} for n in (2, 3)])
    table = table.reindex(columns=[*table.columns, *set(NUMBERS) - set(table.columns)])
    effects = pd.DataFrame({"council_code": ["E09000012"], "effect": [1.5]})
    exact = Evidence(table=table, effects=effects, dropped=pd.DataFrame())
    shown = release_evidence(pe.load_plan(), exact, public=False)
    assert shown.effects.empty
    few, enough = shown.table.to_dict("records")
    assert np.isnan(few["estimate"])
    assert few["status"] == "not_estimable"
    assert "fewer than 3" in few["reason"]
    ends = [enough[name] for name in ("estimate", "conf_low", "conf_high", "p_value")]
    assert ends == [1.2, -2.3, 4.8, 0.012]
    assert release_evidence(pe.load_plan(), exact, public=True) is exact


def test_only_numbers_of_the_evidence_are_rounded():
    types = {field.name: field.type for field in fields(EvidenceRow)}
    assert {types[name] for name in NUMBERS} == {"float"}
