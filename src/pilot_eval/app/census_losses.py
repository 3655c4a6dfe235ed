"""Never less than said: what was read, accepted and lost of every council, in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from pilot_eval.app.census_parts import PartResult
from pilot_eval.records.issues import OTHER_DATE_FORM, RULE_SEVERITIES

LOSSES = "losses.csv"
UNKNOWN = "a council that is not known"
COUNTED = ("children", "referrals")
OUTCOMES = ("records", "accepted", "set_aside", "merged", "superseded")
LOSS_COLUMNS = (
    "council_code",
    "council",
    *(f"{table}_{outcome}" for table in COUNTED for outcome in OUTCOMES),
    "share_lost",
    "failed",
    "words",
)


def measure_losses(
    parts: Sequence[PartResult], names: Mapping[str, str], refused: Sequence[str] = ()
) -> pd.DataFrame:
    """Count what was read, accepted and lost of every council.

    Parameters
    ----------
    parts : sequence of PartResult
    names : mapping of str to str
        Council code -> name.
    refused : sequence of str
        Why returns that name no council were not read.

    Returns
    -------
    DataFrame
        Columns `LOSS_COLUMNS`, one row per council, and per return that names none. `share_lost`
        is the larger share, of children and of referrals, that were set aside; 1 where nothing of
        the council can be used.
        Records that another stands for (merged, superseded) are not lost. `words` is the line that
        is shown.
    """
    rows = [_measure(part, code, names.get(code, code)) for part in parts for code in part.councils]
    for why in refused:
        counts = dict.fromkeys(LOSS_COLUMNS[2:-3], 0)
        own = {"council_code": "", "council": UNKNOWN, "share_lost": 1.0, "failed": why}
        rows.append({**own, **counts, "words": f"NOT READ: {why}"})
    return pd.DataFrame(rows, columns=list(LOSS_COLUMNS)).sort_values(
        "council_code", ignore_index=True
    )


def _measure(part: PartResult, code: str, name: str) -> dict[str, object]:
    counts: dict[str, object] = {}
    shares = []
    for table in COUNTED:
        own = _count(part.summary, code, table)
        counts |= {f"{table}_{outcome}": own[outcome] for outcome in OUTCOMES}
        shares.append(own["set_aside"] / own["records"] if own["records"] else 0.0)
    row: dict[str, object] = {"council_code": code, "council": name, **counts}
    row |= {"share_lost": 1.0 if part.failed else max(shares), "failed": part.failed}
    return row | {"words": _word(row, part, code)}


def _count(summary: pd.DataFrame, code: str, table: str) -> dict[str, int]:
    if not len(summary):
        return dict.fromkeys(OUTCOMES, 0)
    own = summary[(summary["council_code"] == code) & (summary["table"] == table)]
    return {outcome: int(own[outcome].sum()) for outcome in OUTCOMES}


def _word(row: Mapping[str, object], part: PartResult, code: str) -> str:
    told = [
        f"{row[f'{table}_records']:,} {table} read, {row[f'{table}_accepted']:,} accepted"
        + _word_rest(row, table)
        for table in COUNTED
    ]
    issues = part.issues[part.issues["council_code"] == code]
    told_elsewhere = issues["severity"].isin(["note", *RULE_SEVERITIES])
    shown = issues[~told_elsewhere & (issues["rule"] != OTHER_DATE_FORM)]
    kinds = shown.groupby("rule").size().sort_values(ascending=False)
    named = ", ".join(f"{rule.replace('_', ' ')} {count:,}" for rule, count in kinds.items())
    words = f"{row['council']}: " + "; ".join(told) + (f"; issues: {named}" if named else "")
    words += _advise_dates(issues)
    broken = issues.loc[issues["severity"].isin(RULE_SEVERITIES), "rule"]
    if len(broken):
        where = f"{len(broken):,} place{'' if len(broken) == 1 else 's'}"
        words += f"; {broken.nunique()} of DfE's rules broken in {where}"
    if row["failed"]:
        return f"{words}; NOT USED: {row['failed']}"
    share = row["share_lost"]
    return f"{words}; lost {100 * share:.1f}%" if share else words  # type: ignore[operator]


def _advise_dates(issues: pd.DataFrame) -> str:
    """Say what to write in a mapping file for dates in another form."""
    forms = issues.loc[issues["rule"] == OTHER_DATE_FORM, "field"].unique()
    return "".join(
        f"; dates look like {form}: if so, write in a mapping file, under [dates], "
        f'format = "{form}", and give it with --mapping'
        for form in forms
    )


def _word_rest(row: Mapping[str, object], table: str) -> str:
    rest = {"set_aside": "set aside", "merged": "merged", "superseded": "superseded"}
    told = [
        f"{row[f'{table}_{key}']:,} {words}" for key, words in rest.items() if row[f"{table}_{key}"]
    ]
    return f" ({', '.join(told)})" if told else ""
