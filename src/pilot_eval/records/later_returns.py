"""What a later return should still have and does not: re-dated, deleted and vanished records.

A case that a return leaves open on 31 March is in the council's return of the next year, if that
was given. Where it is not, it is not an open case, and the later return stands:

- *Re-dated* (`redated_in_later_return`): a later return has another episode of the child that was
  open on that day; of several, the one whose referral is nearest in days, of two as near the
  earlier one. The earlier record is superseded. What had ended in it by that day is in no later
  return (an assessment, a plan or a conference of the year before is not given again): it belongs
  to the episode under its new date (`moved_to_redated_episode`), unless that has the record too.
- *Deleted or lost* (`not_in_later_return`): there is no such episode. The earlier record is
  superseded with all that is in it.

Unfinished work within an episode that a later return has without it is superseded in the same way.
Records with an end stay, as do all records of councils whose next return was not given. A referral
with no further action needs no end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.records.child_rows import CHILD, REFERRAL, Records
from pilot_eval.records.overlaps import ACROSS, Taken
from pilot_eval.records.schema import DATE_DTYPE

RULE, REDATED, MOVED = "not_in_later_return", "redated_in_later_return", "moved_to_redated_episode"
_COUNCIL_STEP = 10_000  # above any year


def drop_vanished(records: Records) -> tuple[Records, Taken, Taken]:
    """Leave out open records that the next year's return does not have.

    Parameters
    ----------
    records : Records
        Of each record the version of the latest return.

    Returns
    -------
    records : Records
    taken : Taken
        Superseded rows, rules ``not_in_later_return`` and ``redated_in_later_return``.
    moved : Taken
        Rows that stay, in the episode under its new date: ``moved_to_redated_episode``.
    """
    referrals = records.frames["referrals"]
    if "census_year" not in referrals:
        return records, [], []
    followed = _find_followed(records)
    gone = referrals["closure_date"].isna() & followed["referrals"] & (referrals[CHILD] >= 0)
    gone &= (referrals["no_further_action"] != "yes").fillna(True)
    now = _find_redated(referrals, gone)
    redated = gone & referrals[REFERRAL].isin(now.index)
    dropped = {"referrals": referrals.index[gone]}
    frames, moved = dict(records.frames), []
    lost = referrals.loc[gone, REFERRAL]
    version = referrals.drop_duplicates(REFERRAL).set_index(REFERRAL)["census_year"]
    for name, (end, last) in _ENDS.items():
        frame = frames[name]
        later = frame[REFERRAL].map(version) > frame["census_year"]
        ended = frame[end].notna() if end else pd.Series(True, index=frame.index)
        here = frame[REFERRAL].isin(lost) | (later & ~ended & followed[name])
        kept, frames[name] = _move(name, frame, now, frame[last].notna())
        moved.append((MOVED, name, "", frame.index[kept]))
        dropped[name] = frame.index[here & ~kept & (frame[REFERRAL] >= 0)]
    dropped["reviews"] = _find_without_plan(frames, dropped["plans"])
    taken: Taken = [(REDATED, "referrals", "referral_date", referrals.index[redated])]
    taken.append((RULE, "referrals", "", referrals.index[gone & ~redated]))
    taken += [(RULE, name, "", rows) for name, rows in dropped.items() if name != "referrals"]
    return Records(frames).without(dropped), taken, moved


# Tables within a referral: the date that ends a record, where it needs one, and the date after
# whose year it is in no return.
_ENDS = {
    "assessments": ("end_date", "end_date"),
    "section47s": ("", "icpc_date"),
    "conferences": ("", "icpc_date"),
    "plans": ("plan_end_date", "plan_end_date"),
}


def _find_redated(referrals: pd.DataFrame, gone: pd.Series) -> pd.Series:
    """Give for each vanished referral's number that of the episode in its place, if any."""
    old = referrals.loc[gone, [CHILD, REFERRAL, "referral_date", "census_year"]]
    others = referrals.loc[~gone & (referrals[CHILD] >= 0)]
    pairs = old.merge(
        others[[CHILD, REFERRAL, "referral_date", "closure_date", "census_year"]],
        on=CHILD,
        suffixes=("", "_new"),
    )
    last = pd.to_datetime(pairs["census_year"].astype("str") + "-03-31").astype(DATE_DTYPE)
    open_then = (pairs["referral_date_new"] <= last) & ~(pairs["closure_date"] <= last)
    pairs = pairs[open_then & (pairs["census_year_new"] > pairs["census_year"])]
    apart = (pairs["referral_date_new"] - pairs["referral_date"]).abs()
    nearest = pairs.assign(apart=apart).sort_values(["apart", "referral_date_new"], kind="stable")
    first = nearest.drop_duplicates(REFERRAL).set_index(REFERRAL)
    found: pd.Series = first[f"{REFERRAL}_new"].astype("int64")
    return found


def _move(
    name: str, frame: pd.DataFrame, now: pd.Series, done: pd.Series
) -> tuple[pd.Series, pd.DataFrame]:
    """Put what is done within re-dated episodes into those in their place, if they lack it."""
    target = frame[REFERRAL].map(now)
    wanted = target.notna() & done
    changed = frame[REFERRAL].where(~wanted, target).astype("int64")
    frame = frame.assign(**{REFERRAL: changed})
    again = pd.MultiIndex.from_frame(frame.loc[wanted, ACROSS[name]])
    there = pd.MultiIndex.from_frame(frame.loc[~wanted, ACROSS[name]])
    kept = wanted.copy()
    kept[wanted] = ~again.isin(there) & ~again.duplicated()
    return kept, frame


def _find_without_plan(frames: dict[str, pd.DataFrame], dropped: pd.Index) -> pd.Index:
    """Find the reviews of plans that are left out."""
    plans, reviews = frames["plans"], frames["reviews"]
    keys = [CHILD, "plan_start_date"]
    kept = pd.MultiIndex.from_frame(plans.drop(index=dropped)[keys])
    without = pd.MultiIndex.from_frame(plans.loc[dropped, keys])
    asked = pd.MultiIndex.from_frame(reviews[keys])
    return reviews.index[asked.isin(without) & ~asked.isin(kept)]


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
