"""One section of the validity page: how its table is measured, and how it is described."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pilot_eval.house_style import save_canvas

SEED = 20110201


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the validity study that can be run again on its own.

    Attributes
    ----------
    name : str
        Name for `--only`; the table is `validity/<name>.csv`, the picture `validity/<name>.png`.
    heading : str
    draws : int
        Simulated data sets per world (or sets per cell) of a full run.
    run : callable
        `run(draws, seed, executor)` measures the table, one row per figure.
    describe : callable
        `describe(table)` writes the section in Markdown, from the stored table only; its own
        headings begin at the third level.
    plot : callable, optional
        `plot(table)` draws a matplotlib figure; `describe` refers to it as `validity/<name>.png`.
    """

    name: str
    heading: str
    draws: int
    run: Callable[[int, int, Executor | None], pd.DataFrame]
    describe: Callable[[pd.DataFrame], str]
    plot: Callable[[pd.DataFrame], Any] | None = None

    def measure(self, folder: Path, draws: int | None, executor: Executor | None) -> None:
        """Measure the table and store it, with its picture, in a folder."""
        table = self.run(self.draws if draws is None else draws, SEED, executor)
        write_table(table, folder / f"{self.name}.csv")
        if self.plot is not None:
            figure = self.plot(read_table(folder / f"{self.name}.csv"))
            (folder / f"{self.name}.png").write_bytes(save_canvas(figure).png)

    def text(self, folder: Path) -> str:
        """Describe the stored table, heading included."""
        table = read_table(folder / f"{self.name}.csv")
        return f"## {self.heading}\n\n{self.describe(table).strip()}"


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table to six digits, missing numbers as `nan` and empty text as nothing.

    Parameters
    ----------
    table : pandas.DataFrame
    path : pathlib.Path
    """
    table.to_csv(path, index=False, float_format="%.6g", na_rep="nan", lineterminator="\n")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    pandas.DataFrame
    """
    return pd.read_csv(path, keep_default_na=False, na_values=["nan"])
