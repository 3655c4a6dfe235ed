"""Five pilots that never were, each unlike the first in one way: folder and table of each."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PLAN = """\
title = "{title}"
seed = 7
{extra}

[questions]
{questions}

[inference]
alpha = 0.05
draws = 199
power = 0.8

[disclosure]
threshold = 5
rounding = 10

[comparators]
rule = "all_england"
exclude = []
nearest = 10

[calibration]
sets = 20
limit = 0.07
order = ["robust", "cr2"]

[family]
primary_scenario = "{scenario}"
primary_outcomes = ["{primary}"]
reason = "The first outcome is what the pilot set out to change."

[adjustment]
covariates = []
reason = "Nothing is known of them but their level."

{verdict}

[windows.all]
pre = {pre}
post = {post}

{windows}
[clusters]

{scenarios}
{outcomes}
"""
SCENARIO = """\
[scenarios.{key}]
short = "{short}"
label = "{label}"
councils = {councils}
{windows}
"""
OUTCOME = """\
[outcomes.{key}]
label = "{label}"
family = "{family}"
harm = "{harm}"
unit = "{unit}"
window = "all"
{margin}
"""
TEXTS = """\
introduction = "{introduction}"
units = "{units}"
start = {start}
start_name = "{start_name}"
published_on = 2024-05-07

[[limits]]
text = "{limit}"
"""
REGISTER = (
    "council_code,council_name,requirement,freed,announced,granted,started,ended,coverage,"
    "evidence_grade,source,note"
)


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """One pilot: `units` maps code to name; `spells` gives treated units' first and last period."""

    name: str
    title: str
    units: dict[str, str]
    periods: tuple[int | str, ...]
    pre: int
    spells: dict[str, tuple[str, str]]
    scenarios: dict[str, dict[str, object]]
    outcomes: dict[str, dict[str, str]]
    questions: dict[str, str]
    windows: str = ""
    own_units: bool = False
    treated_effect: float = 8.0
    texts: dict[str, str] = field(default_factory=dict)


def write_pilot(pilot: MadeUp, folder: Path, verdict: str) -> Path:
    """Write the folder of a pilot below ``pilots/`` of a project; return its table's path."""
    home = folder / "pilots" / pilot.name
    home.mkdir(parents=True)
    scenarios = "\n".join(
        SCENARIO.format(
            key=key,
            short=item["short"],
            label=item["label"],
            councils=_list([pilot.units[code] for code in item["codes"]]),
            windows=item.get("windows", ""),
        )
        for key, item in pilot.scenarios.items()
    )
    outcomes = "\n".join(OUTCOME.format(key=key, **item) for key, item in pilot.outcomes.items())
    plan = PLAN.format(
        title=pilot.title,
        extra="",
        questions="\n".join(f'{key} = "{text}"' for key, text in pilot.questions.items()),
        scenario=next(iter(pilot.scenarios)),
        primary=next(iter(pilot.outcomes)),
        verdict=verdict,
        pre=_list(pilot.periods[: pilot.pre]),
        post=_list(pilot.periods[pilot.pre :]),
        windows=pilot.windows,
        scenarios=scenarios,
        outcomes=outcomes,
    )
    (home / "plan.toml").write_text(plan, encoding="utf-8")
    units = "teams" if pilot.own_units else "councils"
    texts = {
        "introduction": f"{units.capitalize()} tried a new way of visiting families.",
        "start": "2018-04-01",
        "start_name": "visits begin",
        "limit": "Nobody asked the families.",
        "units": units,
    }
    (home / "texts.toml").write_text(TEXTS.format(**texts | pilot.texts), encoding="utf-8")
    lines = [
        f"{code},{pilot.units[code]},visits,yes,,,{start},{end},,sourced,Made up,"
        for code, (start, end) in pilot.spells.items()
    ]
    (home / "register.csv").write_text("\n".join([REGISTER, *lines]) + "\n", encoding="utf-8")
    if pilot.own_units:
        rows = [
            f"{code},{name},Area {i % 3},team" for i, (code, name) in enumerate(pilot.units.items())
        ]
        text = "\n".join(["unit_code,unit_name,region,unit_type", *rows])
        (home / "units.csv").write_text(text + "\n", encoding="utf-8")
    table = folder / f"{pilot.name}.csv"
    table.write_text(_make_table(pilot), encoding="utf-8")
    return table


def _list(values: object) -> str:
    return "[" + ", ".join(f'"{v}"' if isinstance(v, str) else str(v) for v in values) + "]"


def _make_table(pilot: MadeUp) -> str:
    rng = np.random.default_rng(len(pilot.title))
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(("council_code", "period", "indicator", "numerator", "denominator", "value"))
    for code in pilot.units:
        size = int(rng.integers(150, 900))
        for key in pilot.outcomes:
            level = rng.uniform(35, 55)
            for period in pilot.periods:
                share = (
                    level + rng.normal(0, 3) + pilot.treated_effect * _is_on(pilot, code, period)
                )
                per = 100 if key.endswith("_pct") else 1000
                counts = (round(size * share / per), size, "")
                figures = ("", "", round(share, 1)) if key.endswith("_wd") else counts
                rows.writerow((code, period, key, *figures))
    return written.getvalue()


def _is_on(pilot: MadeUp, code: str, period: int | str) -> bool:
    if code not in pilot.spells:
        return False
    from pilot_eval.reference.plan_periods import first_day, last_day, period_days

    start, end = pilot.spells[code]
    first, last = period_days(period)
    middle = first + (last - first) / 2
    return first_day(start) <= middle and (not end or middle <= last_day(end))


def england(names: dict[str, str]) -> dict[str, str]:
    """Take 40 councils that the first pilot never named."""
    from pilot_eval.plan import load_plan

    known = load_plan().ever_treated
    return dict([(c, n) for c, n in sorted(names.items()) if c not in known and "," not in n][8:48])


VISITS = {
    "label": "Families visited within five days",
    "family": "visits",
    "harm": "falls",
    "unit": "percentage points",
    "margin": "",
}
RETURNS = {
    "label": "Families who came back within a year",
    "family": "return",
    "harm": "rises",
    "unit": "percentage points",
    "margin": 'margin = 4.0\nmargin_reason = "One family in twenty-five."',
}
WAITS = {
    "label": "Median wait for a visit",
    "family": "visits",
    "harm": "rises",
    "unit": "working days",
    "margin": "",
}
CONTACTS = {
    "label": "Contacts in the period",
    "family": "workload",
    "harm": "ambiguous",
    "unit": "per 10,000 children",
    "margin": "",
}
AFTER = 'windows = {all = "after"}'
ASKED = {
    "visits": "Were families seen sooner?",
    "return": "Did more families come back?",
    "workload": "Did the work change?",
}


def list_made_up(names: dict[str, str]) -> dict[str, MadeUp]:
    """Make the five pilots, by name."""
    own = england(names)
    codes = list(own)
    years = tuple(range(2015, 2022))
    all_three = {"visited_in_5_pct": VISITS, "came_back_pct": RETURNS, "contacts_rate": CONTACTS}
    waves = {
        code: ("2018-04-01" if i < 3 else "2019-04-01", "") for i, code in enumerate(codes[:6])
    }
    ends = dict.fromkeys(codes[:5], ("2018-04-01", "2020-03-31"))
    teams = {f"T{i:02d}": f"Team {i}" for i in range(1, 21)}
    quarters = tuple(f"{year}Q{q}" for year in (2017, 2018, 2019) for q in (1, 2, 3, 4))
    months = dict.fromkeys(codes[:4], ("2018-07", ""))

    def one(key, label, spells, **more):
        return {key: {"short": label, "label": label.capitalize(), "codes": list(spells)} | more}

    return {
        "two-waves": MadeUp(
            name="two-waves",
            title="Visits in two waves",
            units=own,
            periods=years,
            pre=4,
            spells=waves,
            scenarios=one("everybody", "the six that began to visit", waves),
            outcomes=all_three,
            questions=ASKED,
        ),
        "no-delay": MadeUp(
            name="no-delay",
            title="A pilot without timeliness",
            units=own,
            periods=years,
            pre=4,
            spells=ends,
            scenarios=one("five", "the five of the first call", ends),
            outcomes={"contacts_rate": CONTACTS},
            questions={"workload": ASKED["workload"]},
        ),
        "quarters": MadeUp(
            name="quarters",
            title="Visits by quarter",
            units=own,
            periods=quarters,
            pre=6,
            spells=months,
            scenarios=one("summer", "the four that began in summer", months),
            outcomes={"visited_in_5_pct": VISITS, "contacts_rate": CONTACTS},
            questions={key: ASKED[key] for key in ("visits", "workload")},
        ),
        "teams": MadeUp(
            name="teams",
            title="Twenty teams of one council",
            units=teams,
            periods=years,
            pre=4,
            spells=dict.fromkeys(list(teams)[:5], ("2018-04-01", "")),
            own_units=True,
            scenarios=one("volunteers", "the five teams that volunteered", list(teams)[:5]),
            outcomes={"visited_in_5_pct": VISITS, "wait_median_wd": WAITS},
            questions={"visits": ASKED["visits"]},
        ),
        "ends": MadeUp(
            name="ends",
            title="A pilot that ends",
            windows="[windows.after]\npre = [2019, 2020]\npost = [2021]\n",
            units=own,
            periods=years,
            pre=4,
            spells=ends,
            scenarios=one("five", "the five of the first call", ends)
            | one("stopped", "the same five when they stopped", ends, windows=AFTER),
            outcomes={"visited_in_5_pct": VISITS, "came_back_pct": RETURNS},
            questions={key: ASKED[key] for key in ("visits", "return")},
        ),
    }
