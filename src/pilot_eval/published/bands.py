"""DfE's published duration bands: which days each one holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Working days `first` to `last`, both included; an open band has no last day (inf)."""

    indicator: str
    first: int
    last: float


def _bands(prefix: str, *edges: tuple[str, int, float]) -> tuple[Band, ...]:
    return tuple(
        Band(indicator=f"{prefix}_band_{name}", first=first, last=last)
        for name, first, last in edges
    )


SHARE_IN_TIME = re.compile(r"(?P<prefix>[a-z]+)_within_(?P<limit>\d+)wd_pct")

#: Clock -> bands, in order, without gaps.
PUBLISHED_BANDS: dict[str, tuple[Band, ...]] = {
    "initial_assessment": _bands(
        "ia",
        ("same_day", 0, 0),
        ("1_5", 1, 5),
        ("6_10", 6, 10),
        ("11_15", 11, 15),
        ("16_20", 16, 20),
        ("21_plus", 21, np.inf),
    ),
    "core_assessment": _bands(
        "ca",
        ("0_10", 0, 10),
        ("11_20", 11, 20),
        ("21_30", 21, 30),
        ("31_35", 31, 35),
        ("36_40", 36, 40),
        ("41_50", 41, 50),
        ("51_60", 51, 60),
        ("61_plus", 61, np.inf),
    ),
    "icpc": _bands(
        "icpc", ("0_10", 0, 10), ("11_15", 11, 15), ("16_20", 16, 20), ("21_plus", 21, np.inf)
    ),
    "single_assessment": _bands(
        "sa",
        ("same_day", 0, 0),
        ("1_10", 1, 10),
        ("11_20", 11, 20),
        ("21_30", 21, 30),
        ("31_40", 31, 40),
        ("41_45", 41, 45),
        ("46_50", 46, 50),
        ("51_60", 51, 60),
        ("61_plus", 61, np.inf),
    ),
}

#: Clock -> the first part of its indicators' names.
CLOCK_PREFIX = {
    "initial_assessment": "ia",
    "core_assessment": "ca",
    "icpc": "icpc",
    "single_assessment": "sa",
    "core_group": "core_group",
    "first_review": "first_review",
    "later_review": "later_review",
    "referral_decision": "decision",
}


def name_share(clock: str, limit: int) -> str:
    """Name the published share of a clock's cases that were completed within a limit."""
    return f"{CLOCK_PREFIX[clock]}_within_{limit}wd_pct"


def split_bands(indicator: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the bands that a share in time counts, and the other bands of the same total.

    Parameters
    ----------
    indicator : str
        Such as the share of initial assessments within 10 working days.

    Returns
    -------
    inside, outside : tuple of str
        Both empty where the indicator is not made up of bands.

    Examples
    --------
    >>> split_bands(name_share("icpc", 15))[0]
    ('icpc_band_0_10', 'icpc_band_11_15')
    """
    found = SHARE_IN_TIME.fullmatch(indicator)
    clocks = {prefix: clock for clock, prefix in CLOCK_PREFIX.items()}
    if found is None or clocks.get(found["prefix"]) not in PUBLISHED_BANDS:
        return (), ()
    bands = PUBLISHED_BANDS[clocks[found["prefix"]]]
    inside = tuple(band.indicator for band in bands if band.last <= int(found["limit"]))
    return inside, tuple(band.indicator for band in bands if band.indicator not in inside)


def daily_shares(table: pd.DataFrame, bands: Sequence[Band], *, year: int) -> pd.DataFrame:
    """Compute percent of completed cases per working day in each closed band.

    Parameters
    ----------
    table : DataFrame
        As from `load_published`.
    bands : sequence of Band
        Closed bands of one clock.
    year : int
        Year ending 31 March.

    Returns
    -------
    DataFrame, council_code x band
        Councils with every band published; columns such as "6 to 10".
    """
    rows = table[table["year_ending"] == year]
    shares = {}
    for band in bands:
        own = rows[rows["indicator"] == band.indicator].set_index("council_code")
        days = band.last - band.first + 1
        name = "Same day" if days == 1 else f"{band.first} to {band.last}"
        shares[name] = own["value"] / days
    return pd.DataFrame(shares).dropna()
