"""Change one operator at a time in the numerical core and see whether a test notices.

    python benchmarks/mutants.py map                  which test runs which line, and how long
    python benchmarks/mutants.py run [--count 320]    the sample, drawn with a fixed seed
    python benchmarks/mutants.py check                the unchanged code passes the killing tests
    python benchmarks/mutants.py show                 the figure, and what survived

Unix: each mutant is a forked process that changes the functions as they are loaded; files stay as
they are. A mutant meets the quick tests, and those of `ALSO`, that run its line, the narrowest
first, then those that run another line of its module, until they would take `--budget` seconds.
Tests that compare with committed results are left out. A failing test or a run that does not end is
a kill. Results: `mutants.csv`; survivors that no test could notice, with the reason:
`mutants_equivalent.csv`. The sample belongs to the code as it is: changed code, another sample.

Not changed: annotations, decorators, the wording of refusals (inside `raise`), strings,
`strict=` (a second check of lengths that the callers' checks make unreachable) and tolerances below
`SMALLEST`.
"""

from __future__ import annotations

import argparse
import ast
import csv
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from pilot_eval import run_cache

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from measure_coverage import ALSO  # noqa: E402

SOURCE = ROOT / "src" / "pilot_eval"
HERE = Path(__file__).resolve().parent
RESULTS, EQUIVALENT = HERE / "mutants.csv", HERE / "mutants_equivalent.csv"
SEED = 2011
CORE = (
    *("inference/*.py", "estimation/*.py", "design/*.py", "disclosure/protect/*.py"),
    *("records/clock_rows.py", "records/durations.py", "records/periods.py"),
    "reference/working_days.py",
)
TESTS = ("tests/unit", "tests/properties", "tests/reference")
#: These compare with committed results, or with the hash of the code; or cannot be forked.
YESTERDAY = (
    *("test_moved_numbers", "test_code_hash", "test_one_verdict", "test_wheel"),
    *("test_specification_grid", "test_charts"),
    "test_replication_packages",  # others' compiled code fails in a forked process
)
MARKS = "not browser and not slow"
KILLED, TIMED_OUT, SURVIVED = "killed", "timed out", "survived"


@dataclass(frozen=True)
class Mutant:
    """One change: where, what, and what became of it."""

    module: str
    number: int
    line: int
    change: str
    outcome: str = ""
    test: str = ""
    tests: int = 0
    seconds: float = 0.0


UNCHANGED = Mutant("", -1, 0, "")

# ---------------------------------------------------------------- what is changed

COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
PAIRS = (
    *(("any", "all"), ("min", "max"), ("nanmin", "nanmax"), ("minimum", "maximum")),
    *(("floor", "ceil"), ("argmin", "argmax"), ("mean", "sum"), ("nanmean", "nansum")),
    *(("left", "right"), ("cumsum", "cumprod"), ("var", "std")),
)
NAMES = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
SMALLEST = 1e-5  # floats below it are tolerances: twice as much is as good
SKIPPED = ("annotation", "returns", "decorator_list", "type_comment")
Change = tuple[int, str, Callable[[], None]]


def find_changes(tree: ast.AST) -> Iterator[Change]:
    """List every change of a module in a fixed order: line, words, and what makes it."""
    for node in _walk(tree):
        yield from _operator_changes(node)
        yield from _word_changes(node)
        yield from _statement_changes(node)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, ast.Raise) or _is_type_alias(node):
        return
    for name, value in ast.iter_fields(node):
        if name in SKIPPED:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and getattr(child, "arg", "") != "strict":
                yield from _walk(child)


def _is_type_alias(node: ast.AST) -> bool:
    """Say whether an assignment names a type, as ``Pool = PlaceboPool | PathPool``."""
    value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.AnnAssign) else None
    first = value
    while isinstance(first, ast.Subscript | ast.BinOp):
        first = first.value if isinstance(first, ast.Subscript) else first.left
    named = isinstance(first, ast.Name) and not first.id.isupper() and first.id[:1].isupper()
    return named and isinstance(value, ast.Subscript | ast.BinOp)


def _operator_changes(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            yield _set_item(node, node.ops, place, COMPARED[type(operator)]())
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in COMPUTED:
        if not any(_is_text(part) for part in ast.iter_child_nodes(node)):
            yield _set(node, "op", COMPUTED[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield _set(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp):
        yield _set(node, "op", ast.UAdd()) if isinstance(node.op, ast.USub) else _drop(node)


def _word_changes(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            yield _set(node, "value", not value)
        elif isinstance(value, int):
            yield _set(node, "value", value + 1)
        elif isinstance(value, float) and not 0 < value < SMALLEST:
            yield _set(node, "value", value * 2 or 1.0)
        elif value in ("left", "right"):
            yield _set(node, "value", NAMES[value])
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in NAMES:
            yield _set(node.func, "attr", NAMES[node.func.attr], shown=node)
        elif isinstance(node.func, ast.Name) and node.func.id in NAMES:
            yield _set(node.func, "id", NAMES[node.func.id], shown=node)


def _statement_changes(node: ast.AST) -> Iterator[Change]:
    for name in ("body", "orelse"):
        block = getattr(node, name, None)
        for place, child in enumerate(block if isinstance(block, list) else []):
            call = isinstance(child, ast.Expr) and isinstance(child.value, ast.Call)
            if call or isinstance(child, ast.Raise):
                yield _set_item(child, block, place, ast.Pass(), fixed=True)
            elif isinstance(child, ast.Break | ast.Continue):
                other = ast.Continue if isinstance(child, ast.Break) else ast.Break
                yield _set_item(child, block, place, other(), fixed=True)
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield _set(node, "test", ast.UnaryOp(ast.Not(), node.test), shown=node.test)
    if isinstance(node, ast.comprehension) and node.ifs:
        yield _set(node, "ifs", [], shown=node.ifs[0], words="filter dropped")


def _set(node: Any, name: str, value: Any, shown: Any = None, words: str = "") -> Change:
    shown = shown or node
    before = ast.unparse(shown)

    def make() -> None:
        setattr(node, name, value)
        ast.fix_missing_locations(node)

    return shown.lineno, (words and f"{before}: {words}") or f"{before} -> {_say(value)}", make


def _set_item(node: Any, items: list[Any], place: int, value: Any, fixed: bool = False) -> Change:
    def make() -> None:
        items[place] = ast.copy_location(value, node) if fixed else value

    return node.lineno, f"{ast.unparse(node)} -> {_say(value)}", make


def _drop(node: Any) -> Change:
    def make() -> None:
        inner = node.operand
        node.__class__, node.__dict__ = inner.__class__, dict(inner.__dict__)

    return node.lineno, f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", make


def _say(value: Any) -> str:
    if isinstance(value, ast.UnaryOp):
        return "negated"
    return type(value).__name__ if isinstance(value, ast.AST) else repr(value)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def list_mutants() -> list[Mutant]:
    """List every mutant of the core."""
    folder = SOURCE
    paths = sorted(path for pattern in CORE for path in folder.glob(pattern))
    return [
        Mutant(path.relative_to(folder).as_posix(), number, line, " ".join(change.split())[:160])
        for path in paths
        for number, (line, change, _) in enumerate(find_changes(_parse(path)))
    ]


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# ---------------------------------------------------------------- which tests run which line


class Recorder:
    """A pytest plugin: coverage by test, and what each took."""

    def __init__(self, coverage: Any) -> None:
        self.coverage, self.seconds, self.failed = coverage, {}, set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [
            item for item in items if item.path.stem in ALSO or not item.get_closest_marker("long")
        ]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.started = time.perf_counter()
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.coverage.switch_context("")
        self.seconds[nodeid] = time.perf_counter() - self.started

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.add(report.nodeid)


def write_map(target: Path) -> None:
    """Run the tests once under coverage; keep module -> line -> tests, and each test's seconds."""
    import coverage

    with tempfile.TemporaryDirectory() as folder:
        measured = coverage.Coverage(data_file=str(Path(folder, "data")), source=["pilot_eval"])
        measured.start()
        recorder = Recorder(measured)
        marks = ["-q", "-m", MARKS, "-p", "no:cacheprovider"]
        pytest.main([*marks, *TESTS], plugins=[recorder])
        measured.stop()
        data = measured.get_data()
        lines = {
            path.relative_to(SOURCE).as_posix(): {
                line: [test for test in tests if test]
                for line, tests in data.contexts_by_lineno(str(path)).items()
            }
            for path in map(Path, data.measured_files())
        }
    kept = {test: took for test, took in recorder.seconds.items() if test not in recorder.failed}
    target.write_text(json.dumps({"lines": lines, "seconds": kept}), encoding="utf-8")


def choose_tests(mutant: Mutant, known: dict[str, Any], budget: float) -> list[str]:
    """Choose the tests of the mutant's line, then of its module, the narrowest first."""
    seconds, lines = known["seconds"], known["lines"].get(mutant.module, {})
    breadth = count_lines(known)
    first, last = _statement(mutant)
    own = {test for line in range(first, last + 1) for test in lines.get(str(line), [])}
    others = {test for tests in lines.values() for test in tests} - own
    chosen, spent = [], 0.0
    for group in (own, others):
        for test in sorted(group & seconds.keys(), key=lambda test: (breadth[test], test)):
            if any(name in test for name in YESTERDAY):
                continue
            spent += seconds[test]
            if chosen and spent > budget:
                return chosen
            chosen.append(test)
    return chosen


def count_lines(known: dict[str, Any]) -> Counter[str]:
    """Count the lines that each test runs: narrow tests notice more, and sooner."""
    if "breadth" not in known:
        known["breadth"] = Counter(
            test for lines in known["lines"].values() for tests in lines.values() for test in tests
        )
    found: Counter[str] = known["breadth"]
    return found


def _statement(mutant: Mutant) -> tuple[int, int]:
    """Find the lines of the innermost statement around a mutant."""
    tree = _parse(SOURCE / mutant.module)
    around = [
        (node.lineno, node.end_lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= mutant.line <= (node.end_lineno or 0)
    ]
    first, last = min(around, key=lambda span: (span[1] or 0) - span[0])
    body = next(
        (
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and (node.lineno, node.end_lineno) == (first, last)
        ),
        None,
    )
    return first, (last or first) if body is None else (body.end_lineno or last or first)


# ---------------------------------------------------------------- one mutant


def apply_mutant(mutant: Mutant) -> None:
    """Put a change into the package as it is loaded: its function, or its module's constants."""
    name = "pilot_eval." + mutant.module.removesuffix(".py").replace("/", ".")
    module = importlib.import_module(name)
    tree = _parse(SOURCE / mutant.module)
    list(find_changes(tree))[mutant.number][2]()
    code = compile(ast.fix_missing_locations(tree), str(module.__file__), "exec", dont_inherit=True)
    changed = types.ModuleType(name)
    changed.__dict__.update({"__file__": module.__file__, "__package__": module.__package__})
    sys.modules[name] = changed  # dataclasses look their module up
    try:
        exec(code, changed.__dict__)
    finally:
        sys.modules[name] = module
    for key, new in list(vars(changed).items()):
        old = vars(module).get(key)
        if getattr(new, "__module__", name) != name or key.startswith("__"):
            continue
        if isinstance(new, type):
            _take_over_class(old, new)
        elif isinstance(_inner(new), types.FunctionType):
            _take_over(_inner(old), _inner(new))
        else:
            _replace_everywhere(key, old, new)


def _inner(value: Any) -> Any:
    """Find the function inside its decorators."""
    while hasattr(value, "__wrapped__"):
        value = value.__wrapped__
    return value


def _take_over(old: Any, new: Any) -> None:
    old.__code__, old.__defaults__, old.__kwdefaults__ = (
        *(new.__code__, new.__defaults__, new.__kwdefaults__),
    )


def _take_over_class(old: Any, new: Any) -> None:
    for key, value in vars(new).items():
        known = vars(old).get(key)
        value, known = (getattr(item, "fget", None) or item for item in (value, known))
        value, known = (_inner(getattr(item, "__func__", item)) for item in (value, known))
        both = isinstance(value, types.FunctionType) and isinstance(known, types.FunctionType)
        if both and value.__closure__ is None:
            _take_over(known, value)


def _replace_everywhere(key: str, old: Any, new: Any) -> None:
    """Give a constant its changed value wherever it was imported by its name."""
    for module in list(sys.modules.values()):
        known = getattr(module, "__dict__", {})
        if known.get(key) is old and (
            str(getattr(module, "__name__", "")).startswith(("pilot_eval", "test_"))
        ):
            known[key] = new


class Trials:
    """A pytest plugin: collect once, then fork for each mutant and run its tests, -x."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.known = options, json.loads(options.map.read_text(encoding="utf-8"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        options, share = self.options, self.options.share
        known = read_results(options.out)
        again = SURVIVED if options.again else None
        done = {(row.module, row.number) for row in known if row.outcome != again}
        sample = random.Random(SEED).sample(list_mutants(), options.count)
        if options.command == "check":
            self._check(items)
            return True
        for place, mutant in enumerate(sample):
            if (mutant.module, mutant.number) in done or place % share[1] != share[0]:
                continue
            chosen = choose_tests(mutant, self.known, options.budget)
            append_result(options.out, self._try(mutant, [items[test] for test in chosen]))
        return True

    def _check(self, items: dict[str, pytest.Item]) -> None:
        """Run each killing test on the unchanged code, in the same way: none may fail."""
        tests = {row.test for row in read_results(self.options.out)} & items.keys()
        faults = [test for test in sorted(tests) if self._try(UNCHANGED, [items[test]]).test]
        print(f"\n{len(tests)} killing tests; these fail on the unchanged code: {faults}")

    def _try(self, mutant: Mutant, items: list[pytest.Item]) -> Mutant:
        started = time.monotonic()
        took = sum(self.known["seconds"][item.nodeid] for item in items)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            _run_child(mutant, items, write)
        os.close(write)
        code = _wait(child, started + 60 + 5 * took)
        with os.fdopen(read) as handle:
            words = handle.read() if code is not None else ""
        outcome = TIMED_OUT if code is None else KILLED if code else SURVIVED
        found = {"outcome": outcome, "test": words, "tests": len(items)}
        seconds = round(time.monotonic() - started, 1)
        return Mutant(**{**asdict(mutant), **found, "seconds": seconds})


def _run_child(mutant: Mutant, items: list[pytest.Item], write: int) -> None:
    code = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.environ[run_cache.VARIABLE] = tempfile.mkdtemp()  # nothing that others computed
        if mutant.number >= 0:
            apply_mutant(mutant)
        for place, item in enumerate(items):
            following = items[place + 1] if place + 1 < len(items) else None
            reports = runtestprotocol(item, log=False, nextitem=following)
            if any(report.failed for report in reports):
                os.write(write, item.nodeid.encode())
                os._exit(1)
        code = 0
    except BaseException as fault:
        os.write(write, f"{type(fault).__name__} when loaded".encode())
    finally:
        os._exit(code)


def _wait(child: int, deadline: float) -> int | None:
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


# ---------------------------------------------------------------- the commands


def run_sample(options: argparse.Namespace) -> None:
    """Run the sample, keeping each result as it comes; what is there is not run again."""
    os.chdir(ROOT)
    quick = ["-q", "-m", MARKS, "-p", "no:cacheprovider", "-p", "no:randomly"]
    pytest.main([*quick, *TESTS], plugins=[Trials(options)])


def read_results(path: Path) -> list[Mutant]:
    """Read what is known so far: of each mutant the last result."""
    if not path.exists():
        return []
    kinds = {"number": int, "line": int, "tests": int, "seconds": float}
    with path.open(encoding="utf-8", newline="") as handle:
        rows = [
            Mutant(**{name: kinds.get(name, str)(text) for name, text in row.items()})
            for row in csv.DictReader(handle)
        ]
    return list({(row.module, row.number): row for row in rows}.values())


def append_result(path: Path, mutant: Mutant) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, [field.name for field in fields(Mutant)])
        if new:
            writer.writeheader()
        writer.writerow(asdict(mutant))


def show(options: argparse.Namespace) -> None:
    """Print the figure and the survivors."""
    rows = read_results(options.out)
    with EQUIVALENT.open(encoding="utf-8", newline="") as handle:
        equivalent = {(row["module"], row["change"]) for row in csv.DictReader(handle)}
    survived = [row for row in rows if row.outcome == SURVIVED]
    excused = [row for row in survived if (row.module, row.change) in equivalent]
    for row in survived:
        if row not in excused:
            print(f"{row.module}:{row.line} {row.change}")
    counted = len(rows) - len(excused)
    killed = counted - len(survived) + len(excused)
    print(Counter(row.outcome for row in rows))
    print(
        f"{killed} of {counted} mutants killed ({killed / counted:.1%}); "
        f"{len(excused)} of {len(rows)} equivalent ({len(excused) / len(rows):.1%})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("map", "run", "check", "show"))
    parser.add_argument("--count", type=int, default=320)
    parser.add_argument("--budget", type=float, default=40.0, help="seconds of tests per mutant")
    parser.add_argument("--again", action="store_true", help="run those that survived once more")
    parser.add_argument("--share", type=int, nargs=2, default=(0, 1), help="0 2: every other one")
    parser.add_argument("--map", type=Path, default=Path(tempfile.gettempdir(), "mutants_map.json"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.command == "map":
        os.chdir(ROOT)
        write_map(options.map)
    else:
        (show if options.command == "show" else run_sample)(options)


if __name__ == "__main__":
    main()
