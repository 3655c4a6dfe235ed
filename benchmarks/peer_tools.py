"""Every tool's call for each task of the fair table, run in the tool's own environment.

``python peer_tools.py TOOL WORLD.npz`` prints its version as JSON, then answers each line of its
input, the name of a task, with seconds, processor seconds and the numbers found.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd

GROUP_TIME = "Group-time effects"
IMPUTATION = "Imputation"
SUN_ABRAHAM = "Sun-Abraham"
BACON = "Goodman-Bacon decomposition"
POOLED = "Two-way fixed effects"
SYNTHETIC = "Synthetic DiD with placebos"
WILD = "Wild bootstrap, restricted"
RITEST = "Randomization inference, difference of means"
CR2 = "CR2 with degrees of freedom"
CR3 = "CR3"
EFFECT_SE, EFFECT, P_VALUE = "effect, standard error", "effect", "p-value"

Numbers = tuple[float, ...]
Call = Callable[["World"], Numbers]
TASKS: dict[str, dict[tuple[str, str, str], Call]] = {}


class World:
    """A long panel with staggered starts, and one change a unit with a common start."""

    def __init__(self, path: str) -> None:
        self.__dict__.update(np.load(path))
        units, periods = self.y.shape
        unit, time_ = np.divmod(np.arange(units * periods), periods)
        start = self.start[unit]
        self.panel = pd.DataFrame({"unit": unit, "time": time_, "g": start, "y": self.y.ravel()})
        self.panel["D"] = ((start > 0) & (time_ >= start)).astype(float)
        self.early = self.panel[np.isin(start, (0, self.first))].reset_index(drop=True)
        self.early["treated"] = (self.early["g"] > 0).astype(int)
        self.changes = pd.DataFrame(
            {"change": self.change, "treated": self.treated.astype(float), "unit": range(units)}
        )
        self.two = pd.DataFrame(
            {
                "unit": np.repeat(np.arange(units), 2),
                "post": np.tile([0, 1], units),
                "treated": np.repeat(self.treated.astype(int), 2),
                "y": np.column_stack([np.zeros(units), self.change]).ravel(),
            }
        )

    def wide(self, panel: pd.DataFrame | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Pivot the long panel: figures, and first treated period or missing."""
        panel = self.panel if panel is None else panel
        y = panel.pivot(index="unit", columns="time", values="y")
        first = panel.groupby("unit")["g"].first().replace(0, np.nan)
        return y.to_numpy(), first.to_numpy(float)


def task(tool: str, title: str, gives: str, option: str = "") -> Callable[[Call], Call]:
    """Register a call: what it gives, and the option it is called with."""

    def register(call: Call) -> Call:
        TASKS.setdefault(tool, {})[title, gives, option] = call
        return call

    return register


# Ours


@task("pilot-eval", GROUP_TIME, EFFECT_SE)
def our_group_time(world: World) -> Numbers:
    from pilot_eval.estimation.group_time import estimate_group_time
    from pilot_eval.estimation.group_time_aggregates import aggregate_group_time

    found = aggregate_group_time(estimate_group_time(*world.wide(), influence=True))
    return found.overall, found.overall_std_error


@task("pilot-eval", IMPUTATION, EFFECT)
def our_imputation(world: World) -> Numbers:
    from pilot_eval.estimation.imputation import estimate_imputation

    return (estimate_imputation(*world.wide()).att,)


@task("pilot-eval", SUN_ABRAHAM, EFFECT)
def our_sun_abraham(world: World) -> Numbers:
    from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
    from pilot_eval.estimation.sun_abraham import estimate_sun_abraham

    return (aggregate_group_time(estimate_sun_abraham(*world.wide())).overall,)


@task("pilot-eval", BACON, EFFECT)
def our_bacon(world: World) -> Numbers:
    from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon

    found = decompose_goodman_bacon(*world.wide())
    return (float(found["weight"] @ found["estimate"]),)


@task("pilot-eval", POOLED, EFFECT)
def our_pooled(world: World) -> Numbers:
    from pilot_eval.estimation.two_way import estimate_twfe

    y, first = world.wide()
    return (estimate_twfe(y, (np.arange(y.shape[1]) >= first[:, None]).astype(float)),)


def our_synthetic(world: World, solver: str) -> Numbers:
    from pilot_eval.estimation.synthetic_did import placebo_synthetic_did

    y, first = world.wide(world.early)
    found = placebo_synthetic_did(
        y, np.isfinite(first), int(world.first), draws=int(world.placebos), seed=1, solver=solver
    )
    return found.att, found.std_error


@task("pilot-eval", SYNTHETIC, EFFECT_SE, "published algorithm")
def our_synthetic_published(world: World) -> Numbers:
    return our_synthetic(world, "frank_wolfe")


@task("pilot-eval", SYNTHETIC, EFFECT_SE, "exact optimum")
def our_synthetic_exact(world: World) -> Numbers:
    return our_synthetic(world, "exact")


def our_test(world: World, name: str, **options: object) -> Numbers:
    from pilot_eval import inference

    given = world.changes
    found = getattr(inference, name)(
        given["change"].to_numpy(), given["treated"].to_numpy() > 0, **options
    )
    return (found.p_value,)


@task("pilot-eval", WILD, P_VALUE)
def our_wild(world: World) -> Numbers:
    return our_test(world, "wild_bootstrap_test", draws=int(world.draws), seed=1)


@task("pilot-eval", RITEST, P_VALUE)
def our_ritest(world: World) -> Numbers:
    draws = int(world.draws)
    return our_test(world, "randomisation_test", statistic="difference", draws=draws, seed=1)


@task("pilot-eval", CR2, P_VALUE)
def our_cr2(world: World) -> Numbers:
    return our_test(world, "cr2_test")


@task("pilot-eval", CR3, P_VALUE)
def our_cr3(world: World) -> Numbers:
    return our_test(world, "cr3_test")


# diff-diff, with its compiled part


@task("diff-diff", GROUP_TIME, EFFECT_SE)
def diff_diff_group_time(world: World) -> Numbers:
    import diff_diff as dd

    found = dd.CallawaySantAnna(estimation_method="reg", base_period="universal").fit(
        world.panel, outcome="y", unit="unit", time="time", first_treat="g"
    )
    return found.overall_att, found.overall_se


@task("diff-diff", IMPUTATION, EFFECT_SE)
def diff_diff_imputation(world: World) -> Numbers:
    import diff_diff as dd

    found = dd.ImputationDiD().fit(
        world.panel, outcome="y", unit="unit", time="time", first_treat="g"
    )
    return found.overall_att, found.overall_se


@task("diff-diff", SUN_ABRAHAM, EFFECT_SE)
def diff_diff_sun_abraham(world: World) -> Numbers:
    import diff_diff as dd

    found = dd.SunAbraham().fit(world.panel, outcome="y", unit="unit", time="time", first_treat="g")
    return found.overall_att, found.overall_se


@task("diff-diff", BACON, EFFECT)
def diff_diff_bacon(world: World) -> Numbers:
    import diff_diff as dd

    found = dd.BaconDecomposition().fit(
        world.panel, outcome="y", unit="unit", time="time", first_treat="g"
    )
    return (found.twfe_estimate,)


@task("diff-diff", SYNTHETIC, EFFECT_SE)
def diff_diff_synthetic(world: World) -> Numbers:
    import diff_diff as dd

    found = dd.SyntheticDiD(variance_method="placebo", n_bootstrap=int(world.placebos), seed=1).fit(
        world.early,
        outcome="y",
        treatment="treated",
        unit="unit",
        time="time",
        post_periods=list(range(int(world.first), world.y.shape[1])),
    )
    return found.att, found.se


@task("diff-diff", WILD, P_VALUE)
def diff_diff_wild(world: World) -> Numbers:
    import diff_diff as dd

    change = world.change
    design = np.column_stack([np.ones(len(change)), world.treated])
    residual = change - design @ np.linalg.lstsq(design, change, rcond=None)[0]
    found = dd.wild_bootstrap_se(
        design, change, residual, np.arange(len(change)), 1, n_bootstrap=int(world.draws), seed=1
    )
    return (found.p_value,)


@task("diff-diff", RITEST, P_VALUE)
def diff_diff_permutation(world: World) -> Numbers:
    import diff_diff as dd

    found = dd.permutation_test(
        world.two,
        "y",
        "treated",
        post="post",
        unit="unit",
        n_permutations=int(world.draws),
        seed=1,
    )
    return (found.p_value,)


@task("diff-diff", CR2, P_VALUE)
def diff_diff_cr2(world: World) -> Numbers:
    import diff_diff as dd

    found = dd.DifferenceInDifferences(vcov_type="hc2_bm", cluster="unit").fit(
        world.two, outcome="y", treatment="treated", time="post"
    )
    return (found.p_value,)


# csdid, moderndid, panelkit


@task("csdid", GROUP_TIME, EFFECT_SE)
def csdid_group_time(world: World) -> Numbers:
    from csdid.att_gt import ATTgt

    found = ATTgt(
        yname="y",
        tname="time",
        idname="unit",
        gname="g",
        data=world.panel.assign(g=world.panel["g"] * 1.0),
    ).fit(est_method="reg", base_period="universal", bstrap=False)
    found.aggte(typec="simple", bstrap=False)
    return float(found.atte["overall_att"]), float(np.ravel(found.atte["overall_se"])[0])


@task("moderndid", GROUP_TIME, EFFECT_SE)
def moderndid_group_time(world: World) -> Numbers:
    import moderndid as md

    given = world.panel.assign(g=world.panel["g"] * 1.0)
    names = {"yname": "y", "tname": "time", "idname": "unit", "gname": "g"}
    fit = md.att_gt(given, **names, est_method="reg", base_period="universal", boot=False)
    found = md.aggte(fit, type="simple", boot=False)
    return float(found.overall_att), float(found.overall_se)


def panelkit_input(world: World) -> tuple[np.ndarray, list[int | None]]:
    y, first = world.wide()
    return np.ascontiguousarray(y), [None if np.isnan(s) else int(s) for s in first]


@task("panelkit", GROUP_TIME, EFFECT_SE)
def panelkit_group_time(world: World) -> Numbers:
    import panelkit

    found = panelkit.CallawaySantAnna().fit(*panelkit_input(world))
    return found.att, found.se


@task("panelkit", SUN_ABRAHAM, EFFECT_SE)
def panelkit_sun_abraham(world: World) -> Numbers:
    import panelkit

    found = panelkit.SunAbraham().fit(*panelkit_input(world))
    return found.att, found.se


@task("panelkit", BACON, EFFECT)
def panelkit_bacon(world: World) -> Numbers:
    import panelkit

    return (panelkit.GoodmanBacon().fit(*panelkit_input(world)).twfe,)


@task("panelkit", POOLED, EFFECT_SE)
def panelkit_pooled(world: World) -> Numbers:
    import panelkit

    found = panelkit.TWFE().fit(*panelkit_input(world))
    return found.att, found.se


@task("panelkit", SYNTHETIC, EFFECT_SE, "one placebo for each comparator")
def panelkit_synthetic(world: World) -> Numbers:
    import panelkit

    y, first = world.wide(world.early)
    treated = [int(i) for i in np.flatnonzero(np.isfinite(first))]
    found = panelkit.SyntheticDiD(inference="placebo").fit(
        np.ascontiguousarray(y), treated, int(world.first)
    )
    return found.att, float("nan") if found.se is None else found.se


# linearmodels, pyfixest with numba, wildboottest, ritest-python, lwdid


@task("linearmodels", POOLED, EFFECT_SE, "clustered by unit")
def linearmodels_pooled(world: World) -> Numbers:
    import linearmodels

    given = world.panel.set_index(["unit", "time"])
    found = linearmodels.PanelOLS(
        given["y"], given[["D"]], entity_effects=True, time_effects=True
    ).fit(cov_type="clustered", cluster_entity=True)
    return float(found.params["D"]), float(found.std_errors["D"])


@task("pyfixest", POOLED, EFFECT_SE, "clustered by unit")
def pyfixest_pooled(world: World) -> Numbers:
    import pyfixest as pf

    found = pf.feols("y ~ D | unit + time", world.panel, vcov={"CRV1": "unit"})
    return float(found.coef()["D"]), float(found.se()["D"])


@task("pyfixest", IMPUTATION, EFFECT_SE, "did2s")
def pyfixest_imputation(world: World) -> Numbers:
    import pyfixest as pf

    found = pf.did2s(
        world.panel,
        yname="y",
        first_stage="~ 0 | unit + time",
        second_stage="~ D",
        treatment="D",
        cluster="unit",
    )
    return float(found.coef()["D"]), float(found.se()["D"])


@task("pyfixest", SUN_ABRAHAM, EFFECT_SE, "saturated")
def pyfixest_sun_abraham(world: World) -> Numbers:
    import pyfixest as pf

    found = pf.event_study(
        world.panel,
        yname="y",
        idname="unit",
        tname="time",
        gname="g",
        estimator="saturated",
        att=True,
    ).aggregate()
    after = found[found.index.astype(float) >= 0]
    return (float(after["Estimate"].mean()), float("nan"))


def changes_fit(world: World, vcov: str | dict[str, str]) -> object:
    import pyfixest as pf

    return pf.feols("change ~ treated", world.changes, vcov=vcov)


@task("pyfixest", WILD, P_VALUE)
def pyfixest_wild(world: World) -> Numbers:
    found = changes_fit(world, {"CRV1": "unit"}).wildboottest(
        param="treated", reps=int(world.draws), seed=1, parallel=False
    )
    return (float(found["Pr(>|t|)"]),)


@task("pyfixest", RITEST, P_VALUE, "numba")
def pyfixest_ritest(world: World) -> Numbers:
    found = changes_fit(world, "hetero").ritest(
        "treated", reps=int(world.draws), rng=np.random.default_rng(1)
    )
    return (float(found["Pr(>|t|)"]),)


@task("pyfixest", CR3, P_VALUE)
def pyfixest_cr3(world: World) -> Numbers:
    return (float(changes_fit(world, {"CRV3": "unit"}).pvalue()["treated"]),)


@task("wildboottest", WILD, P_VALUE, "numba")
def wildboottest_wild(world: World) -> Numbers:
    import statsmodels.api as sm
    from wildboottest.wildboottest import wildboottest

    model = sm.OLS(world.changes["change"], sm.add_constant(world.changes[["treated"]]))
    found = wildboottest(
        model,
        B=int(world.draws),
        cluster=world.changes["unit"],
        param="treated",
        parallel=False,
        show=False,
    )
    return (float(found["p-value"].iloc[0]),)


@task("ritest-python", RITEST, P_VALUE)
def ritest_ritest(world: World) -> Numbers:
    from ritest import ritest

    found = ritest(
        df=world.changes,
        permute_var="treated",
        formula="change ~ treated",
        stat="treated",
        reps=int(world.draws),
        ci_mode="none",
        n_jobs=1,
        seed=1,
    )
    return (found.pval,)


@task("lwdid", RITEST, P_VALUE, "permutation")
def lwdid_ritest(world: World) -> Numbers:
    from lwdid import lwdid

    found = lwdid(
        world.two.rename(columns={"post": "period"}).assign(post=world.two["post"]),
        y="y",
        d="treated",
        ivar="unit",
        tvar="period",
        post="post",
        rolling="demean",
        ri=True,
        ri_method="permutation",
        rireps=int(world.draws),
        seed=1,
    )
    return (float(found.ri_pvalue),)


def main() -> None:
    """Answer tasks by name until the input ends."""
    tool, path = sys.argv[1:]
    warnings.simplefilter("ignore")
    if tool == "pilot-eval":
        import pilot_eval

        number = pilot_eval.__version__  # a checkout is not always installed
    else:
        number = version(tool)
    world = World(path)
    names = {" / ".join(key): call for key, call in TASKS[tool].items()}
    print(json.dumps({"version": number}), flush=True)
    for line in sys.stdin:
        quiet = io.StringIO()
        began, began_cpu = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            try:
                numbers, fault = names[line.rstrip("\n")](world), ""
            except Exception as caught:  # said on the page, whatever it is
                numbers, fault = (), f"{type(caught).__name__}: {caught}"[:200]
        spent = time.perf_counter() - began, time.process_time() - began_cpu
        answer = {"spent": spent, "numbers": [float(n) for n in numbers], "fault": fault}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
