"""Options of a command are parameters of the function that it calls: one list of names for both."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable
from typing import Any


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
