"""No withheld count of a confidential table can be worked out from what the table still prints."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pilot_eval as pe
from pilot_eval.disclosure.protect.indicator_tables import protect_indicators

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reference"))

from output_attacker import draw_counts, find_pinned


def make_table(counts, totals):
    """Lay counts out as `read_council_table` does, with England's sums."""
    rows = [(name, key, n, totals[name, key]) for (name, key), n in counts.items()]
    frame = pd.DataFrame(rows, columns=["council_code", "indicator", "numerator", "denominator"])
    sums = frame.groupby("indicator", as_index=False)[["numerator", "denominator"]].sum()
    frame = pd.concat([frame, sums.assign(council_code="E92000001")], ignore_index=True)
    frame = frame.astype({"numerator": float, "denominator": float})
    words = dict.fromkeys(("value_status", "numerator_status", "denominator_status"), "reported")
    return frame.assign(
        year_ending=2012,
        value_basis="recomputed",
        value=100 * frame["numerator"] / frame["denominator"],
        published_value=np.nan,
        numerator_low=frame["numerator"],
        numerator_high=frame["numerator"],
        **words,
    )


def hide(table, hidden):
    rows = table[hidden & (table["council_code"] != "E92000001")]
    return set(zip(rows["council_code"], rows["indicator"], strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_no_withheld_count_is_pinned(seed):
    names, counts, totals = draw_counts(np.random.default_rng(seed))
    protected = protect_indicators(make_table(counts, totals), threshold=5)
    hidden = hide(protected, protected["value"].isna())
    assert hidden
    for insider in (None, names[0], names[-1]):
        assert find_pinned(names, counts, totals, hidden, insider) == []
    rows = protected[protected["value"].isna()]
    exact = make_table(counts, totals).loc[rows.index, "numerator"]
    bounded = rows["numerator_low"].notna()
    assert (rows["numerator_low"] <= exact)[bounded].all()
    assert (exact <= rows["numerator_high"])[bounded].all()


def test_the_attacker_pins_what_primary_suppression_alone_withholds():
    pinned = 0
    for seed in range(3):
        names, counts, totals = draw_counts(np.random.default_rng(seed))
        table = make_table(counts, totals)
        hidden = hide(table, table["numerator"].between(1, 5))
        pinned += len(find_pinned(names, counts, totals, hidden))
    assert pinned > 0


def test_what_an_earlier_release_suppressed_stays_suppressed():
    published = pe.load_published()
    rows = published["value_status"].eq("suppressed") & published["numerator_low"].notna()
    own = published.assign(
        value_status=published["value_status"].mask(rows, "reported"),
        value=published["value"].mask(rows, 50.0),
        numerator=published["numerator"].mask(rows, published["denominator"] // 2),
    )
    protected = protect_indicators(own, threshold=5, earlier=published)
    assert (protected.loc[rows, "value_status"] == "suppressed").all()
    bounds = ["numerator_low", "numerator_high"]
    pd.testing.assert_frame_equal(protected.loc[rows, bounds], published.loc[rows, bounds])
