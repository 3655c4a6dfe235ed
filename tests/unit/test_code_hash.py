"""The hash of code: types, docstrings and declared names leave it, behaviour moves it."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot_eval.evaluation.code_hash import _write

PLAIN = "def f(a, b):\n    c = a + b\n    d = c * {n}\n    return d - a"
TYPED = """def f(a{a}, b{b}){r}:
    {doc}c{c} = a + b
    {declared}d{d} = c * {n}
    {returned}"""
TYPES = st.sampled_from(["", ": int", ": np.ndarray", ": dict[str, float] | None"])


def write(code: str) -> str:
    return _write(ast.parse(code).body)


@given(a=TYPES, b=TYPES, c=TYPES, d=TYPES, n=st.integers(0, 9), more=st.booleans())
def test_types_docstrings_and_declarations_do_not_count(
    a: str, b: str, c: str, d: str, n: int, more: bool
) -> None:
    typed = TYPED.format(
        a=a,
        b=b,
        c=c,
        d=d,
        n=n,
        r=" -> int" if more else "",
        doc='"""Add."""\n    ' if more else "",
        declared="d: float\n    " if more and not d else "",
        returned="e: int = d - a\n    return e" if more else "return d - a",
    )
    assert write(typed) == write(PLAIN.format(n=n))
    assert write(typed) != write(PLAIN.format(n=n + 1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("class A:\n    x: int", "class A:\n    y: int"),
        ("class A:\n    x: int = 1", "class A:\n    x = 1"),
        ("def f(a):\n    b: int = a\n    return a", "def f(a):\n    return a"),
        ("def f(a):\n    b: int = a\n    return c", "def f(a):\n    return a"),
    ],
)
def test_fields_of_classes_and_values_count(one: str, other: str) -> None:
    assert write(one) != write(other)
