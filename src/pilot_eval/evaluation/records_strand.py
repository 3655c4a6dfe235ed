"""Children's records to evidence: the composition of the census strand.

The rows have the columns and methods of the published strand and never mix with them: their
strand is `census` or `simulated`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import pandas as pd

from pilot_eval.design.records_design import CensusDesign, crossed_breaks
from pilot_eval.design.treatment import freed_from
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.census_changes import (
    CensusSettings,
    OutcomeChanges,
    compute_changes,
)
from pilot_eval.estimation.census_units import combine_curves, select_units
from pilot_eval.estimation.council_changes import CouncilChanges, concat_changes, leave_out
from pilot_eval.estimation.distribution import estimate_distribution
from pilot_eval.evaluation.council_effects import EFFECT_COLUMNS
from pilot_eval.evaluation.published_strand import DROPPED_COLUMNS
from pilot_eval.evaluation.units import (
    CITATIONS,
    detect_effects,
    number_result,
    run_methods,
    word_settings,
)
from pilot_eval.evidence import Evidence, build_evidence_table
from pilot_eval.evidence_row import EvidenceRow
from pilot_eval.inference import (
    size_adjusted_test,
)
from pilot_eval.inference.simultaneous import simultaneous_band
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.bands import name_share
from pilot_eval.records.census_panel import LIMIT_DAYS
from pilot_eval.records.durations import CLOCKS
from pilot_eval.records.schema import CensusTables

BAND_NUMBERS = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
BAND_COLUMNS = (*BAND_NUMBERS, "n_treated", "n_comparators", "reason")
CURVE_COLUMNS = ("treated_after", "counterfactual")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CensusChanges:
    """All changes of all councils, collapsed from their records.

    Attributes
    ----------
    strand, source : str
        From the tables.
    settings : CensusSettings
    outcomes : mapping of str to OutcomeChanges
    distributions : mapping of str to CouncilChanges
        Changes of F(k) by clock.
    """

    strand: str
    source: str
    settings: CensusSettings
    outcomes: Mapping[str, OutcomeChanges]
    distributions: Mapping[str, CouncilChanges]


def collapse_part(
    tables: CensusTables, settings: CensusSettings, exemptions: pd.DataFrame | None = None
) -> CensusChanges:
    """Collapse the records of some whole councils.

    Parameters
    ----------
    tables : CensusTables
    settings : CensusSettings
    exemptions : DataFrame, optional
        As in `compute_durations`.

    Returns
    -------
    CensusChanges
    """
    outcomes, distributions = compute_changes(tables, settings, exemptions)
    return CensusChanges(
        strand=tables.strand,
        source=tables.source,
        settings=settings,
        outcomes=outcomes,
        distributions=distributions,
    )


def join_changes(
    parts: Sequence[CensusChanges], missing: Mapping[str, str] | None = None
) -> CensusChanges:
    """Put the changes of several parts of the councils together.

    Parameters
    ----------
    parts : sequence of CensusChanges
    missing : mapping of str to str, optional
        Council -> why its records cannot be compared, such as a return that was not given.

    Returns
    -------
    CensusChanges

    Raises
    ------
    DesignError
        If there is no part, strands are mixed or a council is in two parts.
    """
    strands = {part.strand for part in parts}
    if len(strands) != 1:
        got = f"{len(strands)} strands"
        action = "Keep real and simulated records apart, and name at least one part."
        raise DesignError(explain("parts", "be of one strand", got, action))
    first, why = parts[0], missing or {}
    return CensusChanges(
        strand=first.strand,
        source=first.source,
        settings=first.settings,
        outcomes={
            key: _join([part.outcomes[key] for part in parts], why) for key in first.outcomes
        },
        distributions={
            clock: leave_out(concat_changes([part.distributions[clock] for part in parts]), why)
            for clock in first.distributions
        },
    )


def evaluate_census(
    changes: CensusChanges,
    plan: EvaluationPlan,
    designs: Sequence[CensusDesign],
    *,
    data_hash: str = "",
) -> Evidence:
    """Evaluate every outcome of the census strand under every design.

    Parameters
    ----------
    changes : CensusChanges
        As from `join_changes`.
    plan : EvaluationPlan
        Inference settings and seed.
    designs : sequence of CensusDesign
        As from `design_census`.
    data_hash : str
        Stamp of the records, if there is one.

    Returns
    -------
    Evidence
        `table` has one row per design, outcome and method (robust, sharp, cr2) with strand
        ``census`` or ``simulated``; `effects` each treated council's own effect; `dropped` the
        councils left out and why.

    Examples
    --------
    >>> evaluate_census(changes, plan, [design_census(plan, scenario)])    # doctest: +SKIP
    """
    stamp: dict[str, Any] = {"plan_hash": plan.hash, "data_hash": data_hash}
    rows: list[EvidenceRow] = []
    effects: list[dict[str, object]] = []
    dropped: list[dict[str, object]] = []
    for design in designs:
        for key, outcome in changes.outcomes.items():
            label = {"scenario": design.scenario, "outcome": key}
            rows += [replace(row, **stamp) for row in estimate_outcome(changes, plan, design, key)]
            if outcome.changes is None:
                continue
            effects += [label | row for row in _council_effects(plan, design, outcome.changes)]
            dropped += [label | row for row in _dropped(plan, design, outcome.changes)]
    return Evidence(
        table=build_evidence_table(rows),
        effects=pd.DataFrame(effects, columns=list(EFFECT_COLUMNS)),
        dropped=pd.DataFrame(dropped, columns=list(DROPPED_COLUMNS)),
    )


def estimate_outcome(
    changes: CensusChanges, plan: EvaluationPlan, design: CensusDesign, key: str
) -> Iterator[EvidenceRow]:
    """Yield one evidence row a method for an outcome, estimated or not estimable."""
    outcome = changes.outcomes[key]
    label = _label(plan, changes, design, key)
    if outcome.changes is None:
        yield EvidenceRow(**label, method="none", status="not_estimable", reason=outcome.reason)
        return
    units, treated = select_units(outcome.changes, design)
    names = [plan.names.get(code, code) for code in treated]
    label |= {
        "treated": "; ".join(names),
        "seen": len(names),
        "n_treated": int(units.treated.sum()),
        "n_comparators": int((~units.treated).sum()),
    }
    if not units.treated.any() or units.treated.all():
        reason = "no treated council or no comparator has figures in every window"
        yield EvidenceRow(**label, method="none", status="not_estimable", reason=reason)
        return
    results = run_methods(plan, units)
    detectable = detect_effects(plan, units, results)
    for method, result in results.items():
        yield EvidenceRow(
            **label
            | number_result(result)
            | {
                "method": method,
                "estimate_low": result.estimate,
                "estimate_high": result.estimate,
                "mde": detectable[method],
                "status": "not_estimable" if isnan(result.estimate) else "estimated",
                "reason": "; ".join(filter(None, [result.reason, outcome.note])),
                "settings": word_settings(
                    plan,
                    method,
                    data_cut=changes.settings.data_cut,
                    working_days=changes.settings.convention,
                ),
                "citation": CITATIONS[method],
            }
        )


def evaluate_distributions(
    changes: CensusChanges, plan: EvaluationPlan, designs: Sequence[CensusDesign]
) -> pd.DataFrame:
    """Estimate the effect on the share finished by every day, with simultaneous bands.

    Parameters
    ----------
    changes, plan, designs
        As in `evaluate_census`.

    Returns
    -------
    DataFrame
        One row per design, clock, method (robust, sharp) and day: strand, scenario, clock, method,
        day, estimate, std_error, conf_low, conf_high (the whole curve lies in the band with the
        plan's probability), p_value (of no effect on any day), treated_after, counterfactual
        (shares), n_treated, n_comparators, reason.
    """
    frames = []
    for design in designs:
        for clock, curves in changes.distributions.items():
            units, place = combine_curves(curves, design)
            effect = estimate_distribution(units, place)
            label = {"strand": changes.strand, "scenario": design.scenario, "clock": clock}
            for method in ("robust", "sharp"):
                band = simultaneous_band(
                    units.change,
                    place,
                    units.cases,
                    method=method,
                    draws=plan.inference.draws,
                    seed=plan.seed,
                    alpha=plan.inference.alpha,
                )
                shown = {name: getattr(band, name) for name in BAND_COLUMNS}
                shown |= {name: getattr(effect, name) for name in CURVE_COLUMNS}
                frames.append(
                    pd.DataFrame({**label, "method": method, "day": effect.days, **shown})
                )
    return pd.concat(frames, ignore_index=True)


def _join(parts: Sequence[OutcomeChanges], missing: Mapping[str, str]) -> OutcomeChanges:
    known = [part.changes for part in parts if part.changes is not None]
    if not known:
        return parts[0]
    return replace(parts[0], changes=leave_out(concat_changes(known), missing))


def _label(
    plan: EvaluationPlan, changes: CensusChanges, design: CensusDesign, key: str
) -> dict[str, Any]:
    outcome, settings = changes.outcomes[key], changes.settings
    return {
        "strand": changes.strand,
        "scenario": design.scenario,
        "outcome": key,
        "family": outcome.family,
        "unit": outcome.unit,
        "harm": outcome.harm,
        "n_treated": len(design.treated),
        "n_comparators": len(design.comparators),
        "seen": 0,
        "listed": len(design.treated),
        "pre_periods": " ".join(f"{w.first}/{w.last}" for w in settings.pre),
        "post_periods": " ".join(f"{w.first}/{w.last}" for w in settings.post),
        "fragile": False,
        **_real_world(plan, changes, design, outcome.clock),
    }


def _real_world(
    plan: EvaluationPlan, changes: CensusChanges, design: CensusDesign, clock: str
) -> dict[str, Any]:
    """Name the breaks crossed and the councils freed; invented children have neither."""
    if changes.strand != "census" or not clock:
        return {}
    first, last = changes.settings.pre[0].first, changes.settings.post[-1].last
    share = name_share(clock, LIMIT_DAYS[clock][-1])  # whose breaks the clock shares
    breaks = crossed_breaks(plan, share, first, last)
    requirement = CLOCKS[clock].requirement or None
    return {"breaks": "; ".join(breaks), "freed": freed_from(plan, requirement, design.treated)}


def _council_effects(
    plan: EvaluationPlan, design: CensusDesign, changes: CouncilChanges
) -> Iterator[dict[str, object]]:
    """Yield each treated council's own effect, with a size-adjusted interval."""
    names = plan.names
    for code in design.treated:
        if code not in changes.councils:
            continue
        alone = CensusDesign(
            scenario=design.scenario, treated=(code,), comparators=design.comparators, clusters={}
        )
        units, _ = select_units(changes, alone)
        result = size_adjusted_test(
            units.change, units.treated, units.cases, alpha=plan.inference.alpha
        )
        yield {
            "council_code": code,
            "council_name": names.get(code, code),
            "effect": result.estimate,
            "effect_low": result.estimate,
            "effect_high": result.estimate,
            "conf_low": result.conf_low,
            "conf_high": result.conf_high,
            "p_value": result.p_value,
        }


def _dropped(
    plan: EvaluationPlan, design: CensusDesign, changes: CouncilChanges
) -> Iterator[dict[str, object]]:
    names = plan.names
    for role, codes in (("treated", design.treated), ("comparator", design.comparators)):
        for code in codes:
            if code not in changes.councils:
                yield {
                    "council_code": code,
                    "council_name": names.get(code, code),
                    "role": role,
                    "reason": changes.dropped.get(code, "no records"),
                }
