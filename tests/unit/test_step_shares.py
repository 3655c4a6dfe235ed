"""Steps of the child's journey per 100 of the step before, on England's printed counts."""

from __future__ import annotations

import pytest

import pilot_eval as pe
from pilot_eval.published.step_shares import add_step_shares
from pilot_eval.reference.facts import ENGLAND

STEPS = {"s47_of_referral_per_100": (("s47_rate", "numerator"), ("referral_rate", "numerator"))}


def test_a_share_is_of_counts_that_are_both_known():
    table = pe.load_published()
    found = add_step_shares(table, STEPS)
    assert found.iloc[: len(table)].equals(table)
    new = found.iloc[len(table) :].set_index(["year_ending", "council_code"])
    # Year to 31 March 2011 (OSR26/2011): 111,700 enquiries, 615,000 referrals.
    assert new.loc[(2011, ENGLAND), "value"] == pytest.approx(100 * 111_700 / 615_000)
    known = table[table["numerator"].notna()]
    both = [
        set(zip(*known[known["indicator"] == key][[*new.index.names]].T.to_numpy(), strict=True))
        for key in ("s47_rate", "referral_rate")
    ]
    assert set(new.index) == set.intersection(*both)
    assert new["numerator"].notna().all()
    assert (new["denominator"] > 0).all()
