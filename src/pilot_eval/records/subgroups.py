"""The panel for groups of children: by need, age, sex, ethnicity or disability.

A group is of referrals: the need recorded for it, the child's age on its day, the child's sex,
ethnicity and disability. What came before and after a referral (re-referrals, earlier plans) is
looked up among all of the child's records, whatever their group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from pilot_eval.errors import ParameterError, explain
from pilot_eval.records.census_panel import (
    PanelSettings,
    fill_panel,
    lay_out_grid,
    prepare_for_panel,
)
from pilot_eval.records.codes import NEED_CODES, SEX_CODES
from pilot_eval.records.council_cells import find_populations
from pilot_eval.records.episodes import build_episodes, build_plan_episodes
from pilot_eval.records.indicators import Records
from pilot_eval.records.linking import (
    find_referrals,
    list_councils,
    number_children,
    number_councils,
    to_days,
)
from pilot_eval.records.local_indicators import LocalIndicator
from pilot_eval.records.schema import NO_DATE, SCHEMA, YES_NO, CensusTables, frames_of

By = Literal["need", "age", "sex", "ethnicity", "disability"]
GROUPINGS: tuple[By, ...] = get_args(By)
UNKNOWN = "unknown"
#: Lower ends of the ages, years; a child that is not born yet comes before them.
AGES = {"under 1": 0, "1 to 4": 1, "5 to 9": 5, "10 to 15": 10, "16 and over": 16}
UNBORN = "unborn"
#: DfE's main groups. Chinese is with Asian, as in the census of 2011 and since.
ETHNIC_GROUPS: Mapping[str, tuple[str, ...]] = {
    "white": ("WBRI", "WIRI", "WIRT", "WOTH", "WROM"),
    "mixed": ("MWBC", "MWBA", "MWAS", "MOTH"),
    "asian": ("AIND", "APKN", "ABAN", "AOTH", "CHNE"),
    "black": ("BCRB", "BAFR", "BOTH"),
    "other": ("OOTH",),
}
_NOT_BORN, _YEAR = -1, 1


def build_subgroup_panel(
    tables: CensusTables,
    settings: PanelSettings,
    by: By,
    *,
    exemptions: pd.DataFrame | None = None,
    coverage: pd.DataFrame | None = None,
    populations: pd.DataFrame | None = None,
    local: Sequence[LocalIndicator] = (),
) -> pd.DataFrame:
    """Build the panel of each group of children.

    Parameters
    ----------
    tables : CensusTables
        Whole councils.
    settings : PanelSettings
    by : {"need", "age", "sex", "ethnicity", "disability"}
    exemptions, coverage, local
        As in `build_census_panel`.
    populations : DataFrame, optional
        As from `read_group_populations`: denominators of the rates. Without a group's, its rates
        have numerators only.

    Returns
    -------
    DataFrame
        by, group and the columns of `PANEL_COLUMNS`. Counts are of the group alone and not
        protected.

    Raises
    ------
    ParameterError
        If there is no such grouping.

    Examples
    --------
    >>> build_subgroup_panel(tables, settings, "need")                      # doctest: +SKIP
    """
    if by not in GROUPINGS:
        rule = "be one of " + ", ".join(GROUPINGS)
        raise ParameterError(explain("by", rule, by, "Choose one of them."))
    group = _GROUPS[by](tables)
    whole = Records(
        tables=tables,
        councils=tuple(list_councils(tables)),
        episodes=build_episodes(tables),
        plans=build_plan_episodes(tables),
        durations={},
    )
    grid = lay_out_grid(whole, settings, coverage=coverage, populations=None)
    names = list(group.categories)
    owned = [_take_populations(populations, by, name) for name in names]
    wide = replace(
        grid,
        covered=np.tile(grid.covered, (len(names), 1)),
        population=np.vstack([find_populations(grid, whole.councils, own) for own in owned]),
    )
    panel = fill_panel(_split(whole, group, settings, exemptions), wide, settings, local)
    return _put_groups_first(panel, by, names, whole.councils)


def list_groups(by: By) -> tuple[str, ...]:
    """List the groups of a grouping that a population can have."""
    names = {
        "need": NEED_CODES,
        "age": tuple(AGES),
        "sex": SEX_CODES[:2],
        "ethnicity": tuple(ETHNIC_GROUPS),
        "disability": YES_NO,
    }
    return names[by]


def _take_populations(populations: pd.DataFrame | None, by: By, group: str) -> pd.DataFrame | None:
    if populations is None:
        return None
    return populations[(populations["by"] == by) & (populations["group"] == group)]


def _split(
    whole: Records, group: pd.Categorical, settings: PanelSettings, exemptions: pd.DataFrame | None
) -> Records:
    """Let every group of a council be a council of its own: its referrals and what belongs to them.

    What all records of a child say of a referral or a plan stays as it is.
    """
    taken = [_take_group(whole, np.asarray(group == name)) for name in group.categories]
    names = [f"{code} {place}" for place in range(len(taken)) for code in whole.councils]

    def stack(frame: pd.DataFrame, held: Sequence[np.ndarray]) -> pd.DataFrame:
        rows = np.concatenate([np.flatnonzero(mask) for mask in held])
        place = np.repeat(np.arange(len(held)), [mask.sum() for mask in held])
        council = number_councils(frame, whole.councils)[rows]
        council = np.where(council < 0, -1, place * len(whole.councils) + council)
        own = frame.iloc[rows].reset_index(drop=True)
        return own.assign(council_code=pd.Categorical.from_codes(council, names))

    frames = {
        name: stack(getattr(whole.tables, name), [held[name] for held in taken]) for name in SCHEMA
    }
    if exemptions is not None:
        codes = exemptions["council_code"].astype("str")
        exemptions = pd.concat(
            [exemptions.assign(council_code=codes + f" {place}") for place in range(len(taken))],
            ignore_index=True,
        )
    return replace(
        prepare_for_panel(replace(whole.tables, **frames), settings, exemptions),
        councils=tuple(names),
        episodes=stack(whole.episodes, [held["referrals"] for held in taken]),
        plans=stack(whole.plans, [held["plans"] for held in taken]),
    )


def _take_group(whole: Records, kept: np.ndarray) -> dict[str, np.ndarray]:
    """Find the rows of every table that belong to the referrals of a group."""
    referrals = whole.tables.referrals[kept]
    held = {"referrals": kept}
    for name, frame in frames_of(whole.tables).items():
        if name in ("assessments", "section47s", "conferences", "plans"):
            held[name] = find_referrals(frame, referrals, whole.councils) >= 0
    for name in ("children", "reviews"):
        both = [getattr(whole.tables, name), referrals]
        asked, known = number_children(both, whole.councils)
        held[name] = np.isin(asked, known)
    return held


def _put_groups_first(
    panel: pd.DataFrame, by: By, names: Sequence[str], councils: Sequence[str]
) -> pd.DataFrame:
    """Order a panel of groups as councils by group, indicator, council and period; name both."""
    indicators = panel["indicator"].cat.categories
    shape = (len(indicators), len(names), len(councils), -1)
    order = np.arange(len(panel)).reshape(shape).swapaxes(0, 1).ravel()
    found = panel.iloc[order].reset_index(drop=True)
    place = found["council_code"].cat.codes.to_numpy()
    own = pd.Categorical.from_codes(place % len(councils), pd.Index(councils, dtype="str"))
    found["council_code"] = own
    found.insert(0, "by", by)
    found.insert(1, "group", np.array(names, dtype=object)[place // len(councils)])
    return found


def _by_need(tables: CensusTables) -> pd.Categorical:
    return _named(tables.referrals["primary_need"], NEED_CODES)


def _by_age(tables: CensusTables) -> pd.Categorical:
    birth = to_days(tables.children["birth_date"])
    expected = to_days(tables.children["expected_birth_date"])
    known = _of_children(tables, np.where(np.isnat(birth), expected, birth))
    day = to_days(tables.referrals["referral_date"])
    years = _full_years(known, day)
    names = [UNBORN, *AGES]
    place = np.searchsorted(list(AGES.values()), years, side="right")
    return pd.Categorical.from_codes(
        np.where(np.isnat(known) | np.isnat(day), len(names), place), [*names, UNKNOWN]
    )


def _full_years(birth: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Count birthdays; -1 before the birth."""
    months = (day.astype("datetime64[M]") - birth.astype("datetime64[M]")).astype("int64")
    into = day - day.astype("datetime64[M]") < birth - birth.astype("datetime64[M]")
    return np.where(day < birth, _NOT_BORN, (months - into) // 12)


def _by_sex(tables: CensusTables) -> pd.Categorical:
    return _named(_of_children(tables, tables.children["sex"].astype("object")), SEX_CODES[:2])


def _by_disability(tables: CensusTables) -> pd.Categorical:
    return _named(_of_children(tables, tables.children["disabled"].astype("object")), YES_NO)


def _by_ethnicity(tables: CensusTables) -> pd.Categorical:
    group_of = {code: name for name, codes in ETHNIC_GROUPS.items() for code in codes}
    groups = tables.children["ethnicity"].astype("object").map(group_of)
    return _named(_of_children(tables, groups), tuple(ETHNIC_GROUPS))


_GROUPS: Mapping[str, Callable[[CensusTables], pd.Categorical]] = {
    "need": _by_need,
    "age": _by_age,
    "sex": _by_sex,
    "ethnicity": _by_ethnicity,
    "disability": _by_disability,
}


def _named(values: object, names: Sequence[str]) -> pd.Categorical:
    """Put values into their groups; what is in none is unknown."""
    found = pd.Series(np.asarray(values, dtype=object))
    return pd.Categorical(found.where(found.isin(list(names)), UNKNOWN), [*names, UNKNOWN])


def _of_children(tables: CensusTables, values: object) -> np.ndarray:
    """Take what is known of children for each of their referrals; nothing where there is none."""
    children, referrals = number_children(
        [tables.children, tables.referrals], list_councils(tables)
    )
    own = np.asarray(values)
    nothing = NO_DATE if own.dtype.kind == "M" else None
    table = pd.Series(own, index=children)
    table = table[(children >= 0) & ~table.index.duplicated()]
    found = table.reindex(referrals).to_numpy()
    return np.asarray(np.where(referrals >= 0, found, nothing), dtype=own.dtype)
