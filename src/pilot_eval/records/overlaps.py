"""Records that repeat or overlap: one stated rule for each, applied and reported.

- *Repeated across returns*: an episode of several years is in several returns. The version of the
  latest return stands, record by record; what only an earlier return has stays, if it has ended
  (see `later_returns`).
- *Repeated record*: the same record twice in its referral or plan. The one that ends first
  stands; if none has an end, the first.
- *Duplicated child*: the first record of the child stands.
- *Overlapping episodes*: a referral received while an earlier episode of the child is open is new
  information on that episode, not another one. The first referral stands, the episode ends with
  the last closure (is open if any is), and everything in it belongs to the first referral.
- *Overlapping plans*: a child is subject to one plan at a time. The first start and the last end
  stand (open if any is), with the first initial and the last latest category.

Overlapping assessments are reported and all kept: each has a clock of its own.
"""

from __future__ import annotations

import pandas as pd

from pilot_eval.records.child_rows import (
    CHILD,
    OPEN,
    REFERRAL,
    Records,
    as_numbers,
    overlaps_earlier,
)

#: Rows of origin that a step takes out, by rule and table: (rule, table, field, rows).
Taken = list[tuple[str, str, str, pd.Index]]

# What makes a record the same record.
_KEYS = {
    "assessments": ([REFERRAL, "assessment_type", "start_date"], "end_date"),
    "section47s": ([REFERRAL, "s47_start_date"], "icpc_date"),
    "conferences": ([REFERRAL, "icpc_date"], "core_group_date"),
    "reviews": ([CHILD, "plan_start_date", "review_date"], None),
}
#: What makes a record of one return the record of another.
ACROSS = {
    "children": [CHILD],
    "referrals": [CHILD, "referral_date"],
    "assessments": [REFERRAL, "assessment_type", "start_date"],
    "section47s": [REFERRAL, "s47_start_date"],
    "conferences": [REFERRAL, "icpc_date"],
    "plans": [CHILD, "plan_start_date"],
    "reviews": [CHILD, "plan_start_date", "review_date"],
}


def keep_latest_return(records: Records) -> tuple[Records, Taken]:
    """Keep, of each record, the version of the latest return.

    Parameters
    ----------
    records : Records

    Returns
    -------
    records : Records
    taken : Taken
        Superseded rows, rule ``in_later_return``.
    """
    referrals = records.frames["referrals"]
    if referrals.get("census_year") is None or _single_year(records):
        return records, []
    taken: Taken = []
    kept, superseded = _latest("referrals", referrals)
    taken.append(("in_later_return", "referrals", "", superseded))
    stand_in = _stand_ins(referrals, kept)
    frames = {"referrals": kept}
    for name, frame in records.frames.items():
        if name != "referrals":
            frames[name], rows = _latest(name, _moved(frame, stand_in))
            taken.append(("in_later_return", name, "", rows))
    return Records(frames), taken


def merge_repeats(records: Records) -> tuple[Records, Taken]:
    """Make one record of those that are in a referral, a plan or the return twice.

    Parameters
    ----------
    records : Records

    Returns
    -------
    records : Records
    taken : Taken
        Rules ``duplicated_child`` and ``repeated_record``.
    """
    children = records.frames["children"]
    again = children.index[children[CHILD].duplicated()]
    taken: Taken = [("duplicated_child", "children", "child_id", again)]
    for name, (key, end) in _KEYS.items():
        frame = records.frames[name]
        ordered = frame if end is None else frame.sort_values(end, kind="stable")
        rows = ordered.index[ordered.duplicated(key)]
        taken.append(("repeated_record", name, "", rows.sort_values()))
    return records.without({table: rows for _, table, _, rows in taken}), taken


def merge_episodes(records: Records) -> tuple[Records, Taken]:
    """Make one episode of referrals received while an earlier one of the child is open.

    Parameters
    ----------
    records : Records

    Returns
    -------
    records : Records
    taken : Taken
        Later referrals, rule ``overlapping_episodes``.
    """
    referrals = records.frames["referrals"]
    later, run = overlaps_earlier(
        referrals[CHILD], referrals["referral_date"], referrals["closure_date"]
    )
    if not later.any():
        return records, []
    first = run.map(referrals.index.to_series()[~later].groupby(run[~later]).first())
    stand_in = pd.Series(referrals[REFERRAL].reindex(first).to_numpy(), referrals[REFERRAL])
    ends = _with_last_end(referrals, run, "closure_date", "closure_reason")
    merged = ends[~later]
    icpc = referrals.groupby(run)["icpc_date"].transform("first")
    merged = merged.assign(icpc_date=icpc[~later])
    frames = {
        name: _moved(frame, stand_in) if name != "referrals" else merged
        for name, frame in records.frames.items()
    }
    rows = referrals.index[later]
    return Records(frames), [("overlapping_episodes", "referrals", "referral_date", rows)]


def merge_plans(records: Records) -> tuple[Records, Taken]:
    """Make one plan of plans of a child that run at the same time.

    Parameters
    ----------
    records : Records

    Returns
    -------
    records : Records
    taken : Taken
        Later plans, rule ``overlapping_plans``.
    """
    plans = records.frames["plans"]
    later, run = overlaps_earlier(plans[CHILD], plans["plan_start_date"], plans["plan_end_date"])
    if not later.any():
        return records, []
    ends = _with_last_end(plans, run, "plan_end_date", "latest_category")
    starts = plans.groupby(run)["plan_start_date"].transform("min")
    moved = pd.DataFrame(
        {CHILD: plans[CHILD], "plan_start_date": plans["plan_start_date"], "to": starts}
    )
    moved = moved.drop_duplicates([CHILD, "plan_start_date"])
    reviews = records.frames["reviews"]
    target = reviews[[CHILD, "plan_start_date"]].merge(
        moved, how="left", on=[CHILD, "plan_start_date"], validate="many_to_one"
    )["to"]
    reviews = reviews.assign(plan_start_date=target.to_numpy())
    changed = records.replaced(plans=ends[~later], reviews=reviews)
    return changed, [("overlapping_plans", "plans", "plan_start_date", plans.index[later])]


def _single_year(records: Records) -> bool:
    frames = [frame for frame in records.frames.values() if "census_year" in frame]
    return len(set().union(*(frame["census_year"].unique() for frame in frames))) <= 1


def _latest(name: str, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Index]:
    """Split the rows of a table into those of the latest return with the record, and others."""
    key = ACROSS[name]
    latest = frame.groupby(key, dropna=False, observed=True)["census_year"].transform("max")
    # Without a child or a date there is nothing to compare by: such rows stay, to be set aside.
    stays = (frame["census_year"] == latest) | frame[key].isna().any(axis=1) | (frame[CHILD] < 0)
    return frame[stays], frame.index[~stays]


def _stand_ins(referrals: pd.DataFrame, kept: pd.DataFrame) -> pd.Series:
    """Give for each referral number the one that stands in its place."""
    key = ACROSS["referrals"]
    first = kept.drop_duplicates(key)[[*key, REFERRAL]].rename(columns={REFERRAL: "to"})
    found = referrals[[*key, REFERRAL]].merge(first, how="left", on=key, validate="many_to_one")
    own = found[REFERRAL].isin(kept[REFERRAL]) | found["to"].isna()
    return pd.Series(found["to"].where(~own, found[REFERRAL]).to_numpy("int64"), found[REFERRAL])


def _moved(frame: pd.DataFrame, stand_in: pd.Series) -> pd.DataFrame:
    """Let records of a referral that has been replaced belong to the one in its place."""
    if REFERRAL not in frame:
        return frame
    target = frame[REFERRAL].map(stand_in)
    return frame.assign(**{REFERRAL: target.fillna(frame[REFERRAL]).astype("int64")})


def _with_last_end(frame: pd.DataFrame, run: pd.Series, end: str, with_it: str) -> pd.DataFrame:
    """Give every record of a run the end of the run, and what was recorded with that end."""
    ends = pd.Series(as_numbers(frame[end], OPEN), index=frame.index)
    last = frame.reindex(ends.groupby(run).transform("idxmax"))
    return frame.assign(**{name: last[name].array for name in (end, with_it)})
