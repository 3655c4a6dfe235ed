"""Where calibrations are kept: the default pilot's with the validity page, others with the user.

A calibration is found by the hash of all that it rests on, so that one that has become out of date
is not found.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from pilot_eval.design.build import Design
from pilot_eval.evaluation.calibration import (
    Rate,
    Rates,
    build_pools,
    calibration_columns,
    calibration_key,
    carrying_test,
    choose_settings,
    erring,
)
from pilot_eval.evidence_row import EvidenceRow
from pilot_eval.file_sets import whole_file
from pilot_eval.plan import EvaluationPlan
from pilot_eval.project import find_file

STORE = "docs/validity/calibration.csv"
CACHE_VARIABLE = "PILOT_EVAL_CACHE"


def cache_folder() -> Path:
    """Return the folder for calibrations of other plans and tables.

    It is the user's cache folder, or the one that the environment variable ``PILOT_EVAL_CACHE``
    names. It contains rates and hashes, no figures of councils.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named) / "calibration"
    from platformdirs import user_cache_path  # evaluating the default pilot never comes here

    return user_cache_path("pilot_eval") / "calibration"


def add_calibration(
    plan: EvaluationPlan, design: Design, rows: Iterable[EvidenceRow]
) -> list[EvidenceRow]:
    """Add to a design's evidence rows how often their tests err, and which test carries.

    Only what is stored is read: `checks.real_data_placebos.calibrate` measures.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design
    rows : iterable of EvidenceRow
        One for each method.

    Returns
    -------
    list of EvidenceRow
        With `calibration`, `calibration_low` and `calibration_high`, missing where nothing is
        stored, and `carrying_test`, empty where every test errs.
    """
    rates = _find_rates_of(plan, design)
    found = [replace(row, **calibration_columns(rates, row.method)) for row in rows]
    settings = choose_settings(plan, design.scenario, design.outcome)
    carries = carrying_test(found, settings) or ""
    return [replace(row, carrying_test=carries) for row in found]


def find_carrying_test(plan: EvaluationPlan, design: Design) -> str:
    """Name the first test of the plan's order that does not err on a design's own data.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design

    Returns
    -------
    str
        The first of the order where nothing is stored, or every test errs.
    """
    settings = choose_settings(plan, design.scenario, design.outcome)
    rates = _find_rates_of(plan, design)
    fit = [test for test in settings.order if test in rates]
    fit = [test for test in fit if not erring(rates[test].low, settings.limit)]
    return fit[0] if fit else settings.order[0]


def _find_rates_of(plan: EvaluationPlan, design: Design) -> Rates:
    pools = build_pools(plan, design)
    return (find_rates(calibration_key(plan, pools)) if pools else None) or {}


def find_rates(key: str, root: Path | None = None) -> Rates | None:
    """Find a stored calibration.

    Parameters
    ----------
    key : str
        From `calibration_key`.
    root : path, optional
        Project folder; found from the current folder by default.

    Returns
    -------
    mapping of str to Rate, or None
        None where nothing is stored for exactly these data, design, level and code.
    """
    return read_store(root).get(key) or _read_cached(cache_folder() / f"{key}.json")


def read_store(root: Path | None = None) -> dict[str, dict[str, Rate]]:
    """Read the table of the validity page: key -> test -> rate; empty where there is none."""
    path = find_file(STORE, root)
    if not path.is_file():
        return {}
    return _read_rates(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_rates(path: Path, _written: int) -> dict[str, dict[str, Rate]]:
    stored: dict[str, dict[str, Rate]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rate = Rate(rejections=int(row["rejections"]), sets=int(row["sets"]))
            stored.setdefault(row["key"], {})[row["method"]] = rate
    return stored


def keep_rates(key: str, rates: Rates) -> None:
    """Keep a calibration in the user's cache."""
    content = {test: [rate.rejections, rate.sets] for test, rate in rates.items()}
    cache_folder().mkdir(parents=True, exist_ok=True)
    with whole_file(cache_folder() / f"{key}.json") as new:
        new.write_text(json.dumps(content), encoding="utf-8", newline="\n")


def _read_cached(path: Path) -> dict[str, Rate] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            test: Rate(rejections=rejections, sets=sets)
            for test, (rejections, sets) in content.items()
        }
    except (OSError, ValueError):
        return None
