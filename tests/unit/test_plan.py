"""The plan refuses what cannot be right, all faults at once."""

import shutil

import pytest
from project_folder import ROOT

import pilot_eval as pe
from pilot_eval.errors import PlanError
from pilot_eval.plan_clusters import find_clusters

BI_BOROUGH = {"councils": ["Westminster", "Kensington and Chelsea"], "began": "2014-04"}


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


def test_hash_changes_with_any_choice_and_only_then(plan):
    assert plan.revise({}).hash == plan.hash
    assert plan.revise({"inference.alpha": 0.05}).hash == plan.hash
    for change in ({"seed": 1}, {"comparators.rule": "same_type"}, {"drop_councils": ["Cumbria"]}):
        assert plan.revise(change).hash != plan.hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"comparators.rle": "all_england"}, "Did you mean 'rule'"),
        ({"inference.alpha": "5e-2"}, "inference.alpha"),
        ({"inference.alpha": float("nan")}, "inference.alpha"),
        ({"windows.main.pre": [2012, 2011]}, "periods must rise"),
        ({"windows.main.post": [2011]}, "every pre before every post"),
        ({"windows.main.pre": [2010, 2012], "windows.main.post": [2013]}, "after the start"),
        ({"outcomes.cin_rate.window": "mian"}, "names no window"),
        ({"outcomes.repeat_plan_pct.margin": -1.0}, "greater than 0"),
        ({"outcomes.repeat_plan_pct.margin_reason": None}, "go together"),
        ({"scenarios.announced.months_exposed": [12]}, "equally long"),
        ({"comparators.exclude": ["Gateshead"]}, "treated in scenario announced"),
        ({"clusters.another": ["Westminster"]}, "the same council at the same time"),
        ({"clusters.another": ["Leeds", "Leeds"]}, "names a council twice"),
        ({"clusters.Tri-borough.requirements": ["icpc"]}, "has the requirement icpc"),
        ({"clusters.Tri-borough.ended": "2010"}, "ended lies before began"),
    ],
)
def test_a_fault_is_refused_in_plain_words(plan, change, words):
    with pytest.raises(PlanError, match=words):
        plan.revise(change)


@pytest.mark.parametrize(
    ("changes", "requirement", "periods", "one"),
    [
        ({}, "icpc_15wd", [2012, 2013], True),
        ({"began": "2013-06"}, "icpc_15wd", [2012, 2013], False),
        ({"began": "2013-03"}, "icpc_15wd", [2012, 2013], True),
        ({"began": "2010", "ended": "2011-03"}, "icpc_15wd", [2012], False),
        ({"began": "2010", "ended": "2011-04"}, "icpc_15wd", ["2011Q2"], True),
        ({"requirements": ["single_45wd"]}, "icpc_15wd", [2012], False),
        ({"requirements": ["single_45wd"]}, None, [2012], True),
    ],
)
def test_a_cluster_is_one_unit_for_its_requirements_in_its_time(
    plan, changes, requirement, periods, one
):
    changed = plan.revise({f"clusters.Tri-borough.{key}": value for key, value in changes.items()})
    found = find_clusters(changed.clusters, requirement, periods)
    councils = plan.clusters["Tri-borough"].councils if one else ()
    assert found == dict.fromkeys(councils, "Tri-borough")


def test_two_managements_may_follow_each_other(plan):
    changed = plan.revise({"clusters.Tri-borough.ended": "2014-03", "clusters.next": BI_BOROUGH})
    assert find_clusters(changed.clusters, None, [2013])["Westminster"] == "Tri-borough"
    assert find_clusters(changed.clusters, None, [2015])["Westminster"] == "next"
    assert "Hammersmith and Fulham" not in find_clusters(changed.clusters, None, [2015])


def test_every_fault_is_listed_at_once(plan):
    with pytest.raises(PlanError) as caught:
        plan.revise({"sede": 1, "inference.draws": 3, "windows.main.pre": [2013]})
    assert "3 faults" in str(caught.value)
    assert all(word in str(caught.value) for word in ("sede", "draws", "windows.main"))


@pytest.mark.parametrize(
    ("text", "words"), [("title = ", "valid UTF-8 TOML"), ("", "windows"), (None, "plan.toml")]
)
def test_a_file_that_is_no_plan(tmp_path, text, words):
    folder = tmp_path / "Plan für morgen"
    folder.mkdir()
    shutil.copyfile(ROOT / "pilots" / "timescales-2011" / "texts.toml", folder / "texts.toml")
    if text is not None:
        (folder / "plan.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=words):
        pe.load_plan(folder)


def test_a_plan_file_of_version_0_1_is_refused_with_the_command_that_converts_it():
    with pytest.raises(PlanError, match=r"pilot-eval init NAME --from mine\.toml"):
        pe.load_plan("mine.toml")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("register.csv", "2011-03,", "March 2011,", "register.csv, row 2, column granted"),
        ("register.csv", "E10000006", "E99999999", r"E99999999 \(Cumbria\) is the code of no unit"),
        ("register.csv", ",Cumbria,", ",Leeds,", "E10000006 is Cumbria, and Leeds is E08000035"),
        ("breaks.csv", ",2011,", ",eleven,", "breaks.csv, row 2, column first_year_after"),
        ("events.csv", "sourced", "hearsay", "column evidence_grade"),
        ("plan.toml", 'title = "', 'events = []\ntitle = "', "remove the key"),
    ],
)
def test_a_fault_in_the_folder_names_file_row_and_column(tmp_path, file, old, new, words):
    folder = shutil.copytree(ROOT / "pilots" / "timescales-2011", tmp_path / "mine")
    text = (folder / file).read_text(encoding="utf-8")
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PlanError, match=words):
        pe.load_plan(folder)


@pytest.mark.parametrize(
    "file", ["register.csv", "events.csv", "breaks.csv", "plan.toml", "texts.toml"]
)
def test_every_file_of_the_folder_changes_the_hash(plan, tmp_path, file):
    folder = shutil.copytree(ROOT / "pilots" / "timescales-2011", tmp_path / plan.pilot)
    assert pe.load_plan(folder).hash == plan.hash
    text = (folder / file).read_text(encoding="utf-8")
    old = {"plan.toml": "Timescale", "texts.toml": "Cumbria"}.get(file, "the")
    changed = text.replace(old, "Other", 1)
    (folder / file).write_text(changed, encoding="utf-8")
    assert pe.load_plan(folder).hash != plan.hash


def test_names_that_the_data_do_not_have_are_listed_at_once(plan):
    changes = {
        "scenarios.announced.councils": [
            "Cumbra",
            "Knowsley",
            "Westminster",
            "Hackney",
            "Gateshead",
        ],
        "drop_councils": ["Atlantis"],
        "outcomes.made_up_pct": plan.outcomes["repeat_plan_pct"].model_dump(),
        "windows.main.post": [2012, 2049],
    }
    with pytest.raises(PlanError) as caught:
        pe.build_panel(pe.load_published(), plan.revise(changes))
    for words in ("did you mean 'Cumbria'", "Atlantis", "made_up_pct", "2049"):
        assert words in str(caught.value)
