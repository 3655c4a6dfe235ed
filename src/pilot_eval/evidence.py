"""Evidence: the one table every number in a notebook, report or workbook comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

SIGNIFICANT_DIGITS = 10  # linear algebra differs between processors from the 13th on
HASH_LENGTH = 12

EVIDENCE_COLUMNS = (
    "strand",
    "scenario",
    "outcome",
    "family",
    "unit",
    "harm",
    "method",
    "estimate",
    "std_error",
    "df",
    "conf_low",
    "conf_high",
    "p_value",
    "p_romano_wolf",
    "p_benjamini_hochberg",
    "n_treated",
    "n_comparators",
    "treated",
    "share_of_scenario",
    "pre_periods",
    "post_periods",
    "mde",
    "bound_low",
    "bound_high",
    "fragile",
    "status",
    "reason",
    "breaks",
    "freed",
    "settings",
    "citation",
    "plan_hash",
    "data_hash",
)
"""`status` is `estimated`, `not_estimable` or `descriptive`; `mde` is the minimum detectable
effect; `bound_low` and `bound_high` are the estimate at the worst cases of suppressed counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an evaluation found.

    Attributes
    ----------
    table : DataFrame
        One row a strand, scenario, outcome and method; columns `EVIDENCE_COLUMNS`.
    effects : DataFrame
        One row a scenario, outcome and treated council: its own effect.
    dropped : DataFrame
        Councils left out of a comparison: scenario, outcome, council, role, reason.
    """

    table: pd.DataFrame
    effects: pd.DataFrame
    dropped: pd.DataFrame

    def write(self, folder: str | Path) -> list[Path]:
        """Write the three tables as CSV, to 10 significant digits, the same bytes every time."""
        folder = Path(folder)
        tables = {"evidence": self.table, "effects": self.effects, "dropped": self.dropped}
        written = []
        for name, table in tables.items():
            path = folder / f"{name}.csv"
            path.write_bytes(to_csv_bytes(table))
            written.append(path)
        return written


def build_evidence_table(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Build the evidence table from rows; a column a row does not have is empty."""
    return pd.DataFrame(list(rows), columns=list(EVIDENCE_COLUMNS))


def to_csv_bytes(table: pd.DataFrame) -> bytes:
    """Write a table as UTF-8 CSV bytes with LF line ends and 10 significant digits.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    bytes
    """
    text = table.to_csv(index=False, lineterminator="\n", float_format=f"%.{SIGNIFICANT_DIGITS}g")
    return text.encode("utf-8")


def hash_table(table: pd.DataFrame) -> str:
    """Return the first 12 hex digits of the SHA-256 of a table's CSV."""
    return hashlib.sha256(to_csv_bytes(table)).hexdigest()[:HASH_LENGTH]
