"""The one place that strings stages together: a plan and figures become evidence."""

from pilot_eval.evaluation.batch_methods import conclude
from pilot_eval.evaluation.council_effects import EFFECT_COLUMNS, council_effects
from pilot_eval.evaluation.published_strand import DROPPED_COLUMNS, estimate_design, evaluate
from pilot_eval.evaluation.units import (
    FEWEST_TREATED,
    METHODS,
    collapse_councils,
    collapse_design,
    run_methods,
)

__all__ = [
    "DROPPED_COLUMNS",
    "EFFECT_COLUMNS",
    "FEWEST_TREATED",
    "METHODS",
    "collapse_councils",
    "collapse_design",
    "conclude",
    "council_effects",
    "estimate_design",
    "evaluate",
    "run_methods",
]
