"""The exception tree: every error a user can cause says what to do about it.

Messages follow one form: ``name` must <rule>; got <value>. <What to do>.`` Values from children's
records never appear in a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class PilotEvalError(Exception):
    """Base of every error that pilot_eval raises on purpose."""


class PlanError(PilotEvalError):
    """The analysis plan (a pilot folder) cannot be used; all its faults are listed at once."""


class DataError(PilotEvalError):
    """A source file or table is not what its contract says; names file, column and row."""


class DesignError(PilotEvalError):
    """A comparison that cannot be right: treated among comparators, no pre-period, ..."""


class InferenceError(PilotEvalError):
    """A method was asked for where it has no valid answer."""


class ParameterError(PilotEvalError):
    """A notebook or command-line parameter is unknown or has an unusable value."""


class RunError(PilotEvalError):
    """A run could not be started, written or finished."""


class DisclosureError(PilotEvalError):
    """An output cannot be released as it stands."""


def explain(name: str, rule: str, got: object, action: str) -> str:
    """Word a message in the project's one form.

    Parameters
    ----------
    name : str
        What is wrong: a parameter, key, column or file.
    rule : str
        What it must be, completing "must ...".
    got : object
        What was found (never a value from a child's record).
    action : str
        What the reader should do, a full sentence.

    Returns
    -------
    str

    Examples
    --------
    >>> explain("alpha", "be between 0 and 1", 5, "Write 0.05 for 5%.")
    '`alpha` must be between 0 and 1; got 5. Write 0.05 for 5%.'
    """
    return f"`{name}` must {rule}; got {got}. {action}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or list the known ones.

    Parameters
    ----------
    name : str
        What was given.
    known : iterable of str

    Returns
    -------
    str

    Examples
    --------
    >>> suggest("repeat_plans", ["repeat_plan", "referrals"])
    "Did you mean 'repeat_plan'?"
    """
    names = {str(item).casefold(): str(item) for item in known}
    near = get_close_matches(name.casefold(), names, n=1)
    return f"Did you mean {names[near[0]]!r}?" if near else f"Known: {', '.join(names.values())}."


def choose_names(what: str, given: str | Iterable[Any] | None, known: Iterable[str]) -> list[str]:
    """Check names against those that are known.

    Parameters
    ----------
    what : str
        What the names are, for the message.
    given : str, iterable of str or None
        One name, or several; None for all that are known.
    known : iterable of str

    Returns
    -------
    list of str
        Each name once, in the order given.

    Raises
    ------
    ParameterError
        If a name is not known; it says which was probably meant.

    Examples
    --------
    >>> choose_names("outcomes", "referrals", ["referrals", "plans"])
    ['referrals']
    """
    names = list(known)
    if isinstance(given, str) or not isinstance(given, Iterable):
        chosen = names if given is None else [given]
    else:
        chosen = list(given)
    for name in chosen:
        if not _is_among(name, names):
            raise ParameterError(explain(what, "be known", repr(name), suggest(str(name), names)))
    return list(dict.fromkeys(chosen))


def _is_among(name: object, names: list[str]) -> bool:
    """Whether it is one of them; what cannot be compared is none."""
    try:
        return bool(name in names)
    except (TypeError, ValueError):
        return False
