"""Load the simulator's constants: `calibration.toml` and `calibration_councils.csv`.

Both files are made by `tools/derive_calibration.py` from the published tables and say where each
constant comes from.
"""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pilot_eval.errors import DataError, ParameterError, explain
from pilot_eval.lab.simulate_durations import DurationModel

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CouncilConstants:
    """What is calibrated council by council.

    `referrals` is a yearly number; `assessed`, `core`, `enquiry`, `conference` and `plan` are
    shares of referrals; `rereferral` and `repeat_plan` are shares of referrals and of new plans;
    the shifts move the logarithm of the council's durations; `single` is the share of 2013-14
    spent under single assessments.
    """

    council_code: str
    dfe_number: int
    council_name: str
    referrals: float
    assessed: float
    core: float
    enquiry: float
    conference: float
    plan: float
    rereferral: float
    repeat_plan: float
    initial_shift: float
    core_shift: float
    conference_shift: float
    single_shift: float
    single: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """All constants of the simulator.

    Attributes
    ----------
    councils : dict of str to CouncilConstants
        By council_code, in the order of the DfE numbers.
    durations : dict of str to DurationModel
        initial, core, single, conference, core_group.
    months : ndarray, shape (12,)
        Share of a year's referrals in January, ..., December.
    years : dict of int to float
        Year ending 31 March -> its referrals over the mean year's.
    constants : dict
        The remaining sections of the file, as read.
    """

    councils: dict[str, CouncilConstants]
    durations: dict[str, DurationModel]
    months: FloatArray
    years: dict[int, float]
    constants: dict[str, dict[str, Any]]

    def shares(self, section: str) -> tuple[tuple[str, ...], FloatArray]:
        """Read one section of shares as names and probabilities that sum to 1."""
        table = self.constants[section]
        weights = np.array(list(table.values()), dtype=float)
        return tuple(table), weights / weights.sum()

    def select(self, councils: tuple[str, ...]) -> list[CouncilConstants]:
        """List the constants of the councils asked for, all if none is named.

        Raises
        ------
        ParameterError
            If a council is unknown.
        """
        unknown = sorted(set(councils) - set(self.councils))
        if unknown:
            raise ParameterError(
                explain(
                    "councils",
                    "be ONS codes of data/reference/councils.csv",
                    ", ".join(unknown),
                    "Check the codes; those of 2013 are used for all years.",
                )
            )
        return [c for code, c in self.councils.items() if not councils or code in councils]


@cache
def load_calibration() -> Calibration:
    """Load the constants that are shipped with the package.

    Returns
    -------
    Calibration

    Raises
    ------
    DataError
        If the shipped files lack a constant: the installation is damaged.

    Examples
    --------
    >>> len(load_calibration().councils)
    152
    """
    folder = files("pilot_eval.lab")
    constants = tomllib.loads((folder / "calibration.toml").read_text(encoding="utf-8"))
    text = (folder / "calibration_councils.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    try:
        councils = [_council(row) for row in csv.DictReader(lines)]
        durations = {name: DurationModel(**v) for name, v in constants.pop("durations").items()}
        months = np.array([constants["months"][str(m)] for m in range(1, 13)])
        years = {int(year): float(value) for year, value in constants["years"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            explain("calibration", "hold every constant", str(error), "Install the package again.")
        ) from error
    return Calibration(
        councils={c.council_code: c for c in councils},
        durations=durations,
        months=months / months.sum(),
        years=years,
        constants=constants,
    )


def _council(row: dict[str, str]) -> CouncilConstants:
    """Type one line of the council file."""
    kinds = {"council_code": str, "council_name": str, "dfe_number": int}
    values = {f.name: kinds.get(f.name, float)(row[f.name]) for f in fields(CouncilConstants)}
    return CouncilConstants(**values)
