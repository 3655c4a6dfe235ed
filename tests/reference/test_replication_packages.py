"""Agreement with other packages where they compute the same thing (cross-check extra only).

docs/methods-estimators.md, blocks TWFE, GB, GT, IMP, SA, SDID.
"""

import numpy as np
import pytest
from replication_data import read_mpdta, to_wide

from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import KINDS, aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.sun_abraham import estimate_sun_abraham
from pilot_eval.estimation.synthetic_did import estimate_synthetic_did
from pilot_eval.estimation.two_way import estimate_twfe

pytestmark = pytest.mark.filterwarnings("ignore")  # the packages warn about their own defaults
TOLERANCE = 1e-8
EXTRA = "needs the cross-check extra"
CONTROL = {"never": "never_treated", "not_yet": "not_yet_treated"}


@pytest.fixture(scope="module")
def counties():
    return read_mpdta()


@pytest.fixture(scope="module")
def with_gaps(counties):
    return counties.sample(frac=0.9, random_state=3)


@pytest.mark.parametrize("control", CONTROL)
@pytest.mark.parametrize("base", ["universal", "varying"])
def test_group_time_against_diff_diff(counties, control, base):
    dd = pytest.importorskip("diff_diff", reason=EXTRA)
    outcomes, first, years = to_wide(counties)
    ours = estimate_group_time(outcomes, first, years, control=control, base=base, influence=True)
    theirs = dd.CallawaySantAnna(
        control_group=CONTROL[control], base_period=base, estimation_method="reg"
    ).fit(counties, outcome="y", unit="unit", time="time", first_treat="g")
    starts, columns = ours.panel.start_periods.tolist(), years.tolist()
    for (g, t), effect in theirs.group_time_effects.items():
        found = ours.att_gt[starts.index(g), columns.index(t)]
        assert found == pytest.approx(effect["effect"], abs=TOLERANCE)
    simple = aggregate_group_time(ours)
    assert simple.overall == pytest.approx(theirs.overall_att, abs=TOLERANCE)
    assert simple.overall_std_error == pytest.approx(theirs.overall_se, abs=TOLERANCE)


@pytest.mark.parametrize("control", CONTROL)
def test_aggregates_and_influence_against_csdid(counties, control, capsys):
    att_gt = pytest.importorskip("csdid.att_gt", reason=EXTRA)
    effects = estimate_group_time(*to_wide(counties), control=control, influence=True)
    theirs = att_gt.ATTgt(
        yname="y",
        tname="time",
        idname="unit",
        gname="g",
        data=counties.assign(g=counties["g"].astype(float)),
        control_group={"never": "nevertreated", "not_yet": "notyettreated"}[control],
    ).fit(est_method="reg", base_period="universal", bstrap=False)
    for kind in KINDS:
        ours = aggregate_group_time(effects, kind)
        theirs.aggte(typec=kind, bstrap=False, cband=False)
        overall, error = (np.ravel(theirs.atte[key])[0] for key in ("overall_att", "overall_se"))
        assert ours.overall == pytest.approx(float(overall), abs=TOLERANCE)
        assert ours.overall_std_error == pytest.approx(float(error), abs=TOLERANCE)
    capsys.readouterr()


@pytest.mark.parametrize("panel", ["counties", "with_gaps"])
def test_imputation_against_diff_diff(panel, request):
    dd = pytest.importorskip("diff_diff", reason=EXTRA)
    data = request.getfixturevalue(panel)
    theirs = dd.ImputationDiD(rank_deficient_action="silent").fit(
        data, outcome="y", unit="unit", time="time", first_treat="g"
    )
    assert estimate_imputation(*to_wide(data)).att == pytest.approx(
        theirs.overall_att, abs=TOLERANCE
    )


@pytest.mark.parametrize("panel", ["counties", "with_gaps"])
def test_pooled_coefficient_against_linearmodels_and_pyfixest(panel, request):
    linearmodels = pytest.importorskip("linearmodels", reason="needs linearmodels")
    pyfixest = pytest.importorskip("pyfixest", reason=EXTRA)
    data = request.getfixturevalue(panel)
    data = data.assign(D=((data["g"] > 0) & (data["time"] >= data["g"])).astype(float))
    outcomes, first, years = to_wide(data)
    ours = estimate_twfe(outcomes, (years >= first[:, None]).astype(float))
    index = data.set_index(["unit", "time"])
    model = linearmodels.PanelOLS(index["y"], index[["D"]], entity_effects=True, time_effects=True)
    assert ours == pytest.approx(model.fit().params["D"], abs=TOLERANCE)
    fixed = pyfixest.feols("y ~ D | unit + time", data)
    assert ours == pytest.approx(fixed.coef()["D"], abs=TOLERANCE)


def test_sun_abraham_against_diff_diff(counties):
    dd = pytest.importorskip("diff_diff", reason=EXTRA)
    theirs = dd.SunAbraham().fit(counties, outcome="y", unit="unit", time="time", first_treat="g")
    ours = estimate_sun_abraham(*to_wide(counties))
    dynamic = aggregate_group_time(ours, "dynamic")
    for time, effect in theirs.event_study_effects.items():
        found = dynamic.estimates[dynamic.labels == time]
        assert found == pytest.approx(effect["effect"], abs=TOLERANCE)
    assert aggregate_group_time(ours).overall == pytest.approx(theirs.overall_att, abs=TOLERANCE)


def test_sun_abraham_with_gaps_against_pyfixest(with_gaps):
    pyfixest = pytest.importorskip("pyfixest", reason=EXTRA)
    ours = estimate_sun_abraham(*to_wide(with_gaps))
    data = with_gaps.copy()
    names = {}
    for g, start in enumerate(ours.panel.start_periods):
        for t, year in enumerate(ours.panel.periods):
            if year != start - 1:
                name = f"d{start}_{year}"
                data[name] = ((data["g"] == start) & (data["time"] == year)).astype(float)
                names[name] = ours.att_gt[g, t]
    theirs = pyfixest.feols(f"y ~ {' + '.join(names)} | unit + time", data).coef()
    for name, value in names.items():
        assert value == pytest.approx(theirs[name], abs=TOLERANCE)


def test_goodman_bacon_against_diff_diff(counties):
    dd = pytest.importorskip("diff_diff", reason=EXTRA)
    theirs = dd.BaconDecomposition().fit(
        counties, outcome="y", unit="unit", time="time", first_treat="g"
    )
    ours = decompose_goodman_bacon(*to_wide(counties)).fillna(0)
    ours = ours.set_index(["treated_from", "comparator_from"])
    assert len(theirs.comparisons) == len(ours)
    for row in theirs.comparisons:
        rival = 0 if row.control_group == "never_treated" else row.control_group
        found = ours.loc[(row.treated_group, rival)]
        assert found["estimate"] == pytest.approx(row.estimate, abs=TOLERANCE)
        assert found["weight"] == pytest.approx(row.weight, abs=TOLERANCE)


def test_imputation_against_two_stage_of_pyfixest():
    pyfixest = pytest.importorskip("pyfixest", reason=EXTRA)
    data = simulate_two_waves(n_units=80, n_periods=20, seed=1)
    data["D"] = ((data["g"] > 0) & (data["time"] >= data["g"])).astype(float)
    theirs = pyfixest.did2s(
        data,
        yname="y",
        first_stage="~ 0 | unit + time",
        second_stage="~ D",
        treatment="D",
        cluster="unit",
    )
    ours = estimate_imputation(*to_wide(data)).att
    assert ours == pytest.approx(float(theirs.coef().iloc[0]), abs=TOLERANCE)


def test_synthetic_did_against_diff_diff():
    dd = pytest.importorskip("diff_diff", reason=EXTRA)
    data = simulate_two_waves(n_units=40, n_periods=20, seed=2)
    data = data[data["g"] != 16].assign(treat=lambda d: (d["g"] == 10).astype(int))
    theirs = dd.SyntheticDiD(variance_method="placebo", n_bootstrap=20, seed=1).fit(
        data,
        outcome="y",
        treatment="treat",
        unit="unit",
        time="time",
        post_periods=list(range(10, 20)),
    )
    outcomes, first, _ = to_wide(data)
    ours = estimate_synthetic_did(outcomes, np.isfinite(first), 10, solver="frank_wolfe")
    assert ours.att == pytest.approx(theirs.att, abs=TOLERANCE)


def simulate_two_waves(n_units: int, n_periods: int, seed: int):
    import pandas as pd

    rng = np.random.default_rng(seed)
    unit, time = np.divmod(np.arange(n_units * n_periods), n_periods)
    g = np.where(unit < 4, 10, np.where(unit < 8, 16, 0))
    y = rng.normal(size=n_units)[unit] + rng.normal(size=n_periods)[time]
    y = y + rng.normal(size=len(unit)) + 0.2 * ((g > 0) & (time >= g)) * (time - g + 1)
    return pd.DataFrame({"unit": unit, "time": time, "g": g, "y": y})
