"""Read the data of published studies; skip, with the reason, where a file is absent."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = Path(os.environ.get("PILOT_EVAL_SOURCE_DATA", ROOT / ".." / "shared" / "data"))
HERE = Path(__file__).parent / "data"


def read_replication(name: str, **options: object) -> pd.DataFrame:
    path = SOURCE / "replication" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the source data; set PILOT_EVAL_SOURCE_DATA")
    return pd.read_csv(path, **options)


def read_mpdta() -> pd.DataFrame:
    """County teen employment of Callaway and Sant'Anna (2021), columns unit, time, y, g."""
    names = {"countyreal": "unit", "year": "time", "lemp": "y", "first.treat": "g"}
    return read_replication("mpdta.csv").rename(columns=names)


def to_wide(panel: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes (n_units, n_periods), first treated period (NaN = never), periods."""
    wide = panel.pivot(index="unit", columns="time", values="y")
    first = panel.groupby("unit")["g"].first().reindex(wide.index)
    return wide.to_numpy(), first.replace(0, np.nan).to_numpy(float), wide.columns.to_numpy()


def differs(ours: float, published: float, reason: str, *, digits: int) -> None:
    """Show a published number that another method gives: it must differ where it is printed."""
    assert abs(ours - published) > 0.5 * 10.0**-digits, reason
