"""One digit changed in any stored output must be seen, and what the notebooks say is current.

The stored outputs of each notebook, and every variant of them with one digit changed, are compared
by nbval's own comparison with one execution: that of nbval's step, where it kept its outputs, or
one made here.
"""

from __future__ import annotations

import copy
import re

import nbformat
import pytest
from committed import NOTEBOOKS, PICTURE, ROOT, code_cells, describe_change, output_texts
from keep_outputs import read_outputs
from nbval.plugin import IPyNbFile, get_sanitize_patterns

from pilot_eval.app.notebooks import KERNEL_ARGUMENTS

CELL_SECONDS = 120
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
PATTERNS = (ROOT / "tests" / "notebooks" / "sanitize.cfg").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request):
    """One notebook: its cells as nbval collects them, and the outputs that one execution gave."""
    path = request.param
    file = IPyNbFile.from_parent(request.session, path=path)
    file.sanitize_patterns.update(get_sanitize_patterns(PATTERNS))
    file.compare_outputs = True
    stored = code_cells(nbformat.read(path, as_version=4))
    fresh = read_outputs(path, len(stored)) or execute(path)
    return path.stem, list(file.collect()), [nbformat.from_dict(outputs) for outputs in fresh]


def execute(path):
    """Execute a notebook, as nbval would; give the outputs of each code cell."""
    from nbclient import NotebookClient

    fresh = nbformat.read(path, as_version=4)
    client = NotebookClient(
        fresh,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=KERNEL_ARGUMENTS,
    )
    client.execute()
    return [cell.outputs for cell in code_cells(fresh)]


def is_same(cell, stored, fresh):
    return cell.compare_outputs(fresh, stored)


def test_stored_outputs_are_what_the_notebook_gives(executed):
    name, cells, outputs = executed
    problems = []
    for cell, fresh in zip(cells, outputs, strict=True):
        if not cell.options["check"] or is_same(cell, cell.cell.outputs, fresh):
            continue
        number = cell.cell_num + 1
        pairs = zip(output_texts(cell.cell.outputs), output_texts(fresh), strict=False)
        for (old, kind), (new, _) in pairs:
            problems += [
                f"{name}, cell [{number}]\n    {change}"
                for change in describe_change(old[kind], new[kind])
            ]
        problems = problems or [f"{name}, cell [{number}]: other outputs"]
    assert not problems, "stored outputs are out of date (run `pilot-eval refresh`):\n" + "\n".join(
        problems
    )


def test_every_changed_digit_is_seen(executed):
    name, cells, outputs = executed
    tried, unseen = 0, []
    for cell, fresh in zip(cells, outputs, strict=True):
        if not cell.options["check"]:
            continue
        for old, new, stored in mutations(cell.cell):
            tried += 1
            if is_same(cell, stored, fresh):
                unseen.append(f"{name}, cell [{cell.cell_num + 1}]: {old} -> {new}")
    assert tried > 0, f"{name} holds no number to change"
    assert not unseen, "changed digits that nobody would notice:\n" + "\n".join(unseen)


def mutations(cell):
    """Every variant of a cell's outputs with the last digit of one number changed."""
    variant = copy.deepcopy(cell)
    for holder, kind in list(output_texts(variant.outputs)):
        text = holder[kind]
        pictures = [match.span() for match in PICTURE.finditer(text)]
        for match in NUMBER.finditer(text):
            if any(start <= match.start() < end for start, end in pictures):
                continue
            old = match.group()
            new = old[:-1] + str((int(old[-1]) + 1) % 10)
            holder[kind] = text[: match.start()] + new + text[match.end() :]
            yield old, new, variant.outputs
        holder[kind] = text
