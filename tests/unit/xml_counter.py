"""A second counter of the returns: the XML files read and counted in plain Python.

Nothing of the package is used, neither its readers nor its calendar: elements by
`xml.etree`, bank holidays by the package `holidays`, one child and one day at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import holidays

ASSESSED = {  # element: type, tag of its start, tag of its end
    "Assessments": ("sa", "AssessmentActualStartDate", "AssessmentAuthorisationDate"),
    "InventedInitialAssessment": ("ia", "InventedInitialStart", "InventedInitialEnd"),
    "InventedCoreAssessment": ("ca", "InventedCoreStart", "InventedCoreEnd"),
}
LIMITS = {"sa": 45, "ia": 10, "ca": 35}
ENGLAND = holidays.country_holidays("GB", subdiv="ENG", years=range(2000, 2021))
WORKING = [
    day
    for day in (date(2000, 1, 1) + timedelta(days=number) for number in range(7000))
    if day.weekday() < 5 and day not in ENGLAND
]


def working_days(start: date, end: date) -> int:
    """Count the working days after `start` up to `end`."""
    return bisect_right(WORKING, end) - bisect_right(WORKING, start)


def months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise ValueError(day)


def day_of(element: ElementTree.Element, tag: str) -> date | None:
    text = element.findtext(tag)
    return date.fromisoformat(text) if text else None


def last_sent(folder: Path) -> dict[tuple[str, str], ElementTree.Element]:
    """Read the files; of several of a council and year the last sent."""
    found: dict[tuple[str, str], tuple[tuple[str, int], ElementTree.Element]] = {}
    for path in folder.rglob("*.xml"):
        root = ElementTree.parse(path).getroot()
        head = {element.tag: element.text or "" for element in root.find("Header").iter()}
        order = (head["DateTime"], int(head["SerialNo"]))
        key = (head["LEA"], head["Year"])
        if key not in found or order > found[key][0]:
            found[key] = (order, root)
    return {key: root for key, (_, root) in found.items()}


def gather(folder: Path) -> dict[tuple[str, str], dict]:
    """Put the returns of all years together by child: what a later one says stands."""
    children: dict[tuple[str, str], dict] = {}
    for (council, _), root in sorted(last_sent(folder).items()):
        for element in root.find("Children"):
            name = element.findtext("ChildIdentifiers/LAchildID")
            child = children.setdefault((council, name), {"episodes": {}, "plans": {}})
            child["sex"] = element.findtext("ChildIdentifiers/GenderCurrent")
            child["born"] = day_of(element, "ChildIdentifiers/PersonBirthDate") or day_of(
                element, "ChildIdentifiers/ExpectedPersonBirthDate"
            )
            for details in element.iter("CINdetails"):
                take_episode(child, details)
    return children


def take_episode(child: dict, details: ElementTree.Element) -> None:
    referred = day_of(details, "CINreferralDate")
    episode = child["episodes"].setdefault(
        referred, {"assessed": {}, "enquiries": {}, "conferences": set()}
    )
    episode["closed"] = day_of(details, "CINclosureDate")
    episode["need"] = details.findtext("PrimaryNeedCode")
    held = [day_of(details, "DateOfInitialCPC")]
    for tag, (kind, start, end) in ASSESSED.items():
        for one in details.iter(tag):
            episode["assessed"][kind, day_of(one, start)] = day_of(one, end)
    for one in details.iter("Section47"):
        conference = day_of(one, "DateOfInitialCPC")
        episode["enquiries"][day_of(one, "S47ActualStartDate")] = conference
        held.append(conference)
    episode["conferences"] |= {day for day in held if day}
    for one in details.iter("ChildProtectionPlans"):
        child["plans"][day_of(one, "CPPstartDate")] = (
            referred,
            day_of(one, "CPPendDate"),
            int(one.findtext("NumberOfPreviousCPP")),
        )


def list_cases(child: dict) -> list[tuple[str, date, bool, date]]:
    """List what is counted of a child: indicator, day, hit, and the referral it belongs to."""
    cases = []
    for referred, episode in child["episodes"].items():
        again = any(
            earlier < referred <= months_later(earlier, 12)
            or (earlier < referred and earlier >= months_later(referred, -12))
            for earlier in child["episodes"]
        )
        cases += [("referral_rate", referred, True, referred)]
        cases += [("rereferral_12m_pct", referred, again, referred)]
        for kind, limit in LIMITS.items():
            starts = sorted(start for one, start in episode["assessed"] if one == kind)
            for number, start in enumerate(starts):
                end = episode["assessed"][kind, start]
                begun = referred if number == 0 and kind != "ca" else start
                if end:
                    hit = working_days(begun, end) <= limit
                    cases.append((f"{kind}_within_{limit}wd_pct", end, hit, referred))
        for start, held in episode["enquiries"].items():
            cases.append(("s47_rate", start, True, referred))
            if held:
                hit = working_days(start, held) <= 15
                cases.append(("icpc_within_15wd_pct", held, hit, referred))
        cases += [("icpc_rate", day, True, referred) for day in episode["conferences"]]
    for start, (referred, end, before) in child["plans"].items():
        cases.append(("repeat_plan_pct", start, before > 0, referred))
        if end:
            cases.append(("plan_ended_2y_pct", end, end >= months_later(start, 24), referred))
    return cases


def group_of(child: dict, referred: date, by: str) -> str:
    if by == "sex":
        return {"1": "male", "2": "female"}.get(child["sex"], "unknown")
    if by == "need":
        return child["episodes"][referred]["need"] or "unknown"
    born = child["born"]
    if by != "age" or born is None:
        return "unknown" if by == "age" else ""
    if referred < born:
        return "unborn"
    years = referred.year - born.year - ((referred.month, referred.day) < (born.month, born.day))
    ages = (("under 1", 0), ("1 to 4", 4), ("5 to 9", 9), ("10 to 15", 15))
    return next((name for name, oldest in ages if years <= oldest), "16 and over")


def period_of(day: date, frequency: str) -> str:
    if frequency == "quarter":
        return f"{day.year}Q{(day.month + 2) // 3}"
    return str(day.year + (day.month > 3)) if frequency == "year" else f"{day:%Y-%m}"


def count_cases(
    folder: Path, frequency: str, by: str, first: date, last: date
) -> dict[tuple[str, ...], tuple[int, int]]:
    """Count hits and cases by council (DfE number), group, period and indicator."""
    hits, cases = Counter(), Counter()
    for (council, _), child in gather(folder).items():
        for indicator, day, hit, referred in list_cases(child):
            if first <= day <= last:
                group = group_of(child, referred, by)
                key = (council, group, period_of(day, frequency), indicator)
                cases[key] += 1
                hits[key] += hit
    return {key: (hits[key], cases[key]) for key in cases}


def count_open(folder: Path, days: list[date]) -> dict[tuple[str, date, str], int]:
    """Count episodes and plans open on days."""
    open_then = Counter()
    for (council, _), child in gather(folder).items():
        spans = [("cin_rate", one, it["closed"]) for one, it in child["episodes"].items()]
        spans += [("cpp_rate", start, end) for start, (_, end, _) in child["plans"].items()]
        for indicator, start, end in spans:
            for day in days:
                if start <= day and (end is None or end > day):
                    open_then[council, day, indicator] += 1
    return open_then
