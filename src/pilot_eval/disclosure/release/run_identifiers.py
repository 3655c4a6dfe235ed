"""The real identifiers of a run's records, kept as keyed hashes and looked for in its outputs."""

from __future__ import annotations

import csv
import hashlib
import mmap
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc

from pilot_eval.disclosure.release.disguise import list_readings, read_as_person
from pilot_eval.records.near_names import MOST_TITLE_LINES
from pilot_eval.records.unpacking import unpacked

#: Columns and elements that hold an identifier, whatever module, dataset or extract they are of.
ID_FIELD = re.compile(
    r".*(?:id|upn|uln|pupilnumber|nhsnumber|ninumber|insurancenumber|uniquelearnernumber)"
)
XML_FIELD = re.compile(
    rb"<(?:[\w.-]+:)?([A-Za-z_]\w{1,40})(?:\s[^<>]{0,200})?>\s*([^<>\s][^<>]{0,60}?)\s*<"
)
SHORTEST = 5
"""Letters and digits below which an identifier is also an ordinary word, year or count."""
MOST_PARTS = 5
CHANCE = 1e-3
"""Numbers are taken for identifiers when chance alone would give so many of them this seldom."""
_PART = re.compile(r"[0-9A-Z]+")
WIDE = (b"\xff\xfe", b"\xfe\xff")  # how a text of two bytes a letter begins
_BETWEEN = " .-_/"
# A comma before or after so many digits ends a field: it is no sign of thousands.
_NUMBER = re.compile(rf"(?<![\dA-Z])(?<!\d\.)\d{{{SHORTEST},20}}(?![\dA-Z]|\.(?!0\b)\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentifiers:
    """Identifiers of one run's records, as hashes under a key that lives as long as the process.

    Attributes
    ----------
    key : bytes
    hashes : ndarray of uint64
        Sorted; 0 identifiers are an empty array.
    digits : mapping of int to int
        Length -> number of identifiers that are digits alone: figures may equal these by chance.
    """

    key: bytes = field(repr=False)
    hashes: NDArray[np.uint64] = field(repr=False)
    digits: Mapping[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the identifiers."""
        return len(self.hashes)

    def found_in(self, text: str) -> bool:
        """Say whether a passage holds one of them, however it is cased, spaced or hyphenated.

        Parameters
        ----------
        text : str

        Returns
        -------
        bool
        """
        if not len(self):
            return False
        readings = [reading.upper() for reading in list_readings(text)[1:] or [text]]
        words = {word for reading in readings for word in _candidates(reading)}
        return bool(self._held(words).any()) or any(map(self._more_than_chance, readings))

    def _held(self, words: Iterable[str]) -> NDArray[np.bool_]:
        return np.isin(_hash(words, self.key), self.hashes)

    def _more_than_chance(self, read: str) -> bool:
        """Whether more numbers are identifiers than numbers drawn blindly would be."""
        for length, known in self.digits.items():
            tried = {number for number in _NUMBER.findall(read) if len(number) == length}
            hits = int(self._held(tried).sum())
            expected = len(tried) * known / (9 * 10 ** (length - 1))
            if hits and pdtrc(hits - 1, expected) < CHANCE:
                return True
        return False


def gather_identifiers(values: Iterable[str]) -> RunIdentifiers:
    """Hash identifiers; those too short to be distinguished from words and counts are left out.

    Parameters
    ----------
    values : iterable of str

    Returns
    -------
    RunIdentifiers

    Examples
    --------
    >>> known = gather_identifiers(["AB-12345/1", "7"])
    >>> known.found_in("child ab 12345 1"), known.found_in("7 councils")
    (True, False)
    """
    forms = {form for value in values for form in [_form_of(value)] if form}
    key = secrets.token_bytes(32)
    return RunIdentifiers(
        key=key,
        hashes=np.unique(_hash(forms, key)),
        digits=Counter(len(form) for form in forms if form.isdigit()),
    )


def read_identifiers(paths: Iterable[str | Path]) -> RunIdentifiers:
    """Read the identifiers of returns, extracts, or the working folder of a census run.

    Files are searched for fields by name, so that those which no reader accepts count too.

    Parameters
    ----------
    paths : iterable of path
        XML, CSV and Parquet files, archives, workbooks, database URLs, or folders of such.

    Returns
    -------
    RunIdentifiers
    """
    with unpacked(list(paths), refused=[]) as found:
        files = (file for path in found for file in _files_of(path))
        return gather_identifiers(value for file in files for value in _values_in(file))


def _files_of(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else (p for p in path.rglob("*") if p.is_file())


def _values_in(path: Path) -> Iterator[str]:
    readers = {".xml": _values_of_xml, ".csv": _values_of_csv, ".parquet": _values_of_parquet}
    reader = readers.get(path.suffix.lower())
    if reader and path.stat().st_size:
        yield from reader(path)


def _values_of_xml(path: Path) -> Iterator[str]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        text = data[:].decode("utf-16", "replace").encode() if data[:2] in WIDE else data
        for match in XML_FIELD.finditer(text):
            if _is_id(match[1].decode()):
                yield match[2].decode("utf-8", "replace")


def _values_of_csv(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        encoding = "utf-16" if file.read(2) in WIDE else "utf-8-sig"
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        for line in islice(file, MOST_TITLE_LINES + 1):  # titles may stand before the names
            sign = max(",;\t|", key=line.count)
            chosen = [at for at, name in enumerate(line.strip().split(sign)) if _is_id(name)]
            if chosen:
                break
        else:
            return
        for row in csv.reader(file, delimiter=sign):
            yield from (row[at] for at in chosen if at < len(row))


def _values_of_parquet(path: Path) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        return  # nothing can be read in it, so nothing of it can be in an output
    chosen = [name for name in file.schema_arrow.names if _is_id(name)]
    for batch in file.iter_batches(columns=chosen) if chosen else ():
        for column in batch.columns:
            yield from (str(value) for value in column.unique().to_pylist() if value is not None)


def _is_id(name: str) -> bool:
    return bool(ID_FIELD.fullmatch(re.sub(r"[^a-z]", "", name.lower())))


def _form_of(value: str) -> str:
    """Write an identifier in its one form, empty if it is too short or has no digit."""
    parts = _PART.findall(re.sub(r"\.0+$", "", read_as_person(value).strip()).upper())
    form = _join(parts)
    return form if len("".join(parts)) >= SHORTEST and any(map(str.isdigit, form)) else ""


def _join(parts: list[str]) -> str:
    """Join parts; digits alone keep their groups, for 2012/0331 is no 2012-03-31."""
    whole = "".join(parts)
    return "-".join(parts) if whole.isdigit() else whole


def _candidates(read: str) -> Iterator[str]:
    """List what may be an identifier: up to five neighbouring parts; single numbers are not."""
    parts: list[str] = []
    end = -1
    for match in _PART.finditer(read):
        beside = match.start() == end or (match.start() == end + 1 and read[end] in _BETWEEN)
        parts = [*parts[1 - MOST_PARTS :], match[0]] if beside else [match[0]]
        end = match.end()
        for start in range(len(parts)):
            form = _join(parts[start:])
            if len(form) >= SHORTEST and not form.isdigit() and any(map(str.isdigit, form)):
                yield form


def _hash(words: Iterable[str], key: bytes) -> NDArray[np.uint64]:
    digests = b"".join(
        hashlib.blake2b(word.encode(), digest_size=8, key=key).digest() for word in words
    )
    return np.frombuffer(digests, dtype=np.uint64)
