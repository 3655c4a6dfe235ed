"""pilot_eval: evaluation of pilots that treat a few councils.

Public names load where they are first used, so that ``import pilot_eval`` stays fast.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "load_plan": "pilot_eval.plan",
    "load_published": "pilot_eval.published.council_indicators",
    "build_panel": "pilot_eval.published.panel",
    "build_design": "pilot_eval.design.build",
    "evaluate": "pilot_eval.evaluation",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> object:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'pilot_eval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
