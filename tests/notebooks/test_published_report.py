"""`reports/published`, what a visitor sees first, is what the committed data and plan give."""

from __future__ import annotations

import csv

import pandas as pd
import pytest
from committed import ROOT

from pilot_eval.app.refresh import write_published
from pilot_eval.reporting.table_comparison import compare_evidence

PUBLISHED = ROOT / "reports" / "published"
TABLES = {
    "evidence": ("strand", "scenario", "outcome", "method"),
    "effects": ("scenario", "outcome", "council_code"),
    "dropped": ("scenario", "outcome", "council_code", "role"),
    "verdicts": ("strand", "scenario", "outcome"),
    "answers": ("family",),
}
MOST_SHOWN = 30


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_published(ROOT, folder)
    return folder


PILOTS = ("", "family-safeguarding")  # the default's own folder, and the other pilot's


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("pilot", PILOTS)
def test_the_committed_tables_are_current(regenerated, pilot, name):
    old, new = (pd.read_csv(folder / pilot / f"{name}.csv") for folder in (PUBLISHED, regenerated))
    found = compare_evidence(old, new, keys=TABLES[name])
    assert not found, (
        f"{len(found)} differences; if they are meant, run `pilot-eval refresh` and say in "
        "CHANGELOG.md under Results what moved and why:\n" + "\n".join(found[:MOST_SHOWN])
    )


def test_the_committed_figures_show_the_current_numbers(regenerated):
    old, new = (
        sorted(path.name for path in (folder / "figures").iterdir())
        for folder in (PUBLISHED, regenerated)
    )
    assert old == new, "run `pilot-eval refresh`"
    changed = [
        f"{name}, row {number}: was {before}, is now {after}"
        for name in new
        if name.endswith(".csv")
        for number, (before, after) in enumerate(pairs(regenerated, name), start=1)
        if before != after
    ]
    assert not changed, "run `pilot-eval refresh`:\n" + "\n".join(changed)


def pairs(regenerated, name):
    tables = [read(folder / "figures" / name) for folder in (PUBLISHED, regenerated)]
    return zip(*tables, strict=True)


def read(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def table(**columns):
    row = {"strand": "published", "scenario": "granted", "outcome": "cin_rate", "method": "robust"}
    return pd.DataFrame([{**row, "estimate": 1.5, "reason": None, **columns}])


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (table(), []),
        (table(estimate=1.5 * (1 + 1e-12)), []),
        (table(plan_hash="x"), ["column plan_hash: is new"]),
        (table(estimate=1.6), ["{row}: estimate was 1.5, is now 1.6"]),
        (table(estimate=None), ["{row}: estimate was 1.5, is now None"]),
        (table(reason="withheld"), ["{row}: reason was None, is now withheld"]),
        (
            table(scenario="announced"),
            ["{row}: is no longer there", "{other}: is new"],
        ),
    ],
)
def test_a_difference_names_the_row_the_old_and_the_new_value(new, expected):
    row = "strand=published scenario=granted outcome=cin_rate method=robust"
    other = row.replace("granted", "announced")
    found = compare_evidence(table(), new)
    assert found == [line.format(row=row, other=other) for line in expected]


def test_repeated_rows_are_told_apart():
    old = pd.concat([table(), table(estimate=2.0)])
    new = pd.concat([table(), table(estimate=3.0)])
    [line] = compare_evidence(old, new)
    assert line.endswith("method=robust (row 2): estimate was 2.0, is now 3.0")
