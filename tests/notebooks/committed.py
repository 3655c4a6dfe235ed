"""The committed notebooks, and reading them as a test needs them."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from pilot_eval.app.request import list_committed

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = list(list_committed(ROOT).values())
PICTURE = re.compile(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=\s]+")
IGNORED = "nbval-ignore-output"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def output_texts(outputs):
    """Each text of a cell's outputs, with the place to put a changed one."""
    for output in outputs:
        if output.output_type == "stream":
            yield output, "text"
        elif "data" in output:
            for kind in output.data:
                if kind.startswith("text/"):
                    yield output.data, kind


def rows(text):
    """A text by line, HTML by table row, without tags and pictures."""
    text = PICTURE.sub("", text)
    pieces = re.split(r"\n|</tr>|</p>|</li>|</caption>|</figcaption>", text)
    plain = (re.sub(r"<[^>]+>", " | ", piece) for piece in pieces)
    return [" ".join(unescape(re.sub(r"( *\| *)+", " | ", piece)).split()) for piece in plain]


def describe_change(before, after):
    """Say which rows of an output changed, from what to what."""
    old, new = rows(before), rows(after)
    changed = [f"was: {a}\n    now: {b}" for a, b in zip(old, new, strict=False) if a != b]
    if len(old) != len(new):
        changed.append(f"{len(old)} rows became {len(new)}")
    return changed
