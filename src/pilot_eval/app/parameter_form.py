"""A form for a notebook's parameters: typed as on the command line, kept nowhere but in a cell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pilot_eval.app.options import OPTIONS
from pilot_eval.app.parameters import VOCABULARY, Declared, Rule, check_parameters
from pilot_eval.app.request import find_notebooks, list_parameters
from pilot_eval.errors import ParameterError, RunError, choose_names, explain
from pilot_eval.plan import EvaluationPlan, load_plan
from pilot_eval.project import find_root

if TYPE_CHECKING:
    from ipywidgets import ValueWidget, VBox

SUFFIX = "-changed"
LONG_LIST = 8  # rows of a list from which several can be chosen


class ParameterForm:
    """The parameters of a notebook as fields; it shows itself where widgets can be shown.

    Attributes
    ----------
    source : Path
        The notebook.
    fields : mapping of str to ipywidgets.ValueWidget
        One for each parameter.
    """

    def __init__(self, source: Path, plan: EvaluationPlan, pilot: str = "") -> None:
        from ipywidgets import HTML, Button, Label, VBox

        declared = list_parameters(source)
        self.source, self._plan = source, plan
        self._defaults = {item.name: item.default for item in declared}
        self.fields: Mapping[str, ValueWidget] = {
            item.name: _make_field(item, VOCABULARY[item.name], plan) for item in declared
        }
        if pilot:
            self.fields["pilot"].value = pilot
        self._said = HTML()
        button = Button(description="Write a copy", tooltip="with these values in its cell")
        button.on_click(lambda _: self._answer(self.write))
        rows: list[Any] = []
        for item in declared:
            rows += [Label(f"{item.name}: {item.help}"), self.fields[item.name]]
            self.fields[item.name].observe(lambda _: self._answer(self.command), "value")
        self._box: VBox = VBox([*rows, button, self._said])
        self._answer(self.command)

    @property
    def values(self) -> dict[str, Any]:
        """Return every parameter, typed; ParameterError where a field cannot be used."""
        given = {name: _plain(field.value) for name, field in self.fields.items()}
        return check_parameters(self._plan, **given)

    @property
    def changed(self) -> dict[str, Any]:
        """Return the parameters that differ from the notebook's own."""
        values = self.values
        return {name: value for name, value in values.items() if value != self._defaults[name]}

    def command(self) -> str:
        """Return the command that runs the notebook with these values."""
        words = ["pilot-eval", "run", "--only", self.source.stem]
        for name, value in self.changed.items():
            text = ",".join(value) if isinstance(value, list) else str(value)
            words += [OPTIONS[name][0], text] if name in OPTIONS else ["-p", f"{name}={text}"]
        return shlex.join(words)

    def write(self, path: str | Path | None = None) -> Path:
        """Write a copy of the notebook with these values and without outputs.

        Parameters
        ----------
        path : path, optional
            New file; default in the current folder, named after the notebook.

        Returns
        -------
        Path
            The copy. Its values stand in a cell after the notebook's own parameters, as Papermill
            and `pilot-eval run` write them.

        Raises
        ------
        ParameterError
            If a value cannot be used.
        RunError
            If the file is already there or cannot be written.
        """
        import nbformat
        from papermill.iorw import load_notebook_node
        from papermill.parameterize import parameterize_notebook

        path = Path(path or f"{self.source.stem}{SUFFIX}.ipynb")
        book = load_notebook_node(str(self.source))
        if changed := self.changed:
            book = parameterize_notebook(book, changed)
        book.metadata.pop("papermill", None)
        for cell in book.cells:
            cell.metadata.pop("papermill", None)
            if not cell.metadata.get("tags"):
                cell.metadata.pop("tags", None)
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                nbformat.write(book, file)  # type: ignore[no-untyped-call]
        except OSError as fault:
            action = "Name another, or move that one away; nothing was written."
            raise RunError(
                explain(str(path), "be a new file in a folder", fault.strerror, action)
            ) from None
        return path

    def _answer(self, action: Any) -> None:
        """Show what an action gives, or why it cannot."""
        try:
            said = str(action())
        except (ParameterError, RunError) as fault:
            said = str(fault)
        self._said.value = f"<code>{escape(said)}</code>"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._box)  # type: ignore[no-untyped-call]


def choose_parameters(notebook: str, *, pilot: str = "") -> ParameterForm:
    """Show a form for a notebook's parameters, in JupyterLab.

    Parameters
    ----------
    notebook : str
        Its name without ``.ipynb``.
    pilot : str
        Name or path of a pilot folder; empty for the project's default.

    Returns
    -------
    ParameterForm
        Its last line is the command for these values, or what is wrong with them. Its button writes
        a copy of the notebook; `values`, `command()` and `write(path)` do the same in code.

    Raises
    ------
    ParameterError
        If there is no such notebook; it says which was probably meant.

    References
    ----------
    `docs/decisions/parameter-form.md`.

    Examples
    --------
    >>> form = choose_parameters("03_child_outcomes")
    >>> form.fields["alpha"].value = "1e-1"
    >>> form.command()
    'pilot-eval run --only 03_child_outcomes -p alpha=0.1'
    """
    root = find_root()
    found = find_notebooks(root, pilot)
    [name] = choose_names("notebook", notebook, found)
    return ParameterForm(found[name], load_plan(pilot or None, root=root), pilot)


def _make_field(item: Declared, rule: Rule, plan: EvaluationPlan) -> ValueWidget:
    """Make a list to choose from where the names are known, and else a line of text."""
    from ipywidgets import Dropdown, Layout, SelectMultiple, Text

    wide = Layout(width="30em")
    options: Sequence[object] = rule.choices(plan) if rule.choices else _literals(rule.type)
    if options and isinstance(item.default, list):
        rows = min(len(options), LONG_LIST)
        return SelectMultiple(options=options, value=item.default, rows=rows, layout=wide)
    if options:
        words = [(str(option) or "(default)", option) for option in options]
        return Dropdown(options=words, value=item.default, layout=wide)
    listed = isinstance(item.default, list)
    return Text(value=",".join(item.default) if listed else str(item.default), layout=wide)


def _literals(kind: Any) -> tuple[object, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
