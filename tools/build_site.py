"""Build the documentation site from the documents, the code and the committed notebooks.

    python3 run.py site [--out FOLDER]

Nothing is downloaded and nothing is estimated. A broken link, a page that no menu lists or a
docstring that cannot be read stops it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
FIRST_HEADING = re.compile(r"<h1[^>]*>.*?</h1>", re.DOTALL)
ELSEWHERE = {  # pages that are not in docs/ -> their place on the site
    "README.md": "front-page",
    "CHANGELOG.md": "changelog",
    "data/README.md": "data",
    "SECURITY.md": "security",
    "CONTRIBUTING.md": "contributing",
}
MENU = {
    "Start": ["front-page", "tasks"],
    "How to": [
        "pilot-folder",
        "own-data",
        "next-pilot",
        "for-analysts",
        "for-r-users",
        "for-databricks",
        "for-researchers",
        "local-indicators",
    ],
    "Reference": [
        "api",
        "reference-api",
        "command-line",
        "evidence",
        "glossary",
        "census-format",
        "messy-returns",
        "live-trial",
        "data",
    ],
    "Methods": [
        "methods",
        "methods-inference",
        "methods-estimators",
        "methods-checks",
        "methods-monitoring",
        "methods-unfinished-cases",
    ],
    "How far to trust it": [
        "assumptions",
        "validity",
        "head-to-head",
        "detection",
        "decisions/README",
        "assurance/README",
    ],
    "Gallery": ["gallery/index"],
}
REST = "Project"  # every page that no other menu lists
SETTINGS = {
    "project": "pilot_eval",
    "extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"],
    "html_theme": "furo",
    "html_title": "pilot_eval",
    "html_show_sourcelink": False,
    "html_show_sphinx": False,
    "html_copy_source": False,
    "myst_heading_anchors": 5,
    "napoleon_google_docstring": False,
    "napoleon_use_rtype": False,
    "autodoc_typehints": "none",
    "autodoc_member_order": "bysource",
    "suppress_warnings": ["myst.header"],
    "language": "en",
    "pygments_style": "a11y-high-contrast-light",
}


def main(arguments: list[str] | None = None) -> int:
    """Build the site; return 0, or 1 where something is broken."""
    parser = argparse.ArgumentParser(prog="run.py site", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "site", help="folder")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        stage(source)
        code = run_sphinx(source, options.out.resolve(), Path(folder) / "trees")
    if code == 0:
        write_for_machines(options.out)
        print(f"Written: {options.out / 'index.html'}")
    return code


def stage(source: Path) -> None:
    """Put all pages into one folder: documents, references from code, notebooks, menus."""
    shutil.copytree(ROOT / "docs", source)
    for path in source.rglob("*.md"):
        relink(path, ROOT / "docs" / path.relative_to(source), source)
    (source / "README.md").unlink()  # index.md takes its place
    for name, page in ELSEWHERE.items():
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, source / f"{page}.md")
            relink(source / f"{page}.md", ROOT / name, source)
    write_api(source / "reference-api.md")
    write_command_line(source / "command-line.md")
    write_gallery(source / "gallery")
    write_index(source)


def relink(page: Path, origin: Path, source: Path) -> None:
    """Point links of a page to where their targets are on the site; leave text where nowhere."""

    def place(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups()
        file = (origin.parent / target).resolve()
        try:
            name = file.relative_to(ROOT).as_posix()
        except ValueError:
            return text
        new = find_place(name, source)
        if new is None:
            return text
        up = "../" * (len(page.relative_to(source).parts) - 1)
        return f"{picture}[{text}]({up}{new}{anchor or ''})"

    page.write_text(LINK.sub(place, page.read_text(encoding="utf-8")), encoding="utf-8")


def find_place(name: str, source: Path) -> str | None:
    """Say where a file of the project is on the site; files that are data are copied there."""
    if name == "docs/README.md":
        return "index.md"
    if name in ELSEWHERE:
        return f"{ELSEWHERE[name]}.md"
    if name.startswith("docs/"):
        inside = name.removeprefix("docs/")
        return f"{inside}/README.md" if (ROOT / name).is_dir() else inside
    file = ROOT / name
    if file.suffix == ".ipynb":
        return f"gallery/{file.stem}.md"
    if file.suffix not in (".csv", ".png", ".toml", ".cff", ".json") or not file.is_file():
        return None
    target = source / "files" / name.replace("/", "-")
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(file, target)
    return f"files/{target.name}"


def write_api(page: Path) -> None:
    """Write the reference of every public name, and of what results can do."""
    import pilot_eval

    functions = [name for name in pilot_eval.__all__ if name != "__version__"]
    results = {
        "Evidence": "pilot_eval.evidence",
        "EffectEstimates": "pilot_eval.frames",
        "Comparison": "pilot_eval.evaluation.plan_comparison",
        "PilotDesign": "pilot_eval.checks.next_pilot",
        "InferenceResult": "pilot_eval.inference",
    }
    lines = ["# Functions and results\n", "What each is for: [public names](api.md).\n"]
    for name in functions:
        module = sys.modules[getattr(pilot_eval, name).__module__].__name__
        lines.append(f"## {name}\n\n```{{eval-rst}}\n.. autofunction:: {module}.{name}\n```\n")
    for name, module in results.items():
        options = "   :members:\n   :inherited-members:\n   :exclude-members: table, effects\n"
        body = f".. autoclass:: {module}.{name}\n{options if name != 'InferenceResult' else ''}"
        lines.append(f"## {name}\n\n```{{eval-rst}}\n{body}```\n")
    page.write_text("\n".join(lines), encoding="utf-8")


def write_command_line(page: Path) -> None:
    """Write the help of every command."""
    from pilot_eval.app.cli import build_parser

    parser = build_parser()
    [commands] = [action for action in parser._actions if isinstance(action.choices, dict)]
    lines = ["# Command line\n", f"```text\n{parser.format_help()}```\n"]
    for name, command in commands.choices.items():
        lines.append(f"## {name}\n\n```text\n{command.format_help()}```\n")
    page.write_text("\n".join(lines), encoding="utf-8")


def write_gallery(folder: Path) -> None:
    """Write every committed notebook as a page, with its outputs."""
    import nbformat

    from pilot_eval.reporting.html import make_accessible, read_title, render_notebook

    folder.mkdir()
    names = []
    for path in list_notebooks():
        body = make_accessible(render_notebook(nbformat.read(path, as_version=4)))
        title = read_title(body) or path.stem
        (folder / f"{path.stem}.html").write_text(FIRST_HEADING.sub("", body, count=1), "utf-8")
        raw = f"```{{raw}} html\n:file: {path.stem}.html\n```\n"
        (folder / f"{path.stem}.md").write_text(f"# {title}\n\n{raw}", encoding="utf-8")
        names.append(path.stem)
    tree = "\n".join(names)
    intro = "Every notebook as it was last executed, with its code and outputs."
    text = f"# Gallery\n\n{intro}\n\n```{{toctree}}\n:maxdepth: 1\n\n{tree}\n```\n"
    (folder / "index.md").write_text(text, encoding="utf-8")


def list_notebooks() -> list[Path]:
    """List the committed notebooks by name: the general ones and each pilot's own."""
    return sorted(
        [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("pilots/*/notebooks/*.ipynb")],
        key=lambda path: path.name,
    )


def write_index(source: Path) -> None:
    """Write the first page and its menus; what no menu lists is under the last."""
    there = {p.relative_to(source).with_suffix("").as_posix() for p in source.rglob("*.md")}
    listed = {name for names in MENU.values() for name in names}
    nested = {name for name in there if name.startswith("gallery/")} | {"index"}
    menus = {title: [n for n in names if n in there] for title, names in MENU.items()}
    menus[REST] = sorted(there - listed - nested)
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    page = source / "index.md"
    page.write_text(text, encoding="utf-8")
    relink(page, ROOT / "docs" / "README.md", source)
    with page.open("a", encoding="utf-8") as file:
        for title, names in menus.items():
            tree = "\n".join(names)
            file.write(f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{tree}\n```\n")


def run_sphinx(source: Path, out: Path, trees: Path) -> int:
    """Build the pages; a warning is an error."""
    from sphinx.application import Sphinx

    shutil.rmtree(out, ignore_errors=True)
    app = Sphinx(
        str(source),
        None,
        str(out),
        str(trees),
        "html",
        confoverrides=SETTINGS,
        status=None,
        warningiserror=True,
    )
    app.build()
    for left in (".buildinfo", "objects.inv"):
        (out / left).unlink(missing_ok=True)
    shutil.rmtree(out / "_sources", ignore_errors=True)
    for page in out.rglob("*.html"):
        page.write_text(mend(page.read_text(encoding="utf-8")), encoding="utf-8")
    return int(app.statuscode)


def mend(html: str) -> str:
    """Give the theme's headings a level and its side bar a name, and wide things the keyboard."""
    html = html.replace('role="heading"><span', 'role="heading" aria-level="2"><span')
    html = html.replace(
        '<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="Site">'
    )
    return reach_by_keyboard(html)


def reach_by_keyboard(html: str) -> str:
    """Let what scrolls sideways, wide tables and code, be reached and scrolled by keyboard."""
    html = html.replace('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper')
    return html.replace("<pre>", '<pre tabindex="0">')


def write_for_machines(out: Path) -> None:
    """Write `llms.txt` alongside the pages, and copy the default pilot's `answers.json`."""
    (out / "llms.txt").write_text("\n".join(describe_pages()) + "\n", encoding="utf-8")
    shutil.copyfile(ROOT / "reports" / "published" / "answers.json", out / "answers.json")


def describe_pages() -> Iterator[str]:
    """Describe the project and each page in one line (llmstxt.org)."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    yield "# pilot_eval"
    yield ""
    yield f"> {readme.split(chr(10) * 2)[1].replace(chr(10), ' ')}"
    yield ""
    yield "The findings, for machines: [answers.json](answers.json)."
    yield ""
    yield "## Pages"
    yield ""
    for line in (ROOT / "docs" / "README.md").read_text(encoding="utf-8").splitlines():
        found = re.match(r"\| \[([^\]]+)\]\(([^)]+)\.md[^)]*\) \| (.+) \|", line)
        if found and not found[2].startswith("../"):
            yield f"- [{found[1]}]({found[2]}.html): {found[3]}"


if __name__ == "__main__":
    sys.exit(main())
