"""Call public tools, and ours, on placebos: the worker of head_to_head.py.

Run: ``python head_to_head_tools.py PLACEBOS.npz TOOL``. It needs the named tool and pandas alone,
so that a tool can have an environment of its own. Prints one row for each call, as CSV.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from math import erfc, sqrt
from types import ModuleType

import numpy as np
import pandas as pd

ALPHA, DRAWS, SEED = 0.05, 999, 1
NORMAL = 1.959963984540054
TWO_WAY = "y ~ treat + C(unit) + C(period)"
Answer = tuple[float, float, float, float]
"""Estimate, p-value, ends of the interval; NaN where a tool gives none."""


class Tool:
    """A tool's calls by the name of the option, each with the number of sets it is tried on."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.calls: dict[str, tuple[Callable[[pd.DataFrame], Answer], int, bool]] = {}

    def option(
        self, name: str, sets: int, *, again: bool = False
    ) -> Callable[[Callable], Callable]:
        """Register a call; slow ones are tried on fewer sets, `again` with the effect."""

        def register(call: Callable[[pd.DataFrame], Answer]) -> Callable:
            self.calls[name] = call, sets, again
            return call

        return register


MANY, FEW, FEWEST = 150, 30, 6
TOOLS = {
    name: Tool(name)
    for name in (
        *("pilot-eval", "diff-diff", "csdid", "pyfixest"),
        *("linearmodels", "statsmodels", "lwdid"),
    )
}


def collapse(frame: pd.DataFrame) -> pd.DataFrame:
    """Change of each council: mean after minus mean before, with its level before."""
    means = frame.pivot_table(index="unit", columns="post", values="y")
    units = frame.groupby("unit")[["treated", "cases"]].first()
    return units.assign(change=means[1] - means[0], level=means[0]).reset_index()


def read_fit(fit: object, name: str) -> Answer:
    """Answer of a statsmodels or linearmodels result."""
    ends = fit.conf_int().loc[name]
    p_values = fit.pvalues
    return fit.params[name], p_values[name], ends.iloc[0], ends.iloc[1]


def panel_ols(frame: pd.DataFrame, **options: object) -> Answer:
    import linearmodels

    formula = "y ~ treat + EntityEffects + TimeEffects"
    model = linearmodels.PanelOLS.from_formula(formula, data=frame.set_index(["unit", "period"]))
    return read_fit(model.fit(**options), "treat")


@TOOLS["linearmodels"].option("PanelOLS, default", FEW)
def linearmodels_default(frame: pd.DataFrame) -> Answer:
    return panel_ols(frame)


@TOOLS["linearmodels"].option("PanelOLS, clustered by council", FEW)
def linearmodels_clustered(frame: pd.DataFrame) -> Answer:
    return panel_ols(frame, cov_type="clustered", cluster_entity=True)


def formulas() -> ModuleType:
    import statsmodels.formula.api

    return statsmodels.formula.api


@TOOLS["statsmodels"].option("OLS with dummies, default", FEW)
def statsmodels_default(frame: pd.DataFrame) -> Answer:
    return read_fit(formulas().ols(TWO_WAY, frame).fit(), "treat")


@TOOLS["statsmodels"].option("OLS with dummies, clustered by council", FEW)
def statsmodels_clustered(frame: pd.DataFrame) -> Answer:
    groups = {"groups": frame["unit"]}
    fit = formulas().ols(TWO_WAY, frame).fit(cov_type="cluster", cov_kwds=groups)
    return read_fit(fit, "treat")


@TOOLS["statsmodels"].option("OLS of changes, HC3 and t", MANY)
def statsmodels_hc3(frame: pd.DataFrame) -> Answer:
    fit = formulas().ols("change ~ treated", collapse(frame)).fit(cov_type="HC3", use_t=True)
    return read_fit(fit, "treated")


def feols(frame: pd.DataFrame, formula: str, vcov: str | dict[str, str] | None) -> object:
    import pyfixest

    return pyfixest.feols(formula, data=frame, vcov=vcov)


def read_tidy(fit: object) -> Answer:
    row = fit.tidy().iloc[-1]
    return row["Estimate"], row["Pr(>|t|)"], row["2.5%"], row["97.5%"]


@TOOLS["pyfixest"].option("feols, default (iid)", MANY)
def pyfixest_default(frame: pd.DataFrame) -> Answer:
    return read_tidy(feols(frame, "y ~ treat | unit + period", None))


@TOOLS["pyfixest"].option("feols, CRV1 by council", MANY)
def pyfixest_crv1(frame: pd.DataFrame) -> Answer:
    return read_tidy(feols(frame, "y ~ treat | unit + period", {"CRV1": "unit"}))


@TOOLS["pyfixest"].option("feols of changes, CRV3 by council", MANY)
def pyfixest_crv3(frame: pd.DataFrame) -> Answer:
    return read_tidy(feols(collapse(frame), "change ~ treated", {"CRV3": "unit"}))


@TOOLS["pyfixest"].option(
    "feols of changes, wild cluster bootstrap (wildboottest)", FEWEST, again=True
)
def pyfixest_wild(frame: pd.DataFrame) -> Answer:
    fit = feols(collapse(frame), "change ~ treated", {"CRV1": "unit"})
    found = fit.wildboottest(reps=DRAWS, param="treated", seed=SEED)
    return float(fit.coef()["treated"]), found["Pr(>|t|)"], np.nan, np.nan


@TOOLS["pyfixest"].option("feols of changes, ritest (randomization-c)", MANY, again=True)
def pyfixest_ritest(frame: pd.DataFrame) -> Answer:
    fit = feols(collapse(frame), "change ~ treated", None)
    found = fit.ritest("treated", reps=DRAWS, rng=np.random.default_rng(SEED))
    return found["Estimate"], found["Pr(>|t|)"], np.nan, np.nan


def diff_diff() -> ModuleType:
    import diff_diff

    return diff_diff


def read_att(result: object) -> Answer:
    return result.att, result.p_value, *result.conf_int


def two_by_two(frame: pd.DataFrame, **options: object) -> Answer:
    model = diff_diff().DifferenceInDifferences(**options)
    return read_att(model.fit(frame, outcome="y", treatment="treated", post="post"))


@TOOLS["diff-diff"].option("DifferenceInDifferences, default (HC1)", MANY)
def diff_diff_default(frame: pd.DataFrame) -> Answer:
    return two_by_two(frame)


@TOOLS["diff-diff"].option("DifferenceInDifferences, clustered by council", MANY)
def diff_diff_clustered(frame: pd.DataFrame) -> Answer:
    return two_by_two(frame, cluster="unit")


@TOOLS["diff-diff"].option("DifferenceInDifferences, hc2_bm clustered by council", MANY)
def diff_diff_cr2(frame: pd.DataFrame) -> Answer:
    return two_by_two(frame, cluster="unit", vcov_type="hc2_bm")


@TOOLS["diff-diff"].option("DifferenceInDifferences, wild bootstrap", FEW)
def diff_diff_wild(frame: pd.DataFrame) -> Answer:
    return two_by_two(
        frame, cluster="unit", inference="wild_bootstrap", n_bootstrap=DRAWS, seed=SEED
    )


@TOOLS["diff-diff"].option("CallawaySantAnna, default", MANY)
def diff_diff_group_time(frame: pd.DataFrame) -> Answer:
    model = diff_diff().CallawaySantAnna()
    found = model.fit(frame, outcome="y", unit="unit", time="period", first_treat="first")
    return found.overall_att, found.overall_p_value, *found.overall_conf_int


def rolling(frame: pd.DataFrame, **options: object) -> Answer:
    model = diff_diff().LWDiD(**options)
    return read_att(model.fit(frame, outcome="y", unit="unit", time="period", treatment="treat"))


@TOOLS["diff-diff"].option("LWDiD, default (HC1)", MANY)
def diff_diff_rolling(frame: pd.DataFrame) -> Answer:
    return rolling(frame)


@TOOLS["diff-diff"].option("LWDiD, classical (exact for normal errors)", MANY)
def diff_diff_exact(frame: pd.DataFrame) -> Answer:
    return rolling(frame, vcov_type="classical")


@TOOLS["diff-diff"].option("SyntheticDiD, default (placebo)", FEWEST, again=True)
def diff_diff_synthetic(frame: pd.DataFrame) -> Answer:
    after = sorted(frame.loc[frame["post"] == 1, "period"].unique())
    model = diff_diff().SyntheticDiD(seed=SEED)
    columns = {"outcome": "y", "treatment": "treated", "unit": "unit", "time": "period"}
    return read_att(model.fit(frame, **columns, post_periods=after))


@TOOLS["csdid"].option("ATTgt, default", MANY)
def csdid_default(frame: pd.DataFrame) -> Answer:
    from csdid.att_gt import ATTgt

    names = {"yname": "y", "gname": "first", "idname": "unit", "tname": "period"}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its table
        found = ATTgt(**names, xformla="y~1", data=frame).fit(est_method="dr")
        found.aggte(typec="simple")
    estimate = float(found.atte["overall_att"])
    error = float(np.ravel(found.atte["overall_se"])[0])
    p_value = erfc(abs(estimate) / error / sqrt(2))  # it gives none
    return estimate, p_value, estimate - NORMAL * error, estimate + NORMAL * error


def lee_wooldridge(frame: pd.DataFrame, **options: object) -> object:
    from lwdid import lwdid

    names = {"y": "y", "d": "treated", "ivar": "unit", "tvar": "period", "post": "post"}
    with contextlib.redirect_stdout(io.StringIO()):
        return lwdid(frame, **names, rolling="demean", **options)


@TOOLS["lwdid"].option("demean, default (exact for normal errors)", FEW)
def lwdid_default(frame: pd.DataFrame, **options: object) -> Answer:
    found = lee_wooldridge(frame, **options)
    return found.att, found.pvalue, found.ci_lower, found.ci_upper


@TOOLS["lwdid"].option("demean, HC3", FEW)
def lwdid_hc3(frame: pd.DataFrame) -> Answer:
    return lwdid_default(frame, vce="hc3")


@TOOLS["lwdid"].option("demean, randomization inference", FEW, again=True)
def lwdid_randomised(frame: pd.DataFrame) -> Answer:
    found = lee_wooldridge(frame, ri=True, ri_method="permutation", rireps=DRAWS, seed=SEED)
    return found.att, found.ri_pvalue, np.nan, np.nan


def ours(frame: pd.DataFrame, test: str, *columns: str, **options: object) -> Answer:
    import pilot_eval.inference as inference

    units = collapse(frame)
    values = [units[column].to_numpy() for column in ("change", "treated", *columns)]
    values[1] = values[1] == 1
    found = getattr(inference, test)(*values, **options)
    return found.estimate, found.p_value, found.conf_low, found.conf_high


@TOOLS["pilot-eval"].option("robust", MANY)
def robust(frame: pd.DataFrame) -> Answer:
    return ours(frame, "robust_test", "cases", seed=SEED, draws=DRAWS)


@TOOLS["pilot-eval"].option("adjusted", MANY)
def adjusted(frame: pd.DataFrame) -> Answer:
    return ours(frame, "adjusted_test", "cases", "level", seed=SEED, draws=DRAWS)


@TOOLS["pilot-eval"].option("sharp", MANY)
def sharp(frame: pd.DataFrame) -> Answer:
    return ours(frame, "size_adjusted_test", "cases")


@TOOLS["pilot-eval"].option("CR2", MANY)
def cr2(frame: pd.DataFrame) -> Answer:
    return ours(frame, "cr2_test")


def make_frame(world: dict[str, np.ndarray], members: np.ndarray, effect: float) -> pd.DataFrame:
    """Long table in which the members are treated."""
    n, years = world["y"].shape
    unit, column = np.divmod(np.arange(n * years), years)
    period = world["periods"][column]
    treated = np.isin(unit, members).astype(int)
    post = (period >= world["start"]).astype(int)
    return pd.DataFrame(
        {
            "unit": unit,
            "period": period,
            "y": world["y"].ravel() + effect * treated * post,
            "treated": treated,
            "post": post,
            "treat": treated * post,
            "first": treated * int(world["start"]),
            "cases": world["cases"][unit],
        }
    )


def measure(world: dict[str, np.ndarray], name: str) -> pd.DataFrame:
    """Call every option of a tool on every set.

    The effect is a constant, so the interval with it is the interval moved by it; only what has no
    interval of its test is called with the effect too.
    """
    rows = []
    effect = float(world["effect"])
    for option, (call, sets, again) in TOOLS[name].calls.items():
        members = world["sets"][:sets]
        call(make_frame(world, members[0], 0.0))  # imports and compiles
        for own in members:
            frame = make_frame(world, own, 0.0)
            start = time.perf_counter()
            _, p_value, low, high = call(frame)
            seconds = time.perf_counter() - start
            if again:
                found = call(make_frame(world, own, effect))[1] <= ALPHA
            else:
                found = low + effect > 0 or high + effect < 0
            rows.append((option, p_value <= ALPHA, found, high - low, seconds))
    names = ["option", "false_alarm", "found", "length", "seconds"]
    return pd.DataFrame(rows, columns=names).assign(tool=name, version=version(name))


def main() -> None:
    path, name = sys.argv[1:]
    warnings.simplefilter("ignore")
    with np.load(path) as file:
        world = dict(file)
    measure(world, name).to_csv(sys.stdout, index=False)


if __name__ == "__main__":
    main()
