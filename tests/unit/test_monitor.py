"""A live trial by month: alert, withdrawal, refusals that change nothing, the board's page."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pilot_eval.app.cli import main

RULES = """
outcome = "Re-referrals within 12 months"
start = "2011-03"
treated = ["E09000012", "E08000020"]
months_before = 12
last_month = 12
harm = "rises"
[withdrawal]
looks_in_a_row = 2
margin = 3.0
"""
TREATED = ("E09000012", "E08000020")
CODES = (*TREATED, *(f"unit {number:02d}" for number in range(30)))
MONTHS = [str(month) for month in pd.period_range("2010-03", periods=16, freq="M")]


def _counts(*, harm):
    """Make counts of 16 months: 12 before the start, 4 after, the treated higher by `harm` then."""
    rng = np.random.default_rng(7)
    rows = []
    for month, name in enumerate(MONTHS):
        for code in CODES:
            share = 0.2 + harm * (code in TREATED and month >= 12)
            rows.append((code, name, rng.binomial(200, share), 200))
    return pd.DataFrame(rows, columns=["council_code", "month", "numerator", "denominator"])


@pytest.fixture
def trial(tmp_path):
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")

    def add(counts, *options):
        counts.to_csv(tmp_path / "extract.csv", index=False)
        rules, history = str(tmp_path / "rules.toml"), str(tmp_path / "watched")
        extract = str(tmp_path / "extract.csv")
        return main(
            ["monitor", extract, "--rules", rules, "--history", history, "--quiet", *options]
        )

    return add


def _months(counts, first, last):
    return counts[counts["month"].isin(MONTHS[first:last])]


def _snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_harmless_trial_stays_quiet(trial, tmp_path):
    counts = _counts(harm=0.0)
    assert trial(_months(counts, 0, 12)) == 0
    assert "has not begun" in (tmp_path / "watched" / "board.md").read_text(encoding="utf-8")
    for month in range(12, 16):
        assert trial(_months(counts, month, month + 1)) == 0
    looks = pd.read_csv(tmp_path / "watched" / "looks.csv")
    assert looks["months_after"].tolist() == [1, 2, 3, 4]
    assert pd.read_csv(tmp_path / "watched" / "history.csv").shape == (16 * len(CODES), 4)


def test_a_year_of_monthly_reruns_keeps_the_history(trial, tmp_path):
    first = _counts(harm=0.0)
    later = pd.period_range("2011-07", periods=8, freq="M").astype(str)
    again = first.assign(month=first["month"].map(dict(zip(MONTHS[4:12], later, strict=True))))
    counts = pd.concat([first, again.dropna()], ignore_index=True)
    trial(_months(counts, 0, 12))
    for month in [*MONTHS[12:], *later]:
        extract = counts[counts["month"] == month]
        assert trial(extract) in (0, 4)
        before = _snapshot(tmp_path / "watched")
        assert trial(extract) == 2  # it is there already
        assert _snapshot(tmp_path / "watched") == before
    kept = pd.read_csv(tmp_path / "watched" / "history.csv", dtype={"month": str})
    keys = ["council_code", "month"]
    told = kept.sort_values(keys)[list(counts)].to_numpy().tolist()
    assert told == counts.sort_values(keys).to_numpy().tolist()


def test_harm_alerts_and_then_meets_the_withdrawal_rule(trial, tmp_path):
    counts = _counts(harm=0.25)
    assert trial(_months(counts, 0, 12)) == 0
    codes = [trial(_months(counts, month, month + 1)) for month in range(12, 16)]
    assert 4 in codes
    assert codes[-1] == 5
    assert codes.index(4) < codes.index(5)
    alert = json.loads((tmp_path / "watched" / "alert.json").read_text(encoding="utf-8"))
    assert (alert["exit_code"], alert["withdrawal_rule_met"]) == (5, True)
    page = (tmp_path / "watched" / "board.md").read_text(encoding="utf-8")
    assert "Withdrawal rule met" in page
    assert "not a finding of safety" in page


def test_months_come_once_unless_replaced_and_a_rerun_ends_the_same(trial, tmp_path):
    counts = _counts(harm=0.0)
    trial(_months(counts, 0, 14))
    before = _snapshot(tmp_path / "watched")
    assert trial(_months(counts, 13, 14)) == 2
    assert _snapshot(tmp_path / "watched") == before
    assert trial(_months(counts, 13, 14), "--replace") == 0
    assert _snapshot(tmp_path / "watched") == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda counts: counts.drop(columns="denominator"),
        lambda counts: counts.assign(numerator=201),
        lambda counts: counts.assign(numerator="some"),
        lambda counts: counts.assign(month="June 2011"),
        lambda counts: pd.concat([counts, counts]),
        lambda counts: counts.assign(month="2011-09"),  # months between are missing
        lambda counts: counts[counts["council_code"] != TREATED[0]],
        lambda counts: counts.iloc[:0],
    ],
    ids=["column", "too many", "text", "month", "twice", "gap", "treated missing", "empty"],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(spoil, trial, tmp_path, capsys):
    counts = _counts(harm=0.0)
    trial(_months(counts, 0, 13))
    before = _snapshot(tmp_path / "watched")
    assert trial(spoil(_months(counts, 13, 14))) == 2
    assert "must" in capsys.readouterr().err
    assert _snapshot(tmp_path / "watched") == before


def test_every_fault_of_the_rules_is_named(trial, tmp_path, capsys):
    bad = RULES.replace('harm = "rises"', 'harm = "up"').replace("margin = 3.0", "margin = 0")
    (tmp_path / "rules.toml").write_text(bad, encoding="utf-8")
    assert trial(_counts(harm=0.0)) == 2
    told = capsys.readouterr().err
    assert "harm" in told
    assert "withdrawal.margin" in told


def test_a_comparator_without_a_month_is_left_out_and_named(trial, tmp_path):
    counts = _counts(harm=0.0)
    gone = counts[(counts["council_code"] != CODES[5]) | (counts["month"] != MONTHS[3])]
    assert trial(_months(gone, 0, 13)) == 0
    page = (tmp_path / "watched" / "board.md").read_text(encoding="utf-8")
    assert f"Left out, because months or cases are missing: {CODES[5]}." in page
