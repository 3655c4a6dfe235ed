"""One return as it was sent, as arrays: what the published validation rules are asked about.

A place is named as in the return, ``Module.Field``. Arrays are aligned with the records of the
module; identifiers and characteristics are the child's. Nothing has been set aside yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pilot_eval.records.columns import take_or_missing, to_codes, to_dates, to_keys
from pilot_eval.records.names import STANDARD, TWO_STAGE, add_rules_layout
from pilot_eval.records.returns import RawReturn
from pilot_eval.records.schema import DATE_DTYPE, NO_DATE
from pilot_eval.records.views import year_bounds

Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]
Days = NDArray[np.datetime64]
Codes = tuple[Rows, list[str]]
Texts = NDArray[np.str_]

CHILD, REFERRAL = "children", "referrals"
#: Modules whose records are the child's own.
_OF_CHILD = ("identifiers", "characteristics")
_LAYOUT = add_rules_layout(STANDARD)
#: Statutory module -> key.
MODULES = {module.element: CHILD if key in _OF_CHILD else key for key, module in _LAYOUT.items()}
#: Key -> key of the module that holds it.
_HOLDER = {
    key: CHILD if module.parent in ("", *_OF_CHILD) else module.parent
    for key, module in _LAYOUT.items()
    if key not in _OF_CHILD
} | dict.fromkeys(TWO_STAGE, REFERRAL)
#: Statutory place -> (key, our column); sex keeps its two columns.
PLACES = {
    f"{module.element}.{tag}": (MODULES[module.element], column)
    for module in _LAYOUT.values()
    for tag, column in module.fields.items()
}


def table_of(key: str) -> str:
    """Name the typed table of a module, or the module itself where it has none.

    Parameters
    ----------
    key : str

    Returns
    -------
    str
    """
    return "assessments" if key == "single_assessments" else key


class Sent:
    """One return, its year and its records.

    Parameters
    ----------
    raw : RawReturn
        Read with the layout of `add_rules_layout`.
    frames : mapping of str to DataFrame
        Its typed tables: dates and codes are taken from them where they are there.
    """

    def __init__(self, raw: RawReturn, frames: Mapping[str, pd.DataFrame]) -> None:
        self._raw, self._frames = raw, frames
        self.dated = raw.header.dated
        self.first, self.last = year_bounds(raw.header.year)
        self._above: dict[tuple[str, str], Rows] = {}
        self._kept: dict[tuple[str, str], Any] = {}

    @cached_property
    def absent(self) -> frozenset[str]:
        """Modules and places that the return's source does not have."""
        modules = {module.element for module in self._raw.layout.values()}
        gone = {place for place, _ in self._raw.absent}
        return frozenset({*gone, *(set(MODULES) - modules)})

    def keys_of(self, element: str) -> list[str]:
        """List the modules that a statutory one stands for: assessments of any type are one."""
        key = MODULES[element]
        if not STANDARD.get(key, _LAYOUT[key]).assessment_type:
            return [key]
        return [own for own, module in self._raw.layout.items() if module.assessment_type]

    def size(self, key: str) -> int:
        """Count the records of a module."""
        return int(self._raw.modules[key].num_rows)

    def lines(self, key: str) -> Rows:
        """Say where each record of a module was read."""
        return cast(Rows, self._raw.modules[key]["source_row"].to_numpy())

    def above(self, key: str, holder: str) -> Rows:
        """Find the record that holds each record of a module, however far above; -1: none."""
        if key == holder:
            return np.arange(self.size(key))
        if (key, holder) not in self._above:
            up: Rows = self._raw.modules[key]["above"].to_numpy()
            if key == "disabilities":
                up = _step(up, self._raw.modules["characteristics"]["above"].to_numpy())
            nearest = _HOLDER[key]
            if nearest != holder:
                up = _step(up, self.above(nearest, holder))
            self._above[key, holder] = up
        return self._above[key, holder]

    def deepest(self, *places: str) -> str:
        """Name the module that is held by the others."""
        keys = [PLACES[place][0] for place in places]
        return max(keys, key=lambda key: len(_chain(key)))

    def days(self, place: str, at: str = "") -> Days:
        """Take dates of a place, for its own records or for those of a module within."""
        return cast(Days, self._at(place, at, self._days))

    def held(self, place: str, at: str = "") -> Bools:
        """Say where a place has a value."""
        return cast(Bools, self._at(place, at, self._held))

    def codes(self, place: str) -> Codes:
        """List the codes of a place, and for each record a position in the list, or -1."""
        return cast(Codes, self._keep("codes", place, self._codes))

    def among(self, place: str, codes: list[str], at: str = "") -> Bools:
        """Say where a place has one of some codes."""
        numbers, texts = self.codes(place)
        known = np.array([*(text in codes for text in texts), False])
        found = known[numbers]
        key = PLACES[place][0]
        return found if at in ("", key) else np.append(found, False)[self.above(at, key)]

    def numbers(self, place: str) -> Rows:
        """Give equal texts of a place equal numbers; -1 where there is none."""
        text = pc.utf8_trim_whitespace(self._column(place).cast(pa.string()))
        text = pc.if_else(pc.equal(text, ""), None, text)
        coded = pa.chunked_array(text).combine_chunks().dictionary_encode()
        return cast(Rows, coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))

    def texts(self, place: str) -> Texts:
        """Take the texts of a place as fixed-width text; "" where there is none."""
        return cast(Texts, self._keep("texts", place, self._texts))

    def _at(self, place: str, at: str, take: Any) -> Any:
        """Take values for the records of a module within that of the place."""
        key = PLACES[place][0]
        values = self._keep(take.__name__, place, take)
        if at in ("", key):
            return values
        nothing = NO_DATE if values.dtype.kind == "M" else False
        return np.append(values, nothing)[self.above(at, key)]

    def _keep(self, what: str, place: str, take: Any) -> Any:
        if (what, place) not in self._kept:
            self._kept[what, place] = take(place)
        return self._kept[what, place]

    def _typed(self, place: str) -> pd.Series | None:
        """Find the typed column of a place; sex is asked as it was written."""
        key, column = PLACES[place]
        frame = self._frames.get(table_of(key))
        if frame is None or column not in frame or column in ("sex", "gender_current"):
            return None
        values, size = frame[column], self.size(key)
        return values if len(values) == size else values.iloc[:size]

    def _column(self, place: str) -> pa.ChunkedArray:
        """Take a column as it was written; of the child's modules, a row for each child."""
        key, column = PLACES[place]
        if key != CHILD:
            return self._raw.modules[key][column]
        tag = place.partition(".")[0]
        own = "identifiers" if tag == _LAYOUT["identifiers"].element else "characteristics"
        module, size = self._raw.modules[own], self.size(CHILD)
        above = module["above"].to_numpy()
        rows = np.full(size, -1, dtype="int64")
        rows[above[above >= 0]] = np.flatnonzero(above >= 0)
        return take_or_missing(module[column], rows)

    def _days(self, place: str) -> Days:
        typed = self._typed(place)
        if typed is None:
            return to_dates(self._column(place))[0]
        return cast(Days, typed.to_numpy().astype(DATE_DTYPE, copy=False))

    def _held(self, place: str) -> Bools:
        if PLACES[place][1].endswith("_date"):
            return ~np.isnat(self.days(place))
        typed = self._typed(place)
        if typed is None:
            return self.codes(place)[0] >= 0
        return cast(Bools, typed.notna().to_numpy())

    def _codes(self, place: str) -> Codes:
        typed = self._typed(place)
        if typed is not None and isinstance(typed.dtype, pd.CategoricalDtype):
            return typed.cat.codes.to_numpy().astype("int64"), list(typed.cat.categories)
        column = self._column(place)
        if column.null_count == len(column):
            return np.full(len(column), -1), []
        coded = to_codes(column)
        return np.asarray(coded.codes, dtype="int64"), list(coded.categories)

    def _texts(self, place: str) -> Texts:
        column = self._column(place)
        if column.null_count == len(column):
            return np.full(len(column), "", dtype="U1")
        return np.asarray(pd.Series(to_keys(column)).fillna("").tolist(), dtype="U")


def _step(up: Rows, further: Rows) -> Rows:
    return np.append(further, -1)[up]


def _chain(key: str) -> list[str]:
    """List what holds a module, from below."""
    chain = []
    while key != CHILD:
        key = _HOLDER[key]
        chain.append(key)
    return chain
