"""The exception tree: every error a user can cause says what to do about it.

Messages follow one form: ``name` must <rule>; got <value>. <What to do>.`` Values from children's
records never appear in a message.
"""

from __future__ import annotations


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
    """An output may not leave the room as it stands."""


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
