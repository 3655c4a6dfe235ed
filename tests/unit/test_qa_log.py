"""The quality assurance log rates what a run shows, and leaves to people what only they know."""

import hashlib
import json
import shutil

import pandas as pd
import pytest

from pilot_eval.errors import RunError
from pilot_eval.plan import load_plan
from pilot_eval.project import find_root
from pilot_eval.reporting.qa_checks import CHECKS, FinishedRun
from pilot_eval.reporting.qa_log import (
    OPEN,
    RATINGS,
    read_template,
    read_test_results,
    write_qa_log,
)

ROOT = find_root()
PLAN = load_plan()
ITEM = "Nothing dropped in silence"
TEST = (
    "tests/unit/test_evaluation.py::"
    "test_every_outcome_under_every_scenario_has_an_estimate_or_a_reason"
)


def write_run(folder, **changes):
    """Write the smallest run that answers every check."""
    folder.mkdir(exist_ok=True)
    rows = [
        {"scenario": scenario, "outcome": outcome, "estimate_low": 1.0, "reason": "", "mde": 2.0}
        | {"fragile": False, "plan_hash": PLAN.hash}
        for scenario, outcome in PLAN.comparisons
    ]
    evidence = pd.DataFrame(rows).assign(**changes.get("evidence", {}))
    evidence.to_csv(folder / "evidence.csv", index=False)
    (folder / "dropped.csv").write_text("council_code,reason\n")
    manifest = {
        "code": {"commit": "0" * 40},
        "finished": "2026-01-31T12:00:00+00:00",
        "notebooks": [{"name": "02_delay", "error": ""}],
        "outputs": {"evidence.csv": hash_of(folder / "evidence.csv")},
        "data": {"data/README.md": hash_of(ROOT / "data/README.md")},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes.get("manifest", {})))
    return folder


def hash_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_run(folder):
    return FinishedRun(
        folder=folder,
        root=ROOT,
        plan=PLAN,
        manifest=json.loads((folder / "manifest.json").read_text(encoding="utf-8")),
        evidence=pd.read_csv(folder / "evidence.csv"),
    )


def read_log(folder, **options):
    write_qa_log(read_run(folder), **options)
    return pd.read_csv(folder / "qa_log.csv", keep_default_na=False).set_index("item")


def write_results(path, *cases):
    """Write test results as pytest does: (file::test, passed)."""
    body = ""
    for name, outcome in cases:
        file, _, test = name.partition("::")
        inside = "" if outcome == "passed" else f"<{outcome}/>"
        module = file.removesuffix(".py").replace("/", ".")
        body += f'<testcase classname="{module}" name="{test}">{inside}</testcase>'
    path.write_text(f"<testsuites><testsuite>{body}</testsuite></testsuites>")
    return path


def test_every_item_has_a_known_area_and_evidence_that_exists():
    template = read_template()
    assert len(template["areas"]) == 5
    assert {item["area"] for item in template["items"]} == set(template["areas"])
    missing = []
    for item in [*template["items"], *template["rap"]]:
        for entry in item["evidence"]:
            kind, _, name = entry.partition(":")
            file, _, test = name.partition("::")
            if kind == "check":
                there = name in CHECKS
            elif kind == "test":
                there = f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")
            else:
                there = kind in ("person", "run", "assumptions") or (ROOT / name).is_file()
            missing += [] if there else [entry]
    assert missing == []


def test_items_for_people_are_left_to_them_with_who_and_when(tmp_path):
    log = read_log(write_run(tmp_path / "run"))
    left = log[log["rating"] == "to be assessed"]
    assert {"Roles", "Sign-off", "Code review", "Practice"} <= set(left.index)
    assert (left["assessor"] != "automatic").all()
    assert (left["when"] == "before publication").all()
    done = log[log["rating"] != "to be assessed"]
    assert set(done["assessor"]) == {"automatic"}
    assert set(done["when"]) == {"with this run"}


def test_a_test_counts_fully_only_when_its_result_is_known(tmp_path):
    run = write_run(tmp_path / "run")
    assert read_log(run).loc[ITEM, "rating"] == "partly met"
    for outcome, rating in (("passed", "met"), ("failure", "not met"), ("skipped", "partly met")):
        results = write_results(tmp_path / "results.xml", (TEST, "passed"), (TEST, outcome))
        expected = "met" if outcome == "skipped" else rating
        assert read_log(run, test_results=results).loc[ITEM, "rating"] == expected
    assert read_test_results(write_results(tmp_path / "r.xml", (TEST, "skipped"))) == {}


@pytest.mark.parametrize(
    ("item", "changes"),
    [
        ("Analysis plan", {"evidence": {"plan_hash": "another"}}),
        ("Version control", {"manifest": {"code": {"commit": "0 with uncommitted changes"}}}),
        ("Run complete", {"manifest": {"notebooks": [{"name": "02_delay", "error": "x"}]}}),
        ("Outputs as recorded", {"manifest": {"outputs": {"evidence.csv": "0"}}}),
        ("Data as recorded", {"manifest": {"data": {"data/README.md": "0"}}}),
        ("Data as recorded", {"manifest": {"data": {"gone.csv": "0"}}}),
        (ITEM, {"evidence": {"estimate_low": None, "reason": None}}),
        ("Power stated first", {"evidence": {"mde": None, "reason": None}}),
        ("Suppression and conclusions", {"evidence": {"fragile": None}}),
    ],
)
def test_a_check_that_fails_is_not_met(tmp_path, item, changes):
    assert read_log(write_run(tmp_path / "good")).loc[item, "rating"] != "not met"
    assert read_log(write_run(tmp_path / "bad", **changes)).loc[item, "rating"] == "not met"


def test_the_release_check_of_the_run_is_evidence(tmp_path):
    run = write_run(tmp_path / "run")
    header = "file,what,population,strand,threshold,rounding\n"
    names = ("evidence.csv", "dropped.csv", "manifest.json")
    rows = "".join(f"{name},results,152 councils,census,5,10\n" for name in names)
    (run / "outputs.csv").write_text(header + rows)
    assert "4 pass, 0 review, 0 fail" in read_log(run).loc["Disclosure", "evidence"]
    (run / "dropped.csv").write_text("council_name,children\nCumbria,3\n")
    assert read_log(run).loc["Disclosure", "rating"] == "not met"


def test_assumptions_are_rated_and_linked_to_the_plan_of_this_run(tmp_path):
    run = write_run(tmp_path / "run")
    write_qa_log(read_run(run))
    table = pd.read_csv(run / "qa_log_assumptions.csv", dtype=str, keep_default_na=False)
    assert list(table["no"]) == [str(n) for n in range(1, len(table) + 1)]
    assert len(table) >= 20
    assert table["quality"].str.match("high|medium|low|a choice").all()
    assert table["impact"].str.match("high|medium|low").all()
    assert (table["probed_by"] != "").all()
    rule = table.set_index("plan_key").loc["comparators.rule", "plan_value"]
    assert set(rule) == {PLAN.comparators.rule}


def test_the_log_is_the_same_twice_and_its_page_says_what_it_holds(tmp_path):
    page = write_qa_log(read_run(write_run(tmp_path / "run")))
    files = sorted((tmp_path / "run").glob("qa_log*.csv"))
    before = [path.read_bytes() for path in files]
    shutil.rmtree(tmp_path / "run")
    later = {"finished": "2031-01-31T12:00:00+00:00"}
    assert write_qa_log(read_run(write_run(tmp_path / "run", manifest=later))) == page
    assert [path.read_bytes() for path in files] == before
    log = pd.read_csv(tmp_path / "run" / "qa_log.csv")
    words = ", ".join(f"{n} {w}" for w in RATINGS if (n := (log["rating"] == w).sum()))
    assert f"Of {len(log)} items: {words}." in page
    assert page.count(OPEN) >= (log["rating"] == OPEN).sum() > 0
    assert page.count("<caption>") == page.count("<table>") == len(read_template()["areas"]) + 2
    assert '<a href="manifest.json">manifest.json</a>' in page


def test_results_that_are_no_xml_are_refused(tmp_path):
    (tmp_path / "results.xml").write_text("3 passed")
    with pytest.raises(RunError, match="--test-results"):
        read_test_results(tmp_path / "results.xml")
