"""Derive the simulator's constants from published tables.

Reads ``data/published/council_indicators.csv`` (figures of DfE's tables for the years ending March
2010 to 2014) and DfE's referrals by month of 2013 to 2022 (``later/``, below the folder of source
files: argument, or the environment variable PILOT_EVAL_SOURCE_DATA, or ``../shared/data``).
Writes ``src/pilot_eval/lab/calibration.toml`` and ``calibration_councils.csv``, which are
committed: nothing outside the project is read when a simulation runs.

    python tools/derive_calibration.py [SOURCE_FOLDER]
"""

from __future__ import annotations

import calendar
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq, minimize

from pilot_eval.lab.simulate_durations import DurationModel, expected_shares
from pilot_eval.published.council_indicators import load_published

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src" / "pilot_eval" / "sources"
ENGLAND = "E92000001"
MONTHS_FILE = "later/c6_children_in_need_referrals_by_month_2013_to_2022.csv"
# Years before the pandemic changed the pattern.
MONTH_YEARS = range(2013, 2020)
MONTH_NAMES = [calendar.month_name[month] for month in range(1, 13)]

# Clock -> (indicator of the share in time, limit, day up to which each band runs, year fitted)
CLOCKS = {
    "initial": ("ia_within_10wd_pct", 10, (0, 5, 10, 15, 20, None), 2012),
    "core": ("ca_within_35wd_pct", 35, (10, 20, 30, 35, 40, 50, 60, None), 2012),
    "conference": ("icpc_within_15wd_pct", 15, (10, 15, 20, None), 2012),
    "single": ("sa_within_45wd_pct", 45, (0, 10, 20, 30, 40, 45, 50, 60, None), 2014),
}
PREFIXES = {"initial": "ia", "core": "ca", "conference": "icpc", "single": "sa"}
START = {"same_day": 0.05, "stuck": 0.12, "hold": 0.4, "rush": 0.6, "crowding": 0.7}
# At most this share is stuck: beyond it the limit would not be what shapes the durations.
CEILINGS = {"stuck": 0.35, "hold": 0.9, "rush": 0.95}
SHARES = tuple(START)
LARGEST_SHIFT = 1.2
# A council's figure counts if at least this many cases are behind it.
FEWEST_CASES = 30
STAGES = {
    "assessed": ("ia_within_10wd_pct", "denominator"),
    "core": ("ca_within_35wd_pct", "denominator"),
    "enquiry": ("s47_rate", "numerator"),
    "conference": ("icpc_rate", "numerator"),
    "plan": ("repeat_plan_pct", "denominator"),
}
STAGE_YEARS = (2010, 2011, 2012, 2013)
COUNCIL_COLUMNS = [
    *("council_code", "dfe_number", "council_name", "referrals", *STAGES),
    *("rereferral", "repeat_plan", *(f"{clock}_shift" for clock in CLOCKS), "single", "basis"),
]
# A second fit starts where the first ended; the first tries these multiples of the limit for the
# median time until a case is ready.
FIRST_MEDIANS = (0.25, 0.6, 1.0)


def main(source: Path, target: Path = TARGET) -> None:
    """Derive and write all constants."""
    table = load_published()
    councils = pd.read_csv(ROOT / "data" / "reference" / "councils.csv", dtype={"dfe_number": int})
    england = table[table["council_code"] == ENGLAND]
    local = table[table["council_code"].isin(councils["council_code"])]
    models, shifts, noise = {}, {}, {}
    for clock in CLOCKS:
        known = noise["core"] if clock == "single" else None
        models[clock], shifts[clock], noise[clock] = fit_clock(clock, england, local, known)
    write_councils(council_constants(councils, england, local, shifts), target)
    write_constants(england, models, noise, month_shares(source), target)


def figure(rows: pd.DataFrame, indicator: str, year: int, column: str) -> float:
    """Look one of England's figures up."""
    found = rows[(rows["indicator"] == indicator) & (rows["year_ending"] == year)]
    return float(found[column].iloc[0])


def fit_clock(
    clock: str, england: pd.DataFrame, local: pd.DataFrame, known_noise: float | None
) -> tuple[DurationModel, pd.Series, float]:
    """Fit England's bands, given that councils and their years differ as they do.

    Returns the model, the councils' shifts and the spread of a council's years. Where there is
    only one year the spread is given.
    """
    indicator, limit, edges, year = CLOCKS[clock]
    bands = band_keys(PREFIXES[clock], edges)
    counts = np.array([figure(england, band, year, "numerator") for band in bands])
    target = band_targets(clock, england, counts / counts.sum())
    years = (year,) if clock == "single" else (2011, 2012, 2013)
    used = local[(local["indicator"] == indicator) & local["year_ending"].isin(years)]
    sums = used.dropna(subset=["numerator", "denominator"]).groupby("council_code")
    sums = sums[["numerator", "denominator"]].sum()
    sums = sums[sums["denominator"] >= FEWEST_CASES]
    shares = sums["numerator"] / sums["denominator"]
    spread, weights = np.zeros(1), np.ones(1)
    starts = [pack(limit, median) for median in FIRST_MEDIANS]
    for _ in range(5):
        best = fit_model(limit, target, spread, weights, starts)
        model, starts = unpack(best, limit), [best]
        shifts = shares.map(lambda share, m=model: shift_for(m, limit, share))
        noise = year_noise(used, model, limit) if known_noise is None else known_noise
        spread, weights = quantile_bins(shifts.to_numpy(), sums["denominator"].to_numpy())
        spread, weights = add_noise(spread, weights, noise)
    return model, shifts, noise


def band_keys(prefix: str, edges: tuple) -> list[str]:
    """Spell the indicators of the bands that end on the days of `edges`."""
    keys, low = [], 0
    for high in edges:
        if high is None:
            keys.append(f"{prefix}_band_{low}_plus")
        elif high == 0:
            keys.append(f"{prefix}_band_same_day")
        else:
            keys.append(f"{prefix}_band_{low}_{high}")
        low = low if high is None else high + 1
    return keys


def band_targets(clock: str, england: pd.DataFrame, shares: np.ndarray) -> dict[int, float]:
    """Shares finished by a day: the bands' ends and the published quartiles."""
    _, _, edges, year = CLOCKS[clock]
    target = {day: float(s) for day, s in zip(edges[:-1], np.cumsum(shares)[:-1], strict=True)}
    for name, level in (("p25", 0.25), ("median", 0.5), ("p75", 0.75)):
        day = int(figure(england, f"{PREFIXES[clock]}_{name}_wd", year, "value"))
        target[-day] = level  # negative: at least this share by the day, less by the day before
    return target


def fit_model(
    limit: int,
    target: dict[int, float],
    spread: np.ndarray,
    weights: np.ndarray,
    starts: list[np.ndarray],
) -> np.ndarray:
    """Minimise the squared distance to the targets, the councils being spread as given."""

    def loss(theta: np.ndarray) -> float:
        model = unpack(theta, limit)
        parts = [
            w * expected_shares(model, limit=limit, shift=s)
            for s, w in zip(spread, weights, strict=True)
        ]
        done = np.cumsum(np.sum(parts, axis=0))
        total = 0.0
        for day, share in target.items():
            if day >= 0:
                total += (done[day] - share) ** 2
            else:
                total += 0.3 * max(share - done[-day], 0) ** 2
                total += 0.3 * max(done[-day - 1] - share, 0) ** 2
        return 1e4 * total + 0.01 * float(np.sum(theta[:5] ** 2))

    found = []
    for theta in starts:
        for _ in range(2):
            theta = minimize(loss, theta, method="Nelder-Mead", options={"maxiter": 1200}).x
        found.append(theta)
    best = min(found, key=loss)
    print(f"limit of {limit} working days: weighted squared error {loss(best):.3f}")
    return best


def pack(limit: int, median: float) -> np.ndarray:
    """Start values, on scales without bounds."""
    shares = np.array([START[k] / CEILINGS.get(k, 1.0) for k in SHARES])
    return np.array([*np.log(shares / (1 - shares)), np.log(median * limit), -0.1, -0.7, 0.0])


def unpack(theta: np.ndarray, limit: int) -> DurationModel:
    """Constants from the scales without bounds; a stuck case is one that outlasts the limit."""
    inside = 1 / (1 + np.exp(-np.clip(theta, -12, 12)))
    shares = {k: CEILINGS.get(k, 1.0) * inside[i] for i, k in enumerate(SHARES)}
    return DurationModel(
        **{name: round(float(v), 4) for name, v in shares.items()},
        log_mean=round(float(theta[5]), 4),
        log_sd=round(float(np.exp(np.clip(theta[6], -1.2, 1))), 4),
        stuck_log_mean=round(float(np.log(1.3 * limit) + np.exp(np.clip(theta[7], -4, 1))), 4),
        stuck_log_sd=round(float(0.3 + 0.6 * inside[8]), 4),
    )


def shift_for(model: DurationModel, limit: int, share: float) -> float:
    """Find the shift of the log duration that gives a council its share in time."""

    def gap(shift: float) -> float:
        return float(expected_shares(model, limit=limit, shift=shift)[: limit + 1].sum()) - share

    if gap(-LARGEST_SHIFT) < 0:
        return -LARGEST_SHIFT
    if gap(LARGEST_SHIFT) > 0:
        return LARGEST_SHIFT
    return round(brentq(gap, -LARGEST_SHIFT, LARGEST_SHIFT, xtol=1e-3), 3)


def quantile_bins(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Summarise the councils' shifts in eleven bins of equal weight."""
    order = np.argsort(values, kind="stable")
    part = np.minimum((11 * np.cumsum(weights[order]) / weights.sum()).astype(int), 10)
    sums = np.bincount(part, weights=weights[order], minlength=11)
    means = np.bincount(part, weights=(weights * values)[order], minlength=11)
    keep = sums > 0
    return means[keep] / sums[keep], sums[keep] / sums.sum()


def add_noise(
    values: np.ndarray, weights: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Spread each bin as a normal deviation of that spread does (three-point Gauss-Hermite)."""
    points = np.sqrt(3) * noise * np.array([-1, 0, 1])
    masses = np.array([1, 4, 1]) / 6
    return np.add.outer(values, points).ravel(), np.multiply.outer(weights, masses).ravel()


def year_noise(used: pd.DataFrame, model: DurationModel, limit: int) -> float:
    """Spread of a council's own years around its mean, on the scale of the shift."""
    used = used[used["denominator"] >= 100].dropna(subset=["value"])
    shift = used["value"].map(lambda v: shift_for(model, limit, v / 100))
    apart = shift - shift.groupby(used["council_code"]).transform("mean")
    count = shift.groupby(used["council_code"]).transform("size")
    scaled = (apart * np.sqrt(count / (count - 1)))[count > 1]
    # Median absolute deviation: a council under reform is no ordinary year.
    return round(float(1.4826 * scaled.abs().median()), 3)


def council_constants(
    councils: pd.DataFrame, england: pd.DataFrame, local: pd.DataFrame, shifts: dict[str, pd.Series]
) -> pd.DataFrame:
    """Collect the constants of every council."""
    out = councils.set_index("council_code")[["dfe_number", "council_name"]].sort_values(
        "dfe_number"
    )
    referrals = yearly(local, "referral_rate", "numerator")
    level = {y: figure(england, "referral_rate", y, "numerator") for y in STAGE_YEARS}
    mean_level = np.mean(list(level.values()))
    relative = referrals.div(pd.Series(level), axis=1)
    out["referrals"] = (relative.mean(axis=1) * mean_level).reindex(out.index)
    out["basis"] = np.where(out["referrals"].isna(), "population", "published")
    out["referrals"] = out["referrals"].fillna(by_population(out.index, england)).round(1)
    for stage, (indicator, column) in STAGES.items():
        growth = stage_growth(england, stage)
        counts = yearly(local, indicator, column)
        share = counts.div(referrals).div(pd.Series(growth), axis=1).median(axis=1)
        national = stage_share(england, stage)
        out[stage] = share.reindex(out.index).fillna(national).clip(national / 5, 3 * national)
        # Medians of ratios do not add up to England's: scale to its total.
        factor = national * out["referrals"].sum() / (out[stage] * out["referrals"]).sum()
        out[stage] = (out[stage] * factor).round(4)
    out["rereferral"] = pooled(local, england, "rereferral_12m_pct").reindex(out.index)
    out["repeat_plan"] = pooled(local, england, "repeat_plan_pct").reindex(out.index)
    for name in ("rereferral", "repeat_plan"):
        out[name] = out[name].fillna(out[name].median()).round(4)
    for clock, found in shifts.items():
        out[f"{clock}_shift"] = found.reindex(out.index).fillna(0.0).round(3)
    out["single"] = single_share(local).reindex(out.index).fillna(0.0).round(3)
    return out.reset_index()[COUNCIL_COLUMNS]


def yearly(local: pd.DataFrame, indicator: str, column: str) -> pd.DataFrame:
    """Spread an indicator's counts over years; zeros are false and left out."""
    used = local[(local["indicator"] == indicator) & local["year_ending"].isin(STAGE_YEARS)]
    wide = used.pivot(index="council_code", columns="year_ending", values=column)
    return wide.where(wide > 0)


def stage_share(england: pd.DataFrame, stage: str) -> float:
    """Share of England's referrals that reach a stage."""
    indicator, column = STAGES[stage]
    return float(
        sum(figure(england, indicator, y, column) for y in STAGE_YEARS)
        / sum(figure(england, "referral_rate", y, "numerator") for y in STAGE_YEARS)
    )


def stage_growth(england: pd.DataFrame, stage: str) -> dict[int, float]:
    """Share of referrals that reach a stage, by year over the mean of the years."""
    indicator, column = STAGES[stage]
    return {
        year: round(
            figure(england, indicator, year, column)
            / figure(england, "referral_rate", year, "numerator")
            / stage_share(england, stage),
            4,
        )
        for year in STAGE_YEARS
    }


def pooled(local: pd.DataFrame, england: pd.DataFrame, indicator: str) -> pd.Series:
    """Pool a share over the years; ten cases' worth of England's share steady small councils."""
    used = local[(local["indicator"] == indicator) & local["year_ending"].isin(STAGE_YEARS)]
    sums = used.dropna(subset=["numerator", "denominator"]).groupby("council_code")
    sums = sums[["numerator", "denominator"]].sum()
    national = figure(england, indicator, 2012, "value") / 100
    return (sums["numerator"] + 10 * national) / (sums["denominator"] + 10)


def by_population(codes: pd.Index, england: pd.DataFrame) -> pd.Series:
    """Give councils without a figure England's rate of referrals."""
    people = pd.read_csv(ROOT / "data" / "reference" / "populations.csv")
    people = people[(people["year_ending"] == 2012) & people["council_code"].isin(codes)]
    rate = figure(england, "referral_rate", 2012, "numerator") / people["population_0_17"].sum()
    return people.set_index("council_code")["population_0_17"] * rate


def single_share(local: pd.DataFrame) -> pd.Series:
    """Share of a council's assessments of 2013-14 that are single assessments."""
    rows = local[local["year_ending"] == 2014]
    counts = {
        name: rows[rows["indicator"] == key].set_index("council_code")["denominator"]
        for name, key in (("single", "sa_within_45wd_pct"), ("two", "ia_within_10wd_pct"))
    }
    single, two = counts["single"].fillna(0), counts["two"].fillna(0)
    return (single / (single + two)).where(single + two > 0)


def month_shares(source: Path) -> dict[int, float]:
    """Share of a year's referrals in each calendar month."""
    rows = pd.read_csv(source / MONTHS_FILE)
    rows = rows[(rows["geographic_level"] == "National") & rows["time_period"].isin(MONTH_YEARS)]
    totals = rows[MONTH_NAMES].astype(float).sum()
    return {m: round(float(totals[n] / totals.sum()), 5) for m, n in enumerate(MONTH_NAMES, 1)}


def write_councils(out: pd.DataFrame, target: Path) -> None:
    """Write the constants by council."""
    head = (
        "# Constants of the simulator by council, made by tools/derive_calibration.py from DfE's\n"
        "# children-in-need tables OSR28/2010, OSR26/2011, SFR27/2012, SFR45/2013, SFR43/2014\n"
        "# (Crown copyright, Open Government Licence v3.0). referrals: mean year 2010-2013; basis\n"
        "# population: no figure is published, England's rate is used. See docs/simulator.md.\n"
    )
    path = target / "calibration_councils.csv"
    path.write_text(head + out.to_csv(index=False, lineterminator="\n"), encoding="utf-8")


def write_constants(
    england: pd.DataFrame,
    models: dict[str, DurationModel],
    noise: dict[str, float],
    months: dict[int, float],
    target: Path,
) -> None:
    """Write the national constants."""
    level = {y: figure(england, "referral_rate", y, "numerator") for y in (*STAGE_YEARS, 2014)}
    mean_level = np.mean([level[y] for y in STAGE_YEARS])
    no_action = figure(england, "referral_nfa_pct", 2012, "value") / 100
    lines = [
        "# Constants of the simulator, made by tools/derive_calibration.py. Do not edit by hand.",
        "# Sources: DfE's children-in-need tables OSR28/2010, OSR26/2011, SFR27/2012, SFR45/2013,",
        "# SFR43/2014 (England's row), and Children in need, 2022 release, referrals by month of",
        "# 2013 to 2019. Crown copyright, Open Government Licence v3.0. What is assumed says so.",
        "",
        "[years]  # referrals of the year over the mean of 2010-2013; 2009 taken as 2010",
        *(f"{y} = {level[max(y, 2010)] / mean_level:.4f}" for y in range(2009, 2015)),
        "",
        "[months]  # share of a year's referrals, 2013-2019",
        *(f"{m} = {share}" for m, share in months.items()),
    ]
    for stage in STAGES:
        growth = stage_growth(england, stage)
        lines += ["", f"[years_{stage}]  # share of referrals, over the mean of 2010-2013"]
        lines += [f"{y} = {growth[min(max(y, 2010), 2013)]}" for y in range(2009, 2015)]
    lines += [
        "",
        "[returns]  # no_action: SFR27/2012; second_year (back after 12-24 months): assumed",
        f"no_action = {no_action:.4f}",
        "second_year = 0.07",
        "",
        "[year_noise]  # spread of a council's years in log duration; persistence: assumed",
        "persistence = 0.5",
        *(f"{clock} = {value}" for clock, value in noise.items()),
        "core_group = 0.1  # assumed",
    ]
    for clock, model in models.items():
        year = CLOCKS[clock][3]
        lines += ["", f"[durations.{clock}]  # fitted to England's bands of {year}"]
        lines += [f"{name} = {getattr(model, name)}" for name in DurationModel.__slots__]
    fixed = (ROOT / "tools" / "calibration_fixed.toml").read_text(encoding="utf-8")
    text = "\n".join(lines) + "\n\n" + fixed
    (target / "calibration.toml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    default = os.environ.get("PILOT_EVAL_SOURCE_DATA", ROOT.parent / "shared" / "data")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else default))
