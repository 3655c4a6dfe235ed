"""Typed tables to the modules of one return, as text: what every writer starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.errors import DataError, explain
from pilot_eval.records.codes import NO_DISABILITY, SEX_TO_RAW, SOME_DISABILITY
from pilot_eval.records.names import Layout
from pilot_eval.records.schema import SCHEMA, YES_NO

IntArray = NDArray[np.int64]
TextArray = NDArray[np.object_]
_DISABILITY = {"yes": SOME_DISABILITY, "no": NO_DISABILITY}
_FLAG = dict(zip(YES_NO, ("1", "0"), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One module of one return.

    Attributes
    ----------
    above : ndarray of int
        Row of the parent's module (or of the children) that each record belongs to, ascending.
    fields : dict of str to ndarray of object
        Statutory tag -> texts; None where missing.
    """

    above: IntArray
    fields: dict[str, TextArray]


def written_modules(frames: dict[str, pd.DataFrame], layout: Layout) -> dict[str, Written]:
    """Turn the tables of one return into its modules.

    Parameters
    ----------
    frames : dict of str to DataFrame
        The seven tables of one council and year.
    layout : Layout

    Returns
    -------
    dict of str to Written
        By module key; records ordered by the record that holds them.

    Raises
    ------
    DataError
        If a record belongs to no child, referral or plan that is there, an assessment has a type
        that the layout does not know, or a conference can be recorded nowhere.
    """
    children = frames["children"]
    child = _find("referrals", [frames["referrals"]["child_id"]], [children["child_id"]])
    order = np.argsort(child, kind="stable")
    referrals, child = frames["referrals"].iloc[order], child[order]
    referrals = _with_conferences(referrals, frames["section47s"], frames["conferences"])
    plans, plan_above = _within(frames["plans"], "plans", referrals)
    modules = {
        **_child_modules(children, layout),
        "referrals": Written(above=child, fields=_fields("referrals", referrals, layout)),
        "plans": Written(above=plan_above, fields=_fields("plans", plans, layout)),
        "reviews": _reviews(frames["reviews"], plans, layout),
    }
    section47s, above = _within(frames["section47s"], "section47s", referrals)
    fields = _fields("section47s", section47s, layout)
    modules["section47s"] = Written(above=above, fields=fields)
    return {**modules, **_assessments(frames["assessments"], referrals, layout)}


def _find(name: str, wanted: list[pd.Series], among: list[pd.Series]) -> IntArray:
    """Find the first row with each key; every key must be there."""
    known, keys = (
        pd.MultiIndex.from_arrays([part.to_numpy() for part in parts]) for parts in (among, wanted)
    )
    first = np.flatnonzero(~known.duplicated())
    place = known[first].get_indexer(keys)
    if (place < 0).any():
        rule = "belong to a child, referral or plan of the same return"
        got = f"{int((place < 0).sum())} records that do not"
        raise DataError(explain(name, rule, got, "Correct the tables before writing them."))
    result: IntArray = first[place]
    return result


def _within(
    frame: pd.DataFrame, name: str, referrals: pd.DataFrame
) -> tuple[pd.DataFrame, IntArray]:
    """Order records by their referral."""
    above = _find(name, [frame["referral_id"]], [referrals["referral_id"]])
    order = np.argsort(above, kind="stable")
    return frame.iloc[order], above[order]


def _reviews(reviews: pd.DataFrame, plans: pd.DataFrame, layout: Layout) -> Written:
    names = ["child_id", "plan_start_date"]
    above = _find("reviews", [reviews[name] for name in names], [plans[name] for name in names])
    order = np.argsort(above, kind="stable")
    return Written(above=above[order], fields=_fields("reviews", reviews.iloc[order], layout))


def _assessments(
    assessments: pd.DataFrame, referrals: pd.DataFrame, layout: Layout
) -> dict[str, Written]:
    """Write each type of assessment to its module."""
    keys = {module.assessment_type: key for key, module in layout.items() if module.assessment_type}
    types = assessments["assessment_type"].astype("str")
    if not types.isin(list(keys)).all():
        rule = f"have one of the types {', '.join(keys)} in this year's return"
        action = "Give a field mapping, or correct the type."
        raise DataError(explain("assessments", rule, "another type", action))
    written = {}
    for kind, key in keys.items():
        frame, above = _within(assessments[types == kind], "assessments", referrals)
        written[key] = Written(above=above, fields=_columns(key, "assessments", frame, layout))
    return written


def _child_modules(children: pd.DataFrame, layout: Layout) -> dict[str, Written]:
    rows = np.arange(len(children))
    sex = _text(children["sex"], "code")
    raw_sex = np.array([SEX_TO_RAW.get(value) for value in sex], dtype=object)
    identifiers = _columns("identifiers", "children", children.drop(columns="sex"), layout)
    gender = _tag(layout, "identifiers", "gender_current")
    disabled = [_DISABILITY.get(value) for value in _text(children["disabled"], "code")]
    identifiers[gender] = raw_sex
    fields = {tag: identifiers[tag] for tag in layout["identifiers"].fields if tag in identifiers}
    known = np.array([value is not None for value in disabled], dtype=bool)
    disability = np.array(disabled, dtype=object)[known]
    return {
        "identifiers": Written(above=rows, fields=fields),
        "characteristics": Written(
            above=rows, fields=_columns("characteristics", "children", children, layout)
        ),
        "disabilities": Written(
            above=rows[known],
            fields={_tag(layout, "disabilities", "disability"): disability},
        ),
    }


def _with_conferences(
    referrals: pd.DataFrame, section47s: pd.DataFrame, conferences: pd.DataFrame
) -> pd.DataFrame:
    """Record at the referral a conference that no section 47 enquiry records."""
    names = ["referral_id", "icpc_date"]
    held = pd.concat([section47s[names], referrals[names]]).dropna()
    keys = pd.MultiIndex.from_frame(conferences[names])
    loose = conferences[~keys.isin(pd.MultiIndex.from_frame(held))]
    if not len(loose):
        return referrals
    free = referrals.loc[referrals["icpc_date"].isna(), "referral_id"]
    if loose["referral_id"].duplicated().any() or not loose["referral_id"].isin(free).all():
        rule = "have the date of its section 47 enquiry or be the only one of its referral"
        got = "conferences that the return has no place for"
        raise DataError(explain("conferences", rule, got, "Correct the tables."))
    dates = referrals["referral_id"].map(loose.set_index("referral_id")["icpc_date"])
    return referrals.assign(icpc_date=referrals["icpc_date"].fillna(dates))


def _fields(table: str, frame: pd.DataFrame, layout: Layout) -> dict[str, TextArray]:
    return _columns(table, table, frame, layout)


def _columns(key: str, table: str, frame: pd.DataFrame, layout: Layout) -> dict[str, TextArray]:
    """Write the columns of a module that the table has."""
    return {
        tag: _text(frame[column], SCHEMA[table][column])
        for tag, column in layout[key].fields.items()
        if column in SCHEMA[table] and column in frame
    }


def _tag(layout: Layout, key: str, column: str) -> str:
    return next(tag for tag, name in layout[key].fields.items() if name == column)


def _text(column: pd.Series, kind: str) -> TextArray:
    """Write a column as text; None where missing."""
    missing = column.isna().to_numpy()
    if kind == "date":
        days = column.to_numpy().astype("datetime64[D]")
        text = np.datetime_as_string(days, unit="D").astype(object)
    elif kind == "yes_no":
        text = column.astype("str").map(_FLAG).to_numpy(dtype=object)
    else:
        text = column.astype("str").to_numpy(dtype=object)
    filled: NDArray[np.object_] = text.copy()
    filled[missing] = None
    return filled
