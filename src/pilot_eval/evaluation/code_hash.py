"""A hash of what functions do, so that stored results are known to be of the present code."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from pilot_eval.run_cache import once_per_run

PACKAGE = "pilot_eval"
#: Syntax that does not change a result, or that differs between versions of Python.
IGNORED_FIELDS = frozenset({"annotation", "returns", "type_comment", "type_params", "ctx", "kind"})
IGNORED_NODES = (ast.Raise, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What a module defines: the syntax of each name, what it uses, and where imports are from."""

    written: dict[str, str]
    used: dict[str, frozenset[str]]
    imported: dict[str, tuple[str, str]]


def hash_code(*functions: Callable[..., object]) -> str:
    """Hash the syntax of functions and of all that they reach in this package.

    Comments, docstrings, types and error messages do not count, nor does the module in which a
    function stands.

    Parameters
    ----------
    *functions : callable
        Defined at the top of a module of this package.

    Returns
    -------
    str
        SHA-256, hexadecimal.

    Examples
    --------
    >>> len(hash_code(hash_code))
    64
    """
    reached: dict[tuple[str, str], str] = {}
    pending = [(function.__module__, function.__name__) for function in functions]
    while pending:
        place = pending.pop()
        if place in reached:
            continue
        module, name = place
        scope = _read_scope(module)
        reached[place] = scope.written.get(name, "")
        pending += [(module, used) for used in scope.used.get(name, ())]
        if name in scope.imported and name not in scope.written:
            pending.append(scope.imported[name])
    text = "\n".join(sorted(filter(None, reached.values())))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
@once_per_run
def _read_scope(module: str) -> _Scope:
    source = Path(str(import_module(module).__file__)).read_text(encoding="utf-8")
    defined: dict[str, list[ast.stmt]] = {}
    imported: dict[str, tuple[str, str]] = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.ImportFrom) and str(statement.module).startswith(PACKAGE):
            for alias in statement.names:
                origin = (str(statement.module), alias.name)
                imported[alias.asname or alias.name] = origin
        for name in _binds(statement):
            defined.setdefault(name, []).append(statement)
    return _Scope(
        written={name: _write(own) for name, own in defined.items()},
        used={
            name: frozenset(used for statement in own for used in _names(statement))
            for name, own in defined.items()
        },
        imported=imported,
    )


def _binds(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement uses, those in annotations and errors left out."""
    if isinstance(node, ast.Name):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field not in IGNORED_FIELDS:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not isinstance(child, IGNORED_NODES):
                    yield from _names(child)


def _write(part: object) -> str:
    """Write syntax as text that is the same in every version of Python."""
    if part is None or isinstance(part, IGNORED_NODES) or _is_docstring(part):
        return ""
    if isinstance(part, list):
        return ";".join(filter(None, map(_write, part)))
    if not isinstance(part, ast.AST):
        return repr(part)
    typed = not isinstance(part, (ast.ClassDef, ast.Module))
    fields = [
        f"{name}={text}"
        for name, value in ast.iter_fields(part)
        if name not in IGNORED_FIELDS
        and (
            text := _write([*_without_types(value)] if typed and isinstance(value, list) else value)
        )
    ]
    return f"{type(part).__name__}({','.join(fields)})"


def _without_types(statements: list[object]) -> Iterator[object]:
    """Yield a function's statements as they were without types.

    What an annotation alone has made necessary goes too: a name that is declared, and a name for
    what the next line returns.
    """
    parts = list(statements)
    while parts:
        part = parts.pop(0)
        if not isinstance(part, ast.AnnAssign):
            yield part
        elif part.value is not None:
            following = parts[0] if parts else None
            if isinstance(following, ast.Return) and _same_name(part.target, following.value):
                parts[0] = ast.Return(value=part.value)
            else:
                yield ast.Assign(targets=[part.target], value=part.value)


def _same_name(target: ast.expr, value: ast.expr | None) -> bool:
    return isinstance(target, ast.Name) and isinstance(value, ast.Name) and target.id == value.id


def _is_docstring(part: object) -> bool:
    return (
        isinstance(part, ast.Expr)
        and isinstance(part.value, ast.Constant)
        and isinstance(part.value.value, str)
    )
