"""The notebooks' parameter vocabulary: what each name may hold, checked before a kernel starts.

Values come as text (`-p NAME=VALUE`), as Papermill guesses them (`1e3` as a float, a list as
text) or from YAML (null, dates). `read_parameter` gives each the type of its name, the same by
every door, and `check_parameters` refuses what cannot be read. Papermill only warns about a name
it does not know; here it is refused. A notebook may only declare names of `VOCABULARY`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from numbers import Integral
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from pilot_eval.errors import ParameterError, explain
from pilot_eval.estimation.census_changes import CLOCKS
from pilot_eval.plan_settings import ComparatorRule
from pilot_eval.records.unpacking import is_url
from pilot_eval.reference.working_days import Convention

if TYPE_CHECKING:
    from pilot_eval.plan import EvaluationPlan

NULLS = ("null", "Null", "NULL", "None", "~")
"""Texts for nothing: an empty text or list; a number is left out instead."""
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?")
_RAW = "Give text as text: with Papermill `-r NAME VALUE`."
SECRET_NAME = re.compile(r"token|passw|secret|credential|api_?key", re.IGNORECASE)
STRICT = ConfigDict(strict=True, allow_inf_nan=False)

Names = Callable[["EvaluationPlan"], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one parameter may hold.

    Parameters
    ----------
    type : type
        Python type with pydantic constraints.
    says : str
        The rule in words, completing "must ...".
    choices : callable, optional
        The allowed texts, given the plan.
    """

    type: Any
    says: str
    choices: Names | None = None


def _chosen_from(choices: Names, *, or_empty: bool = False) -> Rule:
    kind = " or empty" if or_empty else ""
    extended = (lambda plan: ("", *choices(plan))) if or_empty else choices
    return Rule(type=str, says=f"be one of the plan's names{kind}", choices=extended)


def _list_of(choices: Names | None = None) -> Rule:
    return Rule(type=list[str], says="be a list of names, like a,b,c", choices=choices)


def _check_day(text: str) -> str:
    if text:
        date.fromisoformat(text)  # a ValueError refuses the parameter
    return text


_DATE = Annotated[str, Field(pattern=r"^(|\d{4}-\d{2}-\d{2})$"), AfterValidator(_check_day)]
_TEXT = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f]*$")]

INJECTED = "# Parameters"
"""First line of the cell that Papermill puts after a notebook's own parameters."""

VOCABULARY: Mapping[str, Rule] = {
    "scenario": _chosen_from(lambda plan: tuple(plan.scenarios), or_empty=True),
    "outcome": _chosen_from(lambda plan: tuple(plan.outcomes), or_empty=True),
    "outcomes": _list_of(lambda plan: tuple(plan.outcomes)),
    "window": _chosen_from(lambda plan: tuple(plan.windows), or_empty=True),
    "comparators": Rule(
        type=Literal[("", *get_args(ComparatorRule))],
        says=f"be empty (the plan's rule) or one of {', '.join(get_args(ComparatorRule))}",
    ),
    "drop_councils": _list_of(),
    "council": Rule(type=_TEXT, says="be the name or code of one council"),
    "alpha": Rule(
        type=Annotated[float, Field(gt=0, lt=0.5)],
        says="be a number above 0 and below 0.5, like 0.05",
    ),
    "draws": Rule(
        type=Annotated[int, Field(ge=99, le=1_000_000)], says="be a whole number from 99 up"
    ),
    "seed": Rule(type=Annotated[int, Field(ge=0)], says="be a whole number from 0 up"),
    "pilot": Rule(type=_TEXT, says="be the name or path of a pilot folder"),
    "table_file": Rule(type=_TEXT, says="be empty or the path of a council table"),
    "data_folder": Rule(type=_TEXT, says="be empty or the path of a folder of returns"),
    "data_format": Rule(
        type=Literal["", "xml", "csv", "parquet"], says="be xml, csv or parquet, or empty for all"
    ),
    "mapping_file": Rule(type=_TEXT, says="be empty or the path of a field mapping"),
    "data_cut": Rule(type=_DATE, says="be empty or a date written 2013-03-31"),
    "convention": Rule(type=Convention, says=f"be {' or '.join(get_args(Convention))}"),
    "clock": Rule(type=Literal[CLOCKS], says=f"be one of {', '.join(CLOCKS)}"),
    "horizon": Rule(
        type=Annotated[int, Field(ge=1, le=400)], says="be a number of working days from 1 to 400"
    ),
}


def check_parameters(plan: EvaluationPlan, **values: object) -> dict[str, Any]:
    """Check parameter values by name, type and range.

    Parameters
    ----------
    plan : EvaluationPlan
        Where the names of scenarios, outcomes and windows come from.
    **values
        Parameters, typed or as text.

    Returns
    -------
    dict
        The values, each of its name's type.

    Raises
    ------
    ParameterError
        If any is unknown or unusable; all are listed.

    Examples
    --------
    >>> from pilot_eval import load_plan                                      # doctest: +SKIP
    >>> check_parameters(load_plan(), alpha=0.05)                             # doctest: +SKIP
    {'alpha': 0.05}
    """
    checked, faults = {}, []
    for name, value in values.items():
        try:
            if name == "data_folder" and is_url(value):  # never quoted: it may hold a password
                action = "Give the URL to --census, which writes it nowhere."
                raise ParameterError(explain(name, "be a folder or file", "a URL", action))
            checked[name] = _check(name, value, plan)
        except ParameterError as fault:
            faults.append(str(fault))
    if checked.get("data_folder") and checked.get("data_cut") == "":
        rule = "be given with a folder of returns"
        action = "Give the last day that they cover, such as 2013-03-31."
        faults.append(explain("data_cut", rule, "nothing", action))
    if faults:
        raise ParameterError("\n".join(faults))
    return checked


def check_injected(cells: Sequence[str]) -> None:
    """Refuse a name that Papermill injected and the notebook does not declare.

    Papermill itself only logs it, and the notebook would run with its defaults.

    Parameters
    ----------
    cells : sequence of str
        Sources of the cells run so far, in order.

    Raises
    ------
    ParameterError
        If a name is assigned in an injected cell and in no earlier one.
    """
    declared: set[str] = set()
    for cell in cells:
        names = _assigned(cell)
        unknown = sorted(names - declared) if cell.startswith(INJECTED) else []
        if unknown:
            near = get_close_matches(unknown[0], declared, n=1)
            hint = f"Did you mean {near[0]}?" if near else "See the notebook's first code cell."
            raise ParameterError(
                explain(unknown[0], "be a parameter of this notebook", "an unknown name", hint)
            )
        declared |= names


def _assigned(cell: str) -> set[str]:
    """Find the names that a cell assigns at its top level."""
    try:
        statements = ast.parse(cell).body
    except SyntaxError:  # a magic
        return set()
    names = set()
    for statement in statements:
        targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("PAPERMILL_")}


def parse_parameters(pairs: Mapping[str, str], plan: EvaluationPlan) -> dict[str, Any]:
    """Turn command-line text into checked values.

    Parameters
    ----------
    pairs : mapping
        Name -> text, as given by ``-p NAME VALUE``.
    plan : EvaluationPlan

    Returns
    -------
    dict

    Raises
    ------
    ParameterError
        If any name is unknown or any text unusable.
    """
    for name in pairs:
        _rule(name)
    return check_parameters(plan, **pairs)


def read_parameter(name: str, value: object) -> Any:
    """Give a value the type of its name, where it can be read in one way.

    Parameters
    ----------
    name : str
        Of `VOCABULARY`.
    value : object
        Text, or what Papermill or YAML made of it.

    Returns
    -------
    object
        What cannot be read is returned as it is; `check_parameters` refuses it.

    Raises
    ------
    ParameterError
        If the name is unknown.

    Examples
    --------
    >>> read_parameter("draws", "1e3"), read_parameter("drop_councils", "['Leeds']")
    (1000, ['Leeds'])
    >>> read_parameter("comparators", None), read_parameter("alpha", "5e-2")
    ('', 0.05)
    """
    sample = _rule(name).type
    kind = get_args(sample)[0] if hasattr(sample, "__metadata__") else sample
    if isinstance(value, str):
        value = value.strip()
    if kind in (float, int):
        return _read_number(kind, value)
    if value is None or (isinstance(value, str) and value in NULLS):
        value = ""
    if sample == list[str]:
        return _read_list(value)
    return value.isoformat() if isinstance(value, date) else value


def _read_number(kind: type, value: object) -> object:
    if isinstance(value, str) and value and _NUMBER.fullmatch(value):
        try:
            value = float(value) if kind is float or not value.isdecimal() else int(value)
        except ValueError:  # a sign or a point alone
            return value
    if isinstance(value, Integral) and not isinstance(value, bool):  # NumPy's too
        return int(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _read_list(value: object) -> object:
    """Read a list written a,b,c or as Python, JSON and YAML write it."""
    if isinstance(value, str):
        inner = value[1:-1] if value[:1] + value[-1:] in ("[]", "()") else value
        try:
            parts = ast.literal_eval(value) if inner != value else value.split(",")
        except (ValueError, SyntaxError):
            parts = [part.strip().strip("'\"") for part in inner.split(",")]
        value = parts
    if not isinstance(value, (list, tuple)):
        return value
    items = [item.strip() if isinstance(item, str) else item for item in value]
    return [item for item in items if item != ""]


def _rule(name: str) -> Rule:
    if SECRET_NAME.search(name):
        raise ParameterError(
            explain(name, "not carry a secret", "that name", "Parameters are written into reports.")
        )
    if name not in VOCABULARY:
        near = get_close_matches(name, VOCABULARY, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(VOCABULARY)}."
        raise ParameterError(explain(name, "be a known parameter", "an unknown name", hint))
    return VOCABULARY[name]


def _check(name: str, value: object, plan: EvaluationPlan) -> Any:
    rule = _rule(name)
    try:
        read = read_parameter(name, value)
        checked = TypeAdapter(rule.type, config=STRICT).validate_python(read)
    except ValidationError:
        advice = _advise(rule.type, value)
        raise ParameterError(explain(name, rule.says, f"{value!r:.60}", advice)) from None
    if rule.choices is not None:
        allowed = rule.choices(plan)
        unknown = [
            v for v in (checked if isinstance(checked, list) else [checked]) if v not in allowed
        ]
        if unknown:
            near = get_close_matches(unknown[0], allowed, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            named = ", ".join(option or "(empty)" for option in allowed)
            raise ParameterError(
                explain(name, rule.says, repr(unknown[0]), f"{hint}Known: {named}.")
            )
    return checked


def _advise(kind: Any, value: object) -> str:
    if value is None:
        return "Leave it out for its default."
    is_text = get_args(kind)[:1] == (str,)
    return _RAW if is_text and not isinstance(value, str) else "Change it, then run again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One parameter as a notebook declares it."""

    name: str
    default: Any
    help: str


def read_declared(inspected: Mapping[str, Mapping[str, str]], notebook: str) -> list[Declared]:
    """Turn Papermill's inspection of a notebook into typed defaults.

    Parameters
    ----------
    inspected : mapping
        What ``papermill.inspect_notebook`` returns.
    notebook : str
        Name for messages.

    Returns
    -------
    list of Declared

    Raises
    ------
    ParameterError
        If a default is not a plain value or a name is not in the vocabulary.
    """
    declared = []
    for name, facts in inspected.items():
        _rule(name)
        try:
            default = ast.literal_eval(facts["default"])
        except (ValueError, SyntaxError):
            raise ParameterError(
                explain(
                    f"{notebook}: {name}",
                    "be a plain value",
                    facts["default"],
                    "Write text, a number or a list, one assignment a line.",
                )
            ) from None
        declared.append(Declared(name=name, default=default, help=facts.get("help", "")))
    return declared
