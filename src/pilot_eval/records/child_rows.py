"""Tables under validation: records keep their row of origin, and know child and referral by number.

Frames here are indexed by the row in the tables that were given, so that an issue can be located
after records have been left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.errors import DataError, explain
from pilot_eval.records.schema import SCHEMA, CensusTables, frames_of

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

CHILD, REFERRAL = "child_number", "referral_number"
# Numbers of councils stand above those of children and referrals in one integer.
_COUNCIL_STEP = 2**40
OPEN = np.iinfo("int64").max
_MISSING_DATE = np.iinfo("int64").min


@dataclass(slots=True)
class Records:
    """The records still under consideration.

    Attributes
    ----------
    frames : dict of str to DataFrame
        The seven tables, with `child_number` and (where the table has one) `referral_number`;
        -1 where the child is not identified.
    """

    frames: dict[str, pd.DataFrame]
    _cache: dict[tuple[str, str], pd.Series] = field(default_factory=dict)

    def of_referral(self, table: str, column: str) -> pd.Series:
        """Look up a date of the referral that each record belongs to; NaT where there is none."""
        if (table, column) not in self._cache:
            referrals = self.frames["referrals"].drop_duplicates(REFERRAL)
            dates = referrals.set_index(REFERRAL)[column]
            frame = self.frames[table]
            self._cache[table, column] = pd.Series(
                dates.reindex(frame[REFERRAL]).to_numpy(), index=frame.index
            )
        return self._cache[table, column]

    def of_child(self, table: str, column: str) -> pd.Series:
        """Look up a date of the child that each record belongs to; NaT where there is none."""
        children = self.frames["children"].drop_duplicates(CHILD).set_index(CHILD)[column]
        frame = self.frames[table]
        return pd.Series(children.reindex(frame[CHILD]).to_numpy(), index=frame.index)

    def without(self, dropped: dict[str, pd.Index]) -> Records:
        """Leave out records, given by their rows of origin."""
        kept = {
            name: frame.drop(index=dropped[name]) if len(dropped.get(name, ())) else frame
            for name, frame in self.frames.items()
        }
        return Records(kept)

    def replaced(self, **frames: pd.DataFrame) -> Records:
        """Put other frames in place of some."""
        return Records({**self.frames, **frames})


def as_records(tables: CensusTables) -> Records:
    """Give children and referrals numbers that hold across councils and tables.

    Parameters
    ----------
    tables : CensusTables

    Returns
    -------
    Records

    Raises
    ------
    DataError
        If a referral_id comes twice in a council.
    """
    frames = {name: frame.reset_index(drop=True) for name, frame in frames_of(tables).items()}
    sizes = [len(frame) for frame in frames.values()]
    ids, _ = pd.factorize(pd.concat([frame["child_id"] for frame in frames.values()]))
    councils, _ = pd.factorize(
        pd.concat([frame["council_code"].astype("str") for frame in frames.values()])
    )
    ends = np.cumsum(sizes)
    numbered = {}
    for (name, frame), start, end in zip(frames.items(), ends - sizes, ends, strict=True):
        council, child = councils[start:end].astype("int64"), ids[start:end].astype("int64")
        columns = {CHILD: np.where(child >= 0, council * _COUNCIL_STEP + child, -1)}
        if "referral_id" in SCHEMA[name]:
            own = frame["referral_id"].to_numpy()
            columns[REFERRAL] = np.where(own >= 0, council * _COUNCIL_STEP + own, -1)
        numbered[name] = frame.assign(**columns)
    if numbered["referrals"][REFERRAL].duplicated().any():
        rule = "be unique within a council"
        action = "Number the referrals of all returns of a council together."
        raise DataError(explain("referrals.referral_id", rule, "one twice", action))
    return Records(numbered)


def referral_ids(numbers: pd.Series) -> pd.Series:
    """Turn referral numbers back into the referral_id of the tables.

    Parameters
    ----------
    numbers : Series of int

    Returns
    -------
    Series of int
    """
    return numbers % _COUNCIL_STEP


def as_numbers(dates: pd.Series, missing: int = _MISSING_DATE) -> IntArray:
    """Turn dates into whole seconds, so that they can be compared with open ends.

    Parameters
    ----------
    dates : Series of datetime64[s]
    missing : int
        Stands for a missing date: `OPEN` for an end that is still to come.

    Returns
    -------
    ndarray of int
    """
    values = dates.to_numpy()
    return np.where(np.isnat(values), missing, values.astype("int64"))


def overlaps_earlier(
    group: pd.Series, start: pd.Series, end: pd.Series
) -> tuple[pd.Series, pd.Series]:
    """Find spells that begin while an earlier one of the same group has not ended.

    Parameters
    ----------
    group : Series of int
        Who the spells belong to.
    start, end : Series of datetime64
        A missing end is open. A spell that starts on the day another ends does not overlap it;
        two that start on one day do.

    Returns
    -------
    later : Series of bool
        True for a spell that begins within an earlier one.
    run : Series of int
        Number of the run of overlapping spells, in the index of `group`.
    """
    spells = pd.DataFrame(
        {"group": group, "start": as_numbers(start), "end": as_numbers(end, OPEN)}
    ).sort_values(["group", "start"], kind="stable")
    reached = spells.groupby("group")["end"].cummax()
    same = spells["group"].eq(spells["group"].shift())
    within = spells["start"].lt(reached.shift(fill_value=_MISSING_DATE))
    together = spells["start"].eq(spells["start"].shift())
    later = same & (within | together)
    run = (~later).cumsum()
    return later.reindex(group.index), run.reindex(group.index)
