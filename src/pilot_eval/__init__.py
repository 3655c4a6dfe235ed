"""pilot_eval: evaluation of pilots that treat a few councils.

Public names load where they are first used, so that ``import pilot_eval`` stays fast.
"""

from importlib import import_module

__version__ = "0.2.0"

_PUBLIC = {
    "build_design": "pilot_eval.design.build",
    "build_panel": "pilot_eval.published.panel",
    "choose_parameters": "pilot_eval.app.parameter_form",
    "compare": "pilot_eval.evaluation.plan_comparison",
    "design_pilot": "pilot_eval.checks.next_pilot",
    "difference_in_differences": "pilot_eval.frames",
    "evaluate": "pilot_eval.evaluation",
    "event_study": "pilot_eval.frames",
    "group_time": "pilot_eval.frames",
    "imputation": "pilot_eval.frames",
    "load_plan": "pilot_eval.plan",
    "load_published": "pilot_eval.published.council_indicators",
    "plot_councils": "pilot_eval.evidence_views",
    "robust_test": "pilot_eval.frames",
    "synthetic_did": "pilot_eval.frames",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> object:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    from difflib import get_close_matches

    near = get_close_matches(name, _PUBLIC, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module 'pilot_eval' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted(__all__)
