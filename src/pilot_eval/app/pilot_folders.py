"""Make a pilot folder, and say everything that is wrong with one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pilot_eval.app.staging import publish, stage
from pilot_eval.errors import DesignError, PilotEvalError, PlanError, explain
from pilot_eval.plan import EvaluationPlan, load_plan
from pilot_eval.project import (
    PILOTS,
    PLAN_NAME,
    TEXTS_NAME,
    find_pilot,
    find_root,
    find_shipped,
    read_toml,
)
from pilot_eval.reference.pilot_facts import BREAKS, EVENTS, REGISTER, REQUIREMENTS, UNITS

COPIED = (REGISTER, REQUIREMENTS, EVENTS, BREAKS, UNITS, TEXTS_NAME)
NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")
TITLE = re.compile(r"^title\s*=.*$", re.MULTILINE)
SECTION = re.compile(r"^\[([A-Za-z_]+)[\].]", re.MULTILINE)


def init_pilot(name: str, *, like: str = "", plan_file: Path | None = None) -> Path:
    """Write a pilot folder to change: a copy of another pilot, or an old plan converted.

    Parameters
    ----------
    name : str
        Name of the new folder: lower-case letters, digits, ``-`` and ``_``.
    like : str
        Name or path of the pilot to copy; the default pilot if empty.
    plan_file : pathlib.Path, optional
        A plan of version 0.1 (``evaluation.toml``); sections it lacks are taken from `like`.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    PilotEvalError
        If the name cannot be used, the folder exists, or a source cannot be read; nothing is
        written.
    """
    if not NAME.match(name):
        action = "Use lower-case letters, digits, - and _, such as `my-pilot`."
        raise PlanError(explain("NAME", "be usable as a folder name", repr(name), action))
    source = find_pilot(like or None)
    target = _new_home() / name
    title = f'title = "{name} (made from {source.name}: change everything that is particular)"'
    text = (source / PLAN_NAME).read_text(encoding="utf-8")
    text = TITLE.sub(title, text, count=1) if plan_file is None else _convert(plan_file, text)
    with stage(target) as folder:
        for path in sorted(source.iterdir()):
            if path.name in COPIED:
                shutil.copyfile(path, folder / path.name)
        (folder / PLAN_NAME).write_text(text, encoding="utf-8", newline="\n")
        return publish(folder, iter([target]))


def list_dropped(plan_file: Path) -> list[str]:
    """List the sections of an old plan that the present one does not know."""
    return sorted(_read(plan_file).keys() - EvaluationPlan.model_fields.keys())


def check_pilot(pilot: str, table_file: Path | None = None) -> list[str]:
    """Say everything that is wrong with a pilot folder and the data it asks for.

    Parameters
    ----------
    pilot : str
        Name or path of the folder.
    table_file : pathlib.Path, optional
        An own council table in place of the published figures.

    Returns
    -------
    list of str
        The faults, one a line; empty if it can be evaluated.
    """
    from pilot_eval.app.results import read_table
    from pilot_eval.design.build import build_design
    from pilot_eval.published.panel import build_panel

    try:
        plan = load_plan(pilot or None)
        panel = build_panel(read_table(plan, table_file), plan)
    except PilotEvalError as fault:
        return str(fault).splitlines()
    faults = []
    for scenario, outcome in plan.comparisons:
        if plan.why_described(scenario, outcome) is None:
            try:
                build_design(plan, panel, scenario=scenario, outcome=outcome)
            except DesignError as fault:
                faults.append(f"{scenario}, {outcome}: {fault}")
    return faults


def _new_home() -> Path:
    root = find_root()
    return (Path.cwd() if root == find_shipped() else root) / PILOTS


def _convert(plan_file: Path, newer: str) -> str:
    """Keep the text of an old plan and append the sections that it lacks."""
    old = _read(plan_file)
    text = plan_file.read_text(encoding="utf-8").rstrip()
    for name in list_dropped(plan_file):
        text = _without(text, name)
    lacking = [part for name, part in _sections(newer) if name not in old]
    return "\n\n".join([text, *(part.strip() for part in lacking)]) + "\n"


def _read(plan_file: Path) -> dict[str, object]:
    try:
        return read_toml(plan_file)
    except (OSError, ValueError) as fault:
        action = "Check the path and the file."
        got = f"{plan_file} ({type(fault).__name__})"
        raise PlanError(explain("--from", "be a readable plan", got, action)) from fault


def _sections(text: str) -> list[tuple[str, str]]:
    """Split a TOML text at its tables: top-level name and text of each."""
    starts = [match.start() for match in SECTION.finditer(text)]
    parts = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    return [(SECTION.match(part).group(1), part) for part in parts]  # type: ignore[union-attr]


def _without(text: str, name: str) -> str:
    for section, part in _sections(text):
        if section == name:
            text = text.replace(part, "")
    return re.sub(rf"^{re.escape(name)}\s*=.*$", "", text, flags=re.MULTILINE)
