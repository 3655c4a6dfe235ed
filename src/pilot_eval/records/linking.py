"""Link the records of a child or a referral across tables, by sorted integer keys.

Keys are positions and codes, made again for every call: no id of a child leaves this module.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.records.schema import SCHEMA, CensusTables

Days = NDArray[np.datetime64]
Rows = NDArray[np.int64]

# Days since 1970 lie well within +-2^19 (years 534 to 3405): a day fits in 20 bits with an owner.
_DAY_BITS = 20
_DAY_ZERO = 1 << (_DAY_BITS - 1)
_LAST_DAY = np.datetime64(_DAY_ZERO - 1, "D")
_REFERRAL_BITS = 44  # referral_id is a running number within a council


def to_days(column: pd.Series) -> Days:
    """Drop the time of day from a column of dates."""
    result: Days = column.to_numpy().astype("datetime64[D]")
    return result


def list_councils(tables: CensusTables) -> list[str]:
    """List the councils that have a record in any table, sorted by code."""
    found: set[str] = set()
    for name in SCHEMA:
        column = getattr(tables, name)["council_code"]
        values = column.array if _is_category(column) else pd.Categorical(column)
        used = np.unique(values.codes)
        found.update(str(code) for code in values.categories[used[used >= 0]])
    return sorted(found)


def number_councils(frame: pd.DataFrame, councils: Sequence[str]) -> Rows:
    """Give each row the position of its council in `councils`, -1 where it is not among them."""
    column = frame["council_code"]
    values = column.array if _is_category(column) else pd.Categorical(column)
    # The appended -1 is what a missing code (-1) picks.
    place = np.append(
        pd.Index(councils, dtype="str").get_indexer(values.categories.astype("str")), -1
    )
    result: Rows = place[values.codes].astype(np.int64)
    return result


def find_referrals(frame: pd.DataFrame, referrals: pd.DataFrame, councils: Sequence[str]) -> Rows:
    """Find each row's referral: its position in `referrals`, -1 where there is none."""
    known = _referral_keys(referrals, councils)
    asked = _referral_keys(frame, councils)
    if not len(known):
        return np.full(len(asked), -1, dtype=np.int64)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)
    row = order[place]
    return np.where(known[row] == asked, row, -1)


def number_children(frames: Sequence[pd.DataFrame], councils: Sequence[str]) -> list[Rows]:
    """Give every child of a council one number, the same in all the tables."""
    ids = pd.concat([frame["child_id"] for frame in frames], ignore_index=True)
    codes, _ = pd.factorize(ids)
    council = np.concatenate([number_councils(frame, councils) for frame in frames])
    number = codes.astype(np.int64) * (len(councils) + 1) + council
    number[codes < 0] = -1
    return np.split(number, np.cumsum([len(frame) for frame in frames])[:-1])


def latest_before(
    owner: Rows, date: Days, asked_owner: Rows, asked_date: Days, *, same_day: bool = True
) -> Days:
    """Find the latest date of the same owner on or before (or strictly before) a date.

    Parameters
    ----------
    owner, date : arrays, shape (n,)
        Events: whose they are (0 or more; others are ignored) and when (NaT is ignored).
    asked_owner, asked_date : arrays, shape (m,)
        Questions; a date that is NaT asks for the latest of all.
    same_day : bool
        Whether an event on the day itself counts.

    Returns
    -------
    ndarray of datetime64[D], shape (m,)
        NaT where there is none.
    """
    keep = (owner >= 0) & ~np.isnat(date)
    events = np.sort(_owner_day(owner[keep], date[keep]))
    asked = _owner_day(asked_owner, np.where(np.isnat(asked_date), _LAST_DAY, asked_date))
    place = np.searchsorted(events, asked, side="right" if same_day else "left") - 1
    found = np.append(events, -1)[place] if len(events) else np.full(len(asked), -1)
    matches = (place >= 0) & (asked_owner >= 0) & (found >> _DAY_BITS == asked_owner)
    day = (found & ((1 << _DAY_BITS) - 1)) - _DAY_ZERO
    return np.where(matches, day.astype("datetime64[D]"), np.datetime64("NaT", "D"))


def earliest_after(
    owner: Rows, date: Days, asked_owner: Rows, asked_date: Days, *, same_day: bool = True
) -> Days:
    """Find the earliest date of the same owner on or after (or strictly after) a date.

    Parameters and result as in `latest_before`; a date that is NaT asks for the earliest of all.
    """
    mirrored = latest_before(
        owner, _mirror(date), asked_owner, _mirror(asked_date), same_day=same_day
    )
    return _mirror(mirrored)


def _mirror(date: Days) -> Days:
    """Turn time round: later becomes earlier; NaT stays."""
    day = np.where(np.isnat(date), 0, date.astype(np.int64))
    return np.where(np.isnat(date), np.datetime64("NaT", "D"), (-day).astype("datetime64[D]"))


def _owner_day(owner: Rows, date: Days) -> Rows:
    return (owner << _DAY_BITS) + date.astype(np.int64) + _DAY_ZERO


def _referral_keys(frame: pd.DataFrame, councils: Sequence[str]) -> Rows:
    council = number_councils(frame, councils)
    result: Rows = (council << _REFERRAL_BITS) + frame["referral_id"].to_numpy(np.int64)
    return result


def _is_category(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)
