"""Put off compiling grammars that a run does not need.

`papermill` and `nbformat` import `jsonschema`, whose check of the format ``iri`` imports
`rfc3987_syntax`; that package compiles 38 grammars when it is imported, which takes longer than
everything else together. Notebooks hold no such text. Here it is imported when the first one is
checked, so that no check is lost.
"""

from __future__ import annotations

import sys
from types import ModuleType

NAME = "rfc3987_syntax"


def defer_grammars() -> None:
    """Import `rfc3987_syntax` only when something is checked with it; to be called first."""
    if NAME in sys.modules:
        return
    later = ModuleType(NAME, "Stands in until a text is checked.")
    setattr(later, "is_valid_syntax", _is_valid_syntax)  # noqa: B010
    sys.modules[NAME] = later


def _is_valid_syntax(term: str, text: str) -> bool:
    if not hasattr(sys.modules.get(NAME), "__file__"):
        sys.modules.pop(NAME, None)
    from rfc3987_syntax import is_valid_syntax

    return bool(is_valid_syntax(term, text))
