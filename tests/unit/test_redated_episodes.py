"""Which episode of a later return stands for one that it no longer has, case by case."""

from __future__ import annotations

import pytest

from pilot_eval.records.read import read_census
from pilot_eval.records.validation import validate_census

HEAD = (
    "<Message><Header><CollectionDetails><Collection>CIN</Collection><Year>{0}</Year>"
    "<ReferenceDate>{0}-03-31</ReferenceDate></CollectionDetails><Source><LEA>330</LEA></Source>"
    "</Header><Children><Child><ChildIdentifiers><LAchildID>C1</LAchildID><PersonBirthDate>"
    "2005-01-04</PersonBirthDate></ChildIdentifiers>{1}</Child></Children></Message>"
)
TAGS = {
    "a": "<Assessments><AssessmentActualStartDate>{}</AssessmentActualStartDate>"
    "<AssessmentAuthorisationDate>{}</AssessmentAuthorisationDate></Assessments>",
    "s": "<Section47><S47ActualStartDate>{}</S47ActualStartDate>"
    "<DateOfInitialCPC>{}</DateOfInitialCPC></Section47>",
    "p": "<ChildProtectionPlans><CPPstartDate>{}</CPPstartDate><CPPendDate>{}</CPPendDate>"
    "<Reviews><CPPreviewDate>2013-09-02</CPPreviewDate></Reviews></ChildProtectionPlans>",
}


def write(folder, year, *episodes):
    """Write a return: each episode as its date, its end, and what is in it: kind, start, end."""
    text = ""
    for referred, closed, *inside in episodes:
        text += f"<CINdetails><CINreferralDate>{referred}</CINreferralDate>"
        text += f"<CINclosureDate>{closed}</CINclosureDate>" * bool(closed)
        text += "".join(TAGS[kind].format(start, end) for kind, start, end in inside)
        text += "</CINdetails>"
    (folder / f"{year}.xml").write_text(
        HEAD.format(year, text).replace("<CPPendDate></CPPendDate>", "")
    )


def results(folder):
    result = validate_census(read_census(folder))
    counts = result.issues.groupby(["rule", "table"]).size()
    days = result.accepted.referrals.set_index("referral_id")["referral_date"].astype("str")
    work = {
        name: sorted(
            (days[row["referral_id"]], str(row[day])[:10])
            for _, row in getattr(result.accepted, name).iterrows()
        )
        for name, day in (("assessments", "start_date"), ("plans", "plan_start_date"))
    }
    return sorted(days), work, counts


DONE = ("a", "2013-06-04", "2013-06-20")


@pytest.mark.parametrize(
    ("episodes", "taken_by"),
    [
        ([("2013-06-10", "")], "2013-06-10"),
        ([("2013-05-01", "2013-05-20"), ("2013-06-10", "")], "2013-06-10"),  # one had ended
        ([("2013-04-02", ""), ("2013-06-10", "2014-05-01")], "2013-04-02"),  # two open: one episode
        ([("2013-06-01", "2014-05-01"), ("2014-06-05", "")], "2013-06-01"),  # one began later
        ([("2014-04-02", "")], ""),  # all began after the end of the year: the case is gone
    ],
)
def test_the_episode_that_was_open_then_and_is_nearest_takes_what_had_ended(
    tmp_path, episodes, taken_by
):
    write(tmp_path, 2014, ("2013-06-03", "", DONE))
    write(tmp_path, 2015, *episodes)
    days, work, counts = results(tmp_path)
    assert "2013-06-03" not in days
    assert work["assessments"] == ([(taken_by, "2013-06-04")] if taken_by else [])
    rule = "redated_in_later_return" if taken_by else "not_in_later_return"
    assert counts[rule, "referrals"] == 1
    moved = counts.get(("moved_to_redated_episode", "assessments"), 0)
    assert moved == bool(taken_by)
    assert counts.get(("not_in_later_return", "assessments"), 0) == 1 - moved


def test_what_the_later_return_has_too_or_leaves_open_is_not_moved(tmp_path):
    open_one = ("a", "2014-03-03", "")
    write(tmp_path, 2014, ("2013-06-03", "", DONE, ("a", "2013-10-01", "2013-10-21")))
    write(tmp_path, 2015, ("2013-06-02", "", DONE))
    _, work, counts = results(tmp_path)
    assert work["assessments"] == [("2013-06-02", "2013-06-04"), ("2013-06-02", "2013-10-01")]
    assert counts["not_in_later_return", "assessments"] == 1
    assert counts["moved_to_redated_episode", "assessments"] == 1
    text = (tmp_path / "2014.xml").read_text()
    (tmp_path / "2014.xml").write_text(
        text.replace("</CINdetails>", TAGS["a"].format(*open_one[1:]) + "</CINdetails>").replace(
            "<AssessmentAuthorisationDate></AssessmentAuthorisationDate>", ""
        )
    )
    _, again, counts = results(tmp_path)
    assert again == work
    assert counts["not_in_later_return", "assessments"] == 2


def test_conferences_and_plans_that_had_ended_go_with_the_episode(tmp_path):
    enquiry, plan = ("s", "2013-06-10", "2013-06-28"), ("p", "2013-06-28", "2014-02-03")
    write(tmp_path, 2014, ("2013-06-03", "", enquiry, plan))
    write(tmp_path, 2015, ("2013-06-02", ""))
    _, work, counts = results(tmp_path)
    assert work["plans"] == [("2013-06-02", "2013-06-28")]
    for table in ("section47s", "conferences", "plans"):
        assert counts["moved_to_redated_episode", table] == 1
    accepted = validate_census(read_census(tmp_path)).accepted
    assert len(accepted.reviews) == len(accepted.conferences) == len(accepted.section47s) == 1


def test_work_that_ended_before_the_new_date_is_set_aside_and_counted(tmp_path):
    write(tmp_path, 2014, ("2013-06-03", "", DONE))
    write(tmp_path, 2015, ("2013-07-01", ""))
    days, work, counts = results(tmp_path)
    assert (days, work["assessments"]) == (["2013-07-01"], [])
    assert counts["ended_before_referral", "assessments"] == 1
