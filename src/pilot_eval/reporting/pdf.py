"""A PDF of the report, printed by a browser where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from datetime import date
from pathlib import Path

PDF_NAME = "report.pdf"
NO_BROWSER = "not made: no Chromium, Chrome or Edge was found; print the pages from yours"
PRINT_SECONDS = 60
# The same report gives the same bytes: the time of the run is in manifest.json, not here.
_PAGES = re.compile(rb"(\d+) 0 obj\s*<<\s*/Type /Pages?\b(.*?)endobj", re.DOTALL)
_CHILDREN = re.compile(rb"/Kids \[([^\]]*)\]")
_REFERENCE = re.compile(rb"(\d+) 0 R")
_DESTINATION = re.compile(rb"/([^\s/\[\]<>()]+) \[(\d+) 0 R /XYZ ")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
DATED = re.compile(rb"(/(?:CreationDate|ModDate) \(D:)\d{14}")
UNTAGGED = ("--disable-pdf-tagging",)
"""Flags of a draft, of which nothing is read but where its pages begin: a quarter of the work."""
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "chrome",
    "msedge",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
)


def find_browser() -> str | None:
    """Find a browser that prints.

    Returns
    -------
    str or None
    """
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def read_page_numbers(content: bytes) -> dict[str, int]:
    """Find on which page of a printed document each place with an id that is linked to stands.

    Parameters
    ----------
    content : bytes
        A PDF as a browser prints it: named destinations, objects not compressed.

    Returns
    -------
    dict of str to int
        Id -> number of its page, from 1; empty where the file is written in another way.
    """
    nodes = {match[1]: match[2] for match in _PAGES.finditer(content)}
    children = {name: _CHILDREN.search(node) for name, node in nodes.items()}
    parents = {name: _REFERENCE.findall(found[1]) for name, found in children.items() if found}
    below = {name for names in parents.values() for name in names}
    waiting = [name for name in parents if name not in below]
    order: dict[bytes, int] = {}
    while waiting:
        name = waiting.pop()
        if name in parents:
            waiting += reversed(parents[name])
        else:
            order[name] = len(order) + 1
    return {
        _ESCAPED.sub(lambda code: bytes([int(code[1], 16)]), name).decode(): order[page]
        for name, page in _DESTINATION.findall(content)
        if page in order
    }


def print_pdf(
    document: str, folder: Path, dated: date, name: str = PDF_NAME, *, draft: bool = False
) -> bool:
    """Print an HTML document.

    Parameters
    ----------
    document : str
        Complete HTML, with everything it needs inside.
    folder : pathlib.Path
        Where to write.
    dated : date
        Written into the document in place of the time of printing.
    name : str
        Of the file.
    draft : bool
        Without the tags by which a screen reader reads it: to learn where pages begin.

    Returns
    -------
    bool
        False where there is no browser, or it made nothing.
    """
    browser = find_browser()
    if browser is None:
        return False
    target = (folder / name).resolve()
    with tempfile.TemporaryDirectory(prefix="pilot_eval-", ignore_cleanup_errors=True) as scratch:
        page = Path(scratch) / "report.html"
        page.write_text(document, encoding="utf-8")
        command = [
            browser,
            *FLAGS,
            *(UNTAGGED if draft else ()),
            f"--user-data-dir={scratch}/profile",
            f"--print-to-pdf={target}",
            page.as_uri(),
        ]
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PRINT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            target.unlink(missing_ok=True)
    if target.exists():
        day = f"{dated:%Y%m%d}000000".encode()
        target.write_bytes(DATED.sub(rb"\g<1>" + day, target.read_bytes()))
    return target.exists()
