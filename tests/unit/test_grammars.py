"""Grammars are compiled when a text is checked, and the check is the package's own."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from pilot_eval.app.grammars import defer_grammars
defer_grammars()
import papermill
print("lark" in sys.modules)
from jsonschema import Draft202012Validator as Validator, FormatChecker
check = Validator({"format": "iri"}, format_checker=Validator.FORMAT_CHECKER).is_valid
print(check("https://example.org/a"), check("no iri at all"), "lark" in sys.modules)
"""


def test_no_grammar_is_compiled_until_a_text_is_checked():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["False", "True", "False", "True"]
