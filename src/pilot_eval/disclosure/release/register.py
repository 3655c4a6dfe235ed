"""The register of outputs: what each file is, of whom, and how it was protected.

``outputs.csv`` lies alongside the files it describes. The release check sends every file without an
entry, or with a gap in it, to a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from pilot_eval.disclosure.release.kinds import KINDS
from pilot_eval.errors import DisclosureError, explain

REGISTER, MANIFEST = "outputs.csv", "manifest.json"
STRANDS = ("published", "census", "simulated")
#: Entry fields without which an output goes to a person.
NEEDED = ("what", "population", "strand", "threshold", "rounding")

#: What a run writes, by name: the first pattern that fits describes the file.
SENT_BACK = "send_back/*.xlsx"
SENT_BACK_IS = "rules that a council's returns break, and where, to send back to it"
ROW_LEVEL = "row-level working file"
SEVERAL = "; "
RUN_FILES: tuple[tuple[str, str], ...] = (
    ("evidence.csv", "every estimate with its interval, one row per scenario, outcome and method"),
    ("effects.csv", "each treated council's own effect"),
    ("verdicts.csv", "the finding and security rating of every comparison"),
    ("answers.csv", "the answer to every question of the plan"),
    ("answers.json", "questions, answers, numbers, reasons and provenance, for machines"),
    ("specifications.json", "every comparison under other choices than the plan's, for machines"),
    ("explorer.html", "the explorer: every comparison under other choices than the plan's"),
    ("subgroups.csv", "shares by group of children and year, all councils together, protected"),
    ("data_dictionary.csv", "every column of the tables of records, without any record"),
    ("dropped.csv", "councils left out of a comparison, and why"),
    (MANIFEST, "parameters, hashes and versions of the run"),
    ("index.html", "the report: what was found"),
    ("brief*", "the brief: the answers on two pages"),
    ("*.pdf", "the report on paper"),
    ("figures/*", "a figure of the report, or the numbers plotted in it"),
    ("notebooks/*", "an executed notebook"),
    ("qa_log*", "the quality assurance log"),
    ("*.xlsx", "workbook of tables"),
    ("ees/*", "tidy data, their metadata or footnotes"),
    ("[0-9]*.html", "a notebook's page of the report"),
    ("*.html", "a document of the report"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One output of a run.

    Attributes
    ----------
    file : str
        Path below the folder, with forward slashes.
    what, population : str
        What is shown, of which children, councils and years.
    strand : str
        published, census or simulated.
    threshold, rounding : str
        How counts of children were protected; ``none: <why>`` where nothing needed it.
    underlying : str
        Files with the numbers behind a picture or a PDF, separated by semicolons.
    kinds : str
        ``column=kind`` pairs, separated by semicolons, where names do not tell.
    stays : str
        Why a working file is never released, whatever it holds: ``row-level working file``. Empty
        for outputs.
    """

    file: str
    what: str = ""
    population: str = ""
    strand: str = ""
    threshold: str = ""
    rounding: str = ""
    underlying: str = ""
    kinds: str = ""
    stays: str = ""

    @property
    def gaps(self) -> list[str]:
        """Needed fields that are empty."""
        return [name for name in NEEDED if not getattr(self, name)]

    def typed(self) -> dict[str, str]:
        """Read `kinds`."""
        pairs = [pair.partition("=") for pair in self.kinds.split(";") if pair.strip()]
        return {name.strip(): kind.strip() for name, _, kind in pairs}


def describe_outputs(
    folder: str | Path,
    *,
    strand: str,
    population: str,
    threshold: int,
    rounding: int,
    extra: Iterable[Entry] = (),
) -> list[Entry]:
    """Describe the files of a run's folder by their names.

    Parameters
    ----------
    folder : path
    strand : str
        published, census or simulated.
    population : str
        Of which children, councils and years the figures are.
    threshold, rounding : int
        The plan's.
    extra : iterable of Entry
        Entries of files that only their writer can describe; they decide.

    Returns
    -------
    list of Entry
        Sorted by file; files that no pattern fits are left out, and so go to a person.
    """
    if strand not in STRANDS:
        raise DisclosureError(explain("strand", f"be one of {STRANDS}", strand, "Correct it."))
    own = {entry.file: entry for entry in extra}
    shared = {
        "population": population,
        "strand": strand,
        "threshold": str(threshold),
        "rounding": str(rounding),
    }
    for file in list_outputs(folder):
        if fnmatch(file, SENT_BACK):
            own[file] = Entry(file=file, what=SENT_BACK_IS, stays=ROW_LEVEL, **shared)
            continue
        what = next((text for pattern, text in RUN_FILES if fnmatch(file, pattern)), None)
        if what and file not in own:
            own[file] = Entry(
                file=file,
                what=what,
                underlying=_find_underlying(Path(folder), file),
                **shared,
            )
    return [own[file] for file in sorted(own)]


def write_register(folder: str | Path, entries: Iterable[Entry]) -> Path:
    """Write ``outputs.csv``.

    Parameters
    ----------
    folder : path
    entries : iterable of Entry

    Returns
    -------
    pathlib.Path
    """
    path = Path(folder) / REGISTER
    names = [item.name for item in fields(Entry)]
    frame = pd.DataFrame([asdict(entry) for entry in entries], columns=names)
    frame.sort_values("file").to_csv(path, index=False, lineterminator="\n")
    return path


def read_register(folder: str | Path) -> dict[str, Entry]:
    """Read ``outputs.csv``; a folder without one has no entries.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict of str to Entry

    Raises
    ------
    DisclosureError
        For unknown columns, a file named twice, or an unknown strand or kind.
    """
    path = Path(folder) / REGISTER
    if not path.is_file():
        return {}
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    unknown = set(frame.columns) - {item.name for item in fields(Entry)}
    if unknown or "file" not in frame.columns or frame["file"].duplicated().any():
        raise DisclosureError(
            explain(
                REGISTER,
                "have a column `file` naming each file once, and only known columns",
                sorted(unknown) or "a missing or repeated file",
                "Mend the register.",
            )
        )
    entries = {row["file"]: Entry(**row) for row in frame.to_dict("records")}
    for entry in entries.values():
        _check_entry(entry)
    return entries


def read_own_rules(folder: str | Path) -> dict[str, int] | None:
    """Read threshold and rounding from the plan in the manifest that a run wrote.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict or None
        threshold and rounding; None where there is no manifest that says them.
    """
    try:
        manifest = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
        rules = manifest["plan"]["disclosure"]
        return {name: int(rules[name]) for name in ("threshold", "rounding")}
    except (OSError, ValueError, TypeError, LookupError):
        return None  # a manifest that cannot be read is judged as a file


def list_outputs(folder: str | Path) -> list[str]:
    """List the files of a folder, the register left out.

    Parameters
    ----------
    folder : path

    Returns
    -------
    list of str
        Paths below the folder, with forward slashes, sorted.
    """
    folder = Path(folder)
    return sorted(_list_files(folder))


def _list_files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if (path.is_file() or path.is_symlink()) and name != REGISTER:
            yield name


def _find_underlying(folder: Path, file: str) -> str:
    path = Path(file)
    if path.suffix == ".pdf":  # the report on paper has the numbers of all its pages
        own = path.with_suffix(".html")
        pages = [own] if (folder / own).is_file() else map(Path, sorted(_list_pages(folder)))
        return SEVERAL.join(page.as_posix() for page in pages)
    numbers = path.with_suffix(".csv")
    is_picture = path.suffix in (".png", ".svg", ".jpg", ".jpeg")
    return numbers.as_posix() if is_picture and (folder / numbers).is_file() else ""


def _list_pages(folder: Path) -> Iterator[str]:
    for page in folder.glob("*.html"):
        if page.name == "index.html" or page.name[0].isdigit():
            yield page.name


def _check_entry(entry: Entry) -> None:
    wrong = [kind for kind in entry.typed().values() if kind not in KINDS]
    if entry.strand not in ("", *STRANDS) or wrong:
        raise DisclosureError(
            explain(
                REGISTER,
                f"use strands {STRANDS} and kinds {KINDS}",
                f"another word for {entry.file}",
                "Correct the entry.",
            )
        )
