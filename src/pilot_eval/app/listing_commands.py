"""Commands that print a table: what data and parameters there are, and a pilot's design."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING

from pilot_eval.app.options import hand_on
from pilot_eval.errors import choose_names

if TYPE_CHECKING:
    import pandas as pd

    from pilot_eval.plan import EvaluationPlan


def data(options: Namespace) -> int:
    """List indicators, years and councils with figures."""
    from pilot_eval.published.data_summary import summarise_table

    _, table = _read(options)
    _print_table(summarise_table(table, options.indicator), as_json=options.json)
    return 0


def parameters(options: Namespace) -> int:
    """List the parameters of notebooks with their defaults."""
    import pandas as pd

    from pilot_eval.app.request import find_notebooks, list_parameters
    from pilot_eval.project import find_root

    found = find_notebooks(find_root(), options.pilot)
    names = choose_names("NOTEBOOK", options.notebooks or None, found)
    rows = [
        {"notebook": name, "parameter": item.name, "default": repr(item.default), "what": item.help}
        for name in names
        for item in list_parameters(found[name])
    ]
    _print_table(pd.DataFrame(rows), as_json=options.json)
    return 0


def design(options: Namespace) -> int:
    """Recommend a design for the next pilot."""
    from pilot_eval.checks.next_pilot import design_pilot
    from pilot_eval.published.panel import build_panel

    plan, table = _read(options)
    found = design_pilot(plan, build_panel(table, plan), **hand_on(options, design_pilot))
    if options.out:
        found.to_excel(options.out)
    if options.json:
        record = {
            "outcome": found.outcome,
            "unit": found.unit,
            "strata": found.strata,
            "drawn": found.drawn,
            "reserves": found.reserves,
            "detectable": _records(found.table),
            "choice": _records(found.choice),
            "notes": found.notes,
        }
        print(json.dumps(record, ensure_ascii=False, indent=1))
    else:
        print(found.title if options.quiet else found.summary())
    return 0


def completion(options: Namespace) -> int:
    """Print a shell's script, made from the options."""
    from pilot_eval.app.cli import build_parser
    from pilot_eval.app.completion import write_completion

    script = write_completion(build_parser(), options.shell)
    print(json.dumps({"script": script}) if options.json else script)
    return 0


def _read(options: Namespace) -> tuple[EvaluationPlan, pd.DataFrame]:
    from pilot_eval.app.results import read_table
    from pilot_eval.plan import load_plan

    plan = load_plan(options.pilot)
    return plan, read_table(plan, options.table_file)


def _print_table(table: pd.DataFrame, *, as_json: bool) -> None:
    from pilot_eval.result_display import to_text

    print(json.dumps(_records(table), ensure_ascii=False) if as_json else to_text(table))


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Give rows with numbers as numbers; null where there is none or it is infinite."""
    records: list[dict[str, object]] = json.loads(table.to_json(orient="records"))
    return records
