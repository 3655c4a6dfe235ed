"""Options of a command are parameters of the function that it calls: one list of names for both."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilot_eval.errors import ParameterError, explain

#: Parameter of notebooks -> the option that stands for it, and the option's name in a request.
OPTIONS = {
    "pilot": ("--pilot", "pilot"),
    "table_file": ("--table", "table_file"),
    "data_folder": ("--census", "census"),
}


def hand_on(options: Namespace, function: Callable[..., object]) -> dict[str, Any]:
    """Take what was asked for that a function has parameters for; `out` as a whole path.

    Parameters
    ----------
    options : argparse.Namespace
    function : callable
        Its parameters, or a class's, have the options' names (`commands.toml`).

    Returns
    -------
    dict
    """
    names = inspect.signature(function).parameters
    asked = {name: value for name, value in vars(options).items() if name in names}
    return {**asked, "out": asked["out"].resolve()} if asked.get("out") else asked


def take_options(options: Namespace) -> None:
    """Let parameters that an option stands for be that option: a run has one answer to each.

    A parameter in `OPTIONS` reaches notebooks alone; the option reaches the evidence, the release
    and the manifest too.

    Parameters
    ----------
    options : argparse.Namespace
        With `parameters`, from which such names go.

    Raises
    ------
    ParameterError
        If a parameter and its option say different things.
    """
    for name, (option, place) in OPTIONS.items():
        given = options.parameters.pop(name, "")
        if not given:
            continue
        known = getattr(options, place)
        if known and str(known) != given:
            rule = f"be left out where {option} is given"
            action = f"Give {option} alone."
            raise ParameterError(explain(f"-p {name}", rule, "something else", action))
        setattr(options, place, given if name == "pilot" else read_source(given))


def read_source(text: str) -> str | Path:
    """Read where returns or tables are: a path, or the URL of a database."""
    from pilot_eval.records.unpacking import is_url

    return text if is_url(text) else Path(text)
