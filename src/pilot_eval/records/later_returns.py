"""What a later return should still have and does not: re-dated, deleted and vanished records.

A case that a return leaves open on 31 March is in the council's return of the next year, if that
was given. Where it is not, it was re-dated (the later return has it under another date), deleted
or lost. In each case it is not an open case, and the later return stands: the earlier record, with
all that is in it, is superseded under the rule `not_in_later_return`. Records with an end stay, as
do all records of councils whose next return was not given. A referral with no further action needs
no end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.records.child_rows import CHILD, REFERRAL, Records
from pilot_eval.records.overlaps import Taken

RULE = "not_in_later_return"
_COUNCIL_STEP = 10_000  # above any year


def drop_vanished(records: Records) -> tuple[Records, Taken]:
    """Leave out open records that the next year's return does not have.

    Parameters
    ----------
    records : Records
        Of each record the version of the latest return.

    Returns
    -------
    records : Records
    taken : Taken
        Superseded rows, rule ``not_in_later_return``.
    """
    referrals = records.frames["referrals"]
    if "census_year" not in referrals:
        return records, []
    followed = _find_followed(records)
    gone = referrals["closure_date"].isna() & followed["referrals"] & (referrals[CHILD] >= 0)
    gone &= (referrals["no_further_action"] != "yes").fillna(True)
    dropped = {"referrals": referrals.index[gone]}
    lost = referrals.loc[gone, REFERRAL]
    version = referrals.drop_duplicates(REFERRAL).set_index(REFERRAL)["census_year"]
    for name, end in _ENDS.items():
        frame = records.frames[name]
        later = frame[REFERRAL].map(version) > frame["census_year"]
        ended = frame[end].notna() if end else pd.Series(True, index=frame.index)
        here = frame[REFERRAL].isin(lost) | (later & ~ended & followed[name])
        dropped[name] = frame.index[here & (frame[REFERRAL] >= 0)]
    plans, reviews = records.frames["plans"], records.frames["reviews"]
    keys = [CHILD, "plan_start_date"]
    kept = pd.MultiIndex.from_frame(plans.drop(index=dropped["plans"])[keys])
    without = pd.MultiIndex.from_frame(plans.loc[dropped["plans"], keys])
    asked = pd.MultiIndex.from_frame(reviews[keys])
    dropped["reviews"] = reviews.index[asked.isin(without) & ~asked.isin(kept)]
    return records.without(dropped), [(RULE, name, "", rows) for name, rows in dropped.items()]


# Tables within a referral, and the date that ends a record; those without one go with the referral.
_ENDS = {
    "assessments": "end_date",
    "section47s": "",
    "conferences": "",
    "plans": "plan_end_date",
}


def _find_followed(records: Records) -> dict[str, pd.Series]:
    """Say of each record whether its council's return of the next year was given."""
    councils = pd.Index(
        sorted(
            set().union(*(set(f["council_code"].astype("str")) for f in records.frames.values()))
        )
    )

    def number(frame: pd.DataFrame) -> pd.Series:
        place = councils.get_indexer(frame["council_code"].astype("str"))
        years = frame["census_year"].to_numpy("int64")
        return pd.Series(place * _COUNCIL_STEP + years, index=frame.index)

    numbers = {name: number(frame) for name, frame in records.frames.items()}
    held = np.unique(np.concatenate([one.to_numpy() for one in numbers.values()]))
    return {name: (one + 1).isin(held) for name, one in numbers.items()}


def find_lost_zeros(records: Records) -> pd.Index:
    """Find children whose identifier is another's of the council without its leading zeros.

    Parameters
    ----------
    records : Records

    Returns
    -------
    Index
        Rows of `children`: one child counts as two until the export is corrected.
    """
    children = records.frames["children"]
    names = children["child_id"].fillna("").astype("str")
    bare = names.str.lstrip("0")
    own = pd.MultiIndex.from_arrays([children["council_code"].astype("str"), bare])
    padded = own[(names != bare).to_numpy()]
    return children.index[own.isin(padded) & (names == bare).to_numpy() & (bare != "").to_numpy()]
