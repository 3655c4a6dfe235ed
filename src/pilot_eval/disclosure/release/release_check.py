"""The release check: every file of a folder read, and passed, sent to a person or failed."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from pilot_eval.disclosure.protect.suppression import check_threshold
from pilot_eval.disclosure.release.files.content import Content
from pilot_eval.disclosure.release.files.pages import (
    read_docx,
    read_notebook,
    read_page,
    read_svg,
    read_text,
)
from pilot_eval.disclosure.release.files.papers import read_pdf
from pilot_eval.disclosure.release.files.pictures import read_picture_file
from pilot_eval.disclosure.release.files.sheets import read_csv, read_json, read_xlsx
from pilot_eval.disclosure.release.findings import Rules, check_table, find_smallest
from pilot_eval.disclosure.release.identifiers import Finding, Verdict, find_identifiers
from pilot_eval.disclosure.release.prose import find_small_counts
from pilot_eval.disclosure.release.register import (
    MANIFEST,
    NEEDED,
    REGISTER,
    SEVERAL,
    Entry,
    list_outputs,
    read_own_rules,
    read_register,
    write_register,
)
from pilot_eval.disclosure.release.run_identifiers import RunIdentifiers, gather_identifiers
from pilot_eval.errors import DisclosureError, explain
from pilot_eval.file_sets import whole_set

READERS: Mapping[str, Callable[[Path], Content]] = {
    ".csv": read_csv,
    ".json": read_json,
    ".xlsx": read_xlsx,
    ".html": read_page,
    ".htm": read_page,
    ".ipynb": read_notebook,
    ".svg": read_svg,
    ".png": read_picture_file,
    ".jpg": read_picture_file,
    ".jpeg": read_picture_file,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".md": read_text,
    ".txt": read_text,
    ".toml": read_text,
    ".log": read_text,
}
#: The output-check sheet in a folder of what was released.
SHEET, SHEET_IS = "release_check.csv", "output-check sheet: what each file is and how it was judged"
#: Files whose figures are seen, not read: they follow the file with the numbers.
SEEN = (".png", ".jpg", ".jpeg", ".pdf")
ORDER = ("pass", "review", "fail")
LARGEST_FILE = 200_000_000
"""Bytes above which a file goes to a person unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    file: str
    findings: list[Finding]
    smallest: float
    threshold: int
    entry: Entry

    @property
    def verdict(self) -> Verdict:
        return max((verdict for verdict, _ in self.findings), key=ORDER.index, default="pass")

    @property
    def reason(self) -> str:
        return "; ".join(dict.fromkeys(reason for _, reason in self.findings))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """Looks for identifiers, once in each text: pages, notebooks and charts repeat each other."""

    identifiers: RunIdentifiers
    known: dict[bytes, list[Finding]] = field(default_factory=dict)

    def find(self, text: str) -> list[Finding]:
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        if key not in self.known:
            self.known[key] = list(find_identifiers(text))
            if self.identifiers.found_in(text):
                self.known[key].append(("fail", "an identifier from this run's records"))
        return self.known[key]


def check_release(
    folder: str | Path,
    *,
    threshold: int,
    rounding: int = 1,
    identifiers: RunIdentifiers | Collection[str] = (),
) -> pd.DataFrame:
    """Check every file of a folder before it is released from the secure environment.

    Parameters
    ----------
    folder : path
        Files, and ``outputs.csv`` describing them (see `describe_outputs`).
    threshold : int
        Counts of children from 1 to this fail, or to the threshold in the folder's own manifest or
        register where that is higher.
    rounding : int
        National, regional and group counts of children that are no multiple of it fail.
    identifiers : RunIdentifiers or collection of str, optional
        Ids of this run's records (`read_identifiers`), looked for in every word of every file.

    Returns
    -------
    pandas.DataFrame
        file, verdict (``pass``, ``review`` or ``fail``) and reason, one row per file. Reasons name
        place and rule, never a value.

    Raises
    ------
    DisclosureError
        If there is no such folder, it is empty, or the register cannot be read.

    Notes
    -----
    Figures of the strand ``published`` were protected by DfE and may stand as they are; identifiers
    may not. What pictures and PDF files show is judged by the file with their numbers.
    """
    checked = _check_all(Path(folder), threshold, rounding, identifiers)
    rows = [(item.file, item.verdict, item.reason) for item in checked]
    return pd.DataFrame(rows, columns=["file", "verdict", "reason"])


def describe_release(
    folder: str | Path,
    *,
    threshold: int,
    rounding: int = 1,
    identifiers: RunIdentifiers | Collection[str] = (),
) -> pd.DataFrame:
    """Write the output-check sheet: for each file what an output checker asks.

    Parameters
    ----------
    folder, threshold, rounding, identifiers
        As for `check_release`.

    Returns
    -------
    pandas.DataFrame
        file, verdict, reason, what, population, strand, smallest_count (of children above 0;
        ``below threshold`` instead of a value that may not be shown), threshold, rounding,
        underlying.
    """
    checked = _check_all(Path(folder), threshold, rounding, identifiers)
    rows = [
        {
            "file": item.file,
            "verdict": item.verdict,
            "reason": item.reason,
            "what": item.entry.what,
            "population": item.entry.population,
            "strand": item.entry.strand,
            "smallest_count": _word_smallest(item),
            "threshold": item.entry.threshold,
            "rounding": item.entry.rounding,
            "underlying": item.entry.underlying,
        }
        for item in checked
    ]
    return pd.DataFrame(rows)


def release(
    folder_from: str | Path,
    folder_to: str | Path,
    *,
    threshold: int,
    rounding: int = 1,
    identifiers: RunIdentifiers | Collection[str] = (),
    keep: bool = False,
) -> pd.DataFrame:
    """Move what passes the release check, with its output-check sheet; leave the rest in place.

    Parameters
    ----------
    folder_from, folder_to : path
        `folder_to` is made if need be; a file that it already holds is never overwritten. What was
        moved is described there in `SHEET`.
    threshold, rounding, identifiers
        As for `check_release`.
    keep : bool
        Copy instead of moving, so that a report's links and its manifest stay whole.

    Returns
    -------
    pandas.DataFrame
        As from `check_release`, with a column moved (or copied).

    Raises
    ------
    DisclosureError
        If a file to be moved is already there, or `folder_to` is none, before anything is moved.
    """
    source, target = Path(folder_from), Path(folder_to)
    sheet = describe_release(
        source, threshold=threshold, rounding=rounding, identifiers=identifiers
    )
    moved = sheet["verdict"].eq("pass") & ~sheet["file"].isin((REGISTER, SHEET))
    passed = sheet.loc[moved, "file"].to_list()
    taken = [file for file in [*passed, SHEET] if (target / file).exists()]
    if target.exists() and not target.is_dir():
        raise DisclosureError(explain("folder_to", "be a folder", "a file", "Name a new folder."))
    if taken or target.resolve().is_relative_to(source.resolve()):
        raise DisclosureError(
            explain(
                "folder_to",
                "lie outside the checked folder and hold none of its files",
                f"{len(taken)} files of the same name",
                "Name a new folder.",
            )
        )
    if passed:
        _copy(source, target, sheet[moved])
    for name in [] if keep else passed:
        (source / name).unlink()
    return sheet[["file", "verdict", "reason"]].assign(moved=moved)


def _copy(source: Path, target: Path, sheet: pd.DataFrame) -> None:
    """Copy files, all or none; the new folder gets a register of them and of its sheet."""
    entries = read_register(source)
    with whole_set(target) as new:
        for name in sheet["file"]:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, new / name)
        copied = [entries[name] for name in sheet["file"]]
        sheet.to_csv(new / SHEET, index=False, lineterminator="\n")
        write_register(new, [*copied, replace(copied[0], file=SHEET, what=SHEET_IS, underlying="")])


def _check_all(
    folder: Path, threshold: int, rounding: int, identifiers: RunIdentifiers | Collection[str]
) -> list[_Checked]:
    check_threshold(threshold)
    if not isinstance(identifiers, RunIdentifiers):
        identifiers = gather_identifiers(identifiers)
    if not folder.is_dir():
        what, rule = "folder", "be a folder that exists"
        raise DisclosureError(explain(what, rule, folder.name, "Check the path."))
    entries = read_register(folder)
    threshold = max(threshold, (read_own_rules(folder) or {"threshold": 0})["threshold"])
    search = _Search(identifiers=identifiers)
    highest = max(
        (_own_threshold(entry, threshold) for entry in entries.values()), default=threshold
    )
    if not (files := list_outputs(folder)):
        raise DisclosureError(explain("folder", "contain files", "none", "Check the path."))
    checked = {}
    for file in files:
        entry = entries.get(file, Entry(file=file))
        rules = Rules(
            threshold=_own_threshold(entry, threshold if entry.threshold else highest),
            rounding=rounding,
            strand=entry.strand or "census",
            kinds=entry.typed(),
        )
        checked[file] = _check_file(folder, entry, rules, search)
    if (folder / REGISTER).is_file():
        checked[REGISTER] = _check_register(folder, search)
    return [_follow_numbers(item, checked) for item in checked.values()]


def _check_register(folder: Path, search: _Search) -> _Checked:
    text = (folder / REGISTER).read_text(encoding="utf-8")
    return _Checked(
        file=REGISTER,
        findings=list(search.find(text)),
        smallest=float("nan"),
        threshold=0,
        entry=Entry(file=REGISTER, what="this register", population="none: no figures"),
    )


def _check_file(folder: Path, entry: Entry, rules: Rules, search: _Search) -> _Checked:
    path = folder / entry.file
    findings: list[Finding] = list(_check_label(entry))
    findings += search.find(entry.file.replace("_", " "))
    content = Content()
    if path.is_symlink():
        findings.append(("fail", "a link to another place, not a file"))
    elif entry.stays:
        pass  # its verdict is known, and a working file may be as large as the returns
    elif path.suffix.lower() not in READERS:
        findings.append(("review", f"files of type {path.suffix or 'unknown'} are not read"))
    else:
        content, trouble = _read(path)
        if entry.file == MANIFEST:
            content = replace(content, tables=_leave_settings(content.tables))
        findings += trouble + _judge(content, rules, search)
    return _Checked(
        file=entry.file,
        findings=findings,
        smallest=_least(find_smallest(table, rules) for _, table in content.tables),
        threshold=rules.threshold,
        entry=entry,
    )


def _leave_settings(tables: Sequence[tuple[str, pd.DataFrame]]) -> list[tuple[str, pd.DataFrame]]:
    """Leave out the plan that a manifest holds: settings, that count nobody."""
    return [(where, table) for where, table in tables if not where.startswith("top.plan")]


def _read(path: Path) -> tuple[Content, list[Finding]]:
    if path.stat().st_size > LARGEST_FILE:
        return Content(), [("review", f"larger than {LARGEST_FILE // 1_000_000} MB: not read")]
    try:
        return READERS[path.suffix.lower()](path), []
    except Exception as fault:  # whatever is wrong with one file, the others get their verdict
        # The fault's own words may quote the file.
        return Content(), [("review", f"cannot be read ({type(fault).__name__})")]


def _judge(content: Content, rules: Rules, search: _Search) -> list[Finding]:
    try:
        return list(_check_content(content, rules, search))
    except Exception as fault:  # as in `_read`
        return [("review", f"cannot be judged ({type(fault).__name__})")]


def _own_threshold(entry: Entry, threshold: int) -> int:
    """Take the run's own threshold from the register where it is higher than the one given."""
    stated = [int(number) for number in re.findall(r"\d+", entry.threshold)]
    return max([threshold, *(number for number in stated if number < 1000)])


def _check_label(entry: Entry) -> Iterator[Finding]:
    if entry.stays:
        yield "fail", f"{entry.stays}: stays in the secure environment"
    if len(entry.gaps) == len(NEEDED):
        yield "review", f"not labelled: no entry in {REGISTER}"
    elif entry.gaps:
        yield "review", f"{REGISTER} gives no {', '.join(entry.gaps)}"


def _check_content(content: Content, rules: Rules, search: _Search) -> Iterator[Finding]:
    for where, text in content.texts:
        for verdict, what in search.find(text):
            yield verdict, f"{where}: {what}"
        for verdict, what in find_small_counts(text, rules):
            yield verdict, f"{where}: {what}"
    for where, table in content.tables:
        yield from check_table(table, where, rules)
    for where in content.unread:
        yield "review", f"{where} could not be read"


def _follow_numbers(item: _Checked, checked: Mapping[str, _Checked]) -> _Checked:
    """Give a picture the verdict of its numbers, and send one without numbers to a person."""
    if Path(item.file).suffix.lower() not in SEEN:
        return item
    named = item.entry.underlying.split(SEVERAL)
    numbers = [checked[name] for name in named if name in checked]
    extra: list[Finding] = [
        (one.verdict, f"the file with its numbers, {one.file}, did not pass")
        for one in numbers
        if one.verdict != "pass"
    ]
    if len(numbers) < len(named):
        extra.append(("review", "no file with the numbers it shows"))
    smallest = [one.smallest for one in numbers or [item]]
    return replace(item, findings=[*item.findings, *extra], smallest=_least(smallest))


def _least(numbers: Iterable[float]) -> float:
    return min((number for number in numbers if number == number), default=float("nan"))


def _word_smallest(item: _Checked) -> str:
    if item.smallest != item.smallest:
        return "none"
    if item.smallest <= item.threshold and item.entry.strand != "published":
        return "below threshold"
    return f"{item.smallest:.0f}"
