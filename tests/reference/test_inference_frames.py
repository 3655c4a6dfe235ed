"""One-line estimators on long tables against the packages that people would use instead.

docs/methods-estimators.md, blocks TWFE, ES, GT, IMP, SDID; docs/methods-inference.md.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from replication_data import read_mpdta

import pilot_eval as pe
from pilot_eval.errors import DataError, DesignError, ParameterError
from pilot_eval.estimation.did import collapse_changes
from pilot_eval.frames.long_frame import read_long
from pilot_eval.inference.robust import robust_test

TOLERANCE = 1e-8
EXTRA = "needs the cross-check extra"
COLUMNS = {"outcome": "y", "unit": "unit", "period": "time", "start": "g"}
QUICK = {"draws": 99}


def by_peer():
    return pytest.mark.filterwarnings("ignore")  # the packages warn about their own defaults


@pytest.fixture(scope="module")
def counties():
    data = read_mpdta()
    data["g"] = data["g"].where(data["g"] > 0)
    rng = np.random.default_rng(2)
    data["x"] = rng.normal(size=len(data)) + 0.3 * data["y"]
    data["lpop"] = rng.normal(size=data["unit"].nunique())[data["unit"].factorize()[0]]
    return data


@pytest.fixture(scope="module")
def one_start(counties):
    return counties[counties["g"].isna() | (counties["g"] == 2006)]


@pytest.fixture(params=["complete", "gaps"])
def panel(request, one_start):
    return one_start if request.param == "complete" else one_start.sample(frac=0.9, random_state=3)


@by_peer()
@pytest.mark.parametrize("covariates", [None, "x + np.square(x)"])
def test_difference_in_differences_is_linearmodels(panel, covariates):
    from linearmodels.panel import PanelOLS

    data = panel.assign(d=(panel["time"] >= panel["g"]).astype(float), x2=panel["x"] ** 2)
    names = ["d"] if covariates is None else ["d", "x", "x2"]
    data = data.set_index(["unit", "time"])
    theirs = PanelOLS(data["y"], data[names], entity_effects=True, time_effects=True).fit(
        cov_type="clustered", cluster_entity=True
    )
    ours = pe.difference_in_differences(panel, **COLUMNS, **QUICK, covariates=covariates)
    assert ours.estimate == pytest.approx(theirs.params["d"], abs=TOLERANCE)
    assert ours.std_errors["effect"] == pytest.approx(theirs.std_errors["d"], abs=TOLERANCE)
    assert ours.pvalues["effect"] == pytest.approx(theirs.pvalues["d"], abs=TOLERANCE)
    interval = theirs.conf_int().loc["d"].to_numpy()
    assert ours.conf_int().to_numpy()[0] == pytest.approx(interval, abs=TOLERANCE)


@by_peer()
@pytest.mark.parametrize("covariates", [None, "x"])
def test_event_study_is_linearmodels(one_start, covariates):
    from linearmodels.panel import PanelOLS

    data = one_start.assign(event=(one_start["time"] - one_start["g"]))
    names = [] if covariates is None else ["x"]
    for time in sorted(set(data["event"].dropna()) - {-1}):
        data[f"e{time:g}"] = (data["event"] == time).astype(float)
        names.append(f"e{time:g}")
    data = data.set_index(["unit", "time"])
    model = PanelOLS(data["y"], data[names], entity_effects=True, time_effects=True)
    theirs = model.fit(cov_type="unadjusted").params
    ours = pe.event_study(one_start, **COLUMNS, **QUICK, covariates=covariates)
    assert ours.params[-1] == 0
    for time, estimate in ours.params.drop(-1).items():
        assert estimate == pytest.approx(theirs[f"e{time:g}"], abs=TOLERANCE)


@by_peer()
@pytest.mark.parametrize("aggregate", ["simple", "dynamic", "group"])
@pytest.mark.parametrize("covariates", [None, "lpop"])
def test_group_time_is_csdid(counties, aggregate, covariates, capsys):
    att_gt = pytest.importorskip("csdid.att_gt", reason=EXTRA)
    theirs = att_gt.ATTgt(
        yname="y",
        tname="time",
        idname="unit",
        gname="g",
        data=counties.assign(g=counties["g"].fillna(0)),
        control_group="nevertreated",
        xformla=None if covariates is None else f"y ~ {covariates}",
    ).fit(est_method="reg", base_period="universal", bstrap=False)
    theirs.aggte(typec=aggregate, bstrap=False, cband=False)
    ours = pe.group_time(counties, **COLUMNS, **QUICK, covariates=covariates, aggregate=aggregate)
    key = "overall_{}" if aggregate == "simple" else "{}_egt"
    estimates, errors = (
        np.ravel(theirs.atte[key.format(name)]).astype(float) for name in ("att", "se")
    )
    assert ours.params.to_numpy() == pytest.approx(estimates, abs=TOLERANCE)
    found = ours.std_errors.to_numpy()
    known = np.isfinite(errors) & np.isfinite(found)
    assert known.sum() >= len(errors) - (aggregate == "dynamic")  # the reference has none
    assert found[known] == pytest.approx(errors[known], abs=TOLERANCE)
    capsys.readouterr()


@by_peer()
def test_event_study_with_several_starts_has_csdids_dynamic_effects_and_errors(counties):
    study = pe.event_study(counties, **COLUMNS, **QUICK)
    dynamic = pe.group_time(counties, **COLUMNS, **QUICK, aggregate="dynamic")
    assert study.params.to_numpy() == pytest.approx(dynamic.params.to_numpy(), abs=TOLERANCE)
    ours, theirs = study.std_errors.drop(-1), dynamic.std_errors.drop(-1)
    assert ours.to_numpy() == pytest.approx(theirs.to_numpy(), abs=TOLERANCE)


@by_peer()
@pytest.mark.parametrize("covariates", [None, "x"])
def test_imputation_is_diff_diff(counties, covariates):
    dd = pytest.importorskip("diff_diff", reason=EXTRA)
    theirs = dd.ImputationDiD(rank_deficient_action="silent").fit(
        counties.assign(g=counties["g"].fillna(0)),
        outcome="y",
        unit="unit",
        time="time",
        first_treat="g",
        covariates=None if covariates is None else [covariates],
    )
    ours = pe.imputation(counties, **COLUMNS, **QUICK, covariates=covariates)
    assert ours.estimate == pytest.approx(theirs.overall_att, abs=TOLERANCE)


@by_peer()
def test_synthetic_did_is_diff_diff(one_start):
    dd = pytest.importorskip("diff_diff", reason=EXTRA)
    units = one_start["unit"].unique()[::6]
    data = one_start[one_start["unit"].isin(units)]
    theirs = dd.SyntheticDiD(n_bootstrap=2).fit(
        data.assign(d=data["g"].notna().astype(int)),
        outcome="y",
        treatment="d",
        unit="unit",
        time="time",
        post_periods=[2006, 2007],
    )
    ours = pe.synthetic_did(data, **COLUMNS, draws=3, solver="frank_wolfe")
    assert ours.estimate == pytest.approx(theirs.att, abs=TOLERANCE)


@pytest.mark.parametrize("name", ["difference_in_differences", "group_time", "imputation"])
@pytest.mark.parametrize("starts", ["one", "several"])
def test_the_test_for_few_treated_is_of_the_estimate_beside_it(counties, one_start, name, starts):
    data = one_start if starts == "one" else counties
    result = getattr(pe, name)(data, **COLUMNS, **QUICK)
    [few] = result.few_treated
    assert few.estimate == pytest.approx(result.estimate, abs=TOLERANCE)
    assert few.conf_low <= result.estimate <= few.conf_high
    assert 0 < few.p_value <= 1


def test_the_robust_test_is_that_of_arrays(panel):
    few = pe.robust_test(panel, **COLUMNS, **QUICK).few_treated[0]
    read = read_long(panel, **COLUMNS)
    seen = np.isfinite(read.panel.outcomes)
    kept = seen[:, :3].any(axis=1) & seen[:, 3:].any(axis=1)
    units = collapse_changes(read.panel.outcomes[kept], read.panel.treated[kept], 3)
    plain = robust_test(
        units.change, units.treated, units.cases, seed=1, period_factor=units.period_factor, **QUICK
    )
    assert (few.p_value, few.conf_low) == (plain.p_value, plain.conf_low)


def test_results_show_themselves(one_start):
    result = pe.event_study(one_start, **COLUMNS, **QUICK)
    assert f"{result.params[0]:.3g}" in result.summary()
    assert result._repr_html_().startswith("<table>")
    assert len(result.plot().axes) == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: d.rename(columns={"y": "outcome_y"}), ParameterError, "outcome_y"),
        (lambda d: pd.concat([d, d[:1]]), DataError, "occur once"),
        (lambda d: d.assign(y=d["y"].astype(str)), DataError, "be numbers"),
        (lambda d: d.assign(g=d["time"]), DataError, "one for each unit"),
        (lambda d: d.assign(g=2005.5), DataError, "one of the periods"),
        (lambda d: d.assign(g=np.nan), DesignError, "nobody treated"),
        (lambda d: d.assign(g=2003), DesignError, "before its start"),
        (lambda d: d.assign(y=np.inf), DataError, "infinite"),
    ],
)
def test_a_table_that_cannot_be_compared_is_refused(one_start, change, error, message):
    with pytest.raises(error, match=message):
        pe.imputation(change(one_start), **COLUMNS, **QUICK)


def test_covariates_that_cannot_be_used_are_refused(one_start):
    with pytest.raises(DesignError, match="lpop"):
        pe.difference_in_differences(one_start, **COLUMNS, **QUICK, covariates="lpop")
    same = one_start.assign(z=(one_start["time"] >= one_start["g"]).astype(float))
    with pytest.raises(DesignError, match="treatment, z"):
        pe.difference_in_differences(same, **COLUMNS, **QUICK, covariates="z")
    with pytest.raises(ParameterError, match="Did you mean 'lpop'"):
        pe.imputation(one_start, **COLUMNS, **QUICK, covariates="x + lppop")
    wrong = [("x", np.nan), ("x", np.inf), ("y ~ x", 1.0), ("x +", 1.0), ("os.getcwd(", 1.0)]
    for formula, value in wrong:
        with pytest.raises(DataError, match="covariates"):
            pe.imputation(one_start.assign(x=value), **COLUMNS, **QUICK, covariates=formula)


@pytest.mark.parametrize("name", ["difference_in_differences", "group_time", "synthetic_did"])
def test_what_is_refused_is_named_as_the_caller_named_it(one_start, name):
    """Not by the names of the arrays behind: `first_treated`, `outcomes`, `n_pre`."""
    with pytest.raises(DesignError, match=r"`start` must .* before its start") as refused:
        getattr(pe, name)(one_start.assign(g=2003), **COLUMNS, **QUICK)
    assert "first_treated" not in str(refused.value)
