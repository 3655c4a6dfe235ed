"""The plan refuses what cannot be right, all faults at once."""

import pytest

import pilot_eval as pe
from pilot_eval.errors import PlanError


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
        ({"windows.main.pre": [2012, 2011]}, "years must rise"),
        ({"windows.main.post": [2011]}, "every pre before every post"),
        ({"windows.main.pre": [2010, 2012], "windows.main.post": [2013]}, "after the start"),
        ({"outcomes.cin_rate.window": "mian"}, "names no window"),
        ({"outcomes.repeat_plan_pct.margin": -1.0}, "greater than 0"),
        ({"outcomes.repeat_plan_pct.margin_reason": None}, "go together"),
        ({"scenarios.announced.months_exposed": [12]}, "equally long"),
        ({"comparators.exclude": ["Gateshead"]}, "treated in scenario announced"),
        ({"clusters.another": ["Westminster"]}, "Westminster twice"),
    ],
)
def test_a_fault_is_refused_in_plain_words(plan, change, words):
    with pytest.raises(PlanError, match=words):
        plan.revise(change)


def test_every_fault_is_listed_at_once(plan):
    with pytest.raises(PlanError) as caught:
        plan.revise({"sede": 1, "inference.draws": 3, "windows.main.pre": [2013]})
    assert "3 faults" in str(caught.value)
    assert all(word in str(caught.value) for word in ("sede", "draws", "windows.main"))


@pytest.mark.parametrize(
    ("text", "words"), [("title = ", "valid UTF-8 TOML"), ("", "windows"), (None, "readable file")]
)
def test_a_file_that_is_no_plan(tmp_path, text, words):
    path = tmp_path / "Plan für morgen.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=words):
        pe.load_plan(path)


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
        "windows.main.post": [2012, 2019],
    }
    with pytest.raises(PlanError) as caught:
        pe.build_panel(pe.load_published(), plan.revise(changes))
    for words in ("did you mean 'Cumbria'", "Atlantis", "made_up_pct", "2019"):
        assert words in str(caught.value)
