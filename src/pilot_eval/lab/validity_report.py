"""The validity page, composed of sections that can each be run again on their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path

from pilot_eval.errors import RunError, explain
from pilot_eval.file_sets import whole_set
from pilot_eval.lab.chosen_councils import CHOSEN
from pilot_eval.lab.validity_families import FAMILY
from pilot_eval.lab.validity_grid import GRID
from pilot_eval.lab.validity_real_data import REAL_DATA
from pilot_eval.lab.validity_section import Section
from pilot_eval.lab.validity_verdicts import VERDICTS

SECTIONS: tuple[Section, ...] = (GRID, FAMILY, CHOSEN, REAL_DATA, VERDICTS)
"""Sections in the order of the page."""
TABLES = "validity"
TITLE = "# How often the tests are wrong, and what they find"
INTRODUCTION = (
    "Written by `pilot-eval validity`; `--only NAME` runs one section again. The figures of a "
    "section are in `validity/NAME.csv`: {names}."
)


def write_validity(
    out_dir: str | Path,
    *,
    only: str | None = None,
    draws: int | None = None,
    sections: Iterable[Section] = SECTIONS,
    executor: Executor | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Measure the sections and compose `validity.md` from every table in the folder.

    Parameters
    ----------
    out_dir : path
        Created if it is not there; tables and pictures go into its folder `validity`.
    only : str, optional
        Name of the one section to run; the page keeps the stored tables of the others.
    draws : int, optional
        Data sets per world. Default: each section's own number.
    sections : iterable of Section
    executor : concurrent.futures.Executor, optional
        Runs batches in parallel.
    tell : callable
        Where progress goes, a line at a time.

    Raises
    ------
    RunError
        If the folder cannot be written or no section has that name.
    """
    folder, sections = Path(out_dir), tuple(sections)
    names = [section.name for section in sections]
    if only not in (None, *names):
        action = "Write one of these names."
        raise RunError(explain("only", f"be one of {', '.join(names)}", only, action))
    try:
        with whole_set(folder) as new:
            if (folder / TABLES).is_dir():
                shutil.copytree(folder / TABLES, new / TABLES)
            (new / TABLES).mkdir(exist_ok=True)
            for section in sections:
                if only in (None, section.name):
                    times = section.draws if draws is None else draws
                    tell(f"{section.heading}: {times:,} simulated data sets for each world ...")
                    section.measure(new / TABLES, draws, executor)
            tell("Writing validity.md ...")
            page = compose_page(new, sections)
            (new / "validity.md").write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        action = "Choose another folder."
        raise RunError(explain("out_dir", "be a folder one can write", folder, action)) from error


def compose_page(folder: Path, sections: Iterable[Section] = SECTIONS) -> str:
    """Compose the page from the stored tables.

    Parameters
    ----------
    folder : pathlib.Path
        Holds the folder `validity`; a section without a table there is left out.
    sections : iterable of Section

    Returns
    -------
    str
        Markdown.
    """
    stored = [s for s in sections if (folder / "validity" / f"{s.name}.csv").exists()]
    names = ", ".join(f"`{section.name}`" for section in stored)
    texts = [section.text(folder / "validity") for section in stored]
    return "\n\n".join([TITLE, INTRODUCTION.format(names=names), *texts]) + "\n"
