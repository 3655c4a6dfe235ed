"""What a page of the report may hold and do: text from plans, tables and returns is text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.html import HtmlElement

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
"""What a page may do in a browser: show itself. It has no script, so none may run."""
MATHML = frozenset(
    re.findall(
        r"\w+",
        """math semantics annotation mrow mi mn mo ms mtext mspace mstyle mpadded mphantom menclose
        mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts mtable mtr mtd""",
    )
)
MATHML_SHARED = frozenset(
    re.findall(
        r"\w+",
        """display xmlns mathvariant stretchy fence form accent accentunder separator movablelimits
        lspace rspace minsize maxsize width height depth linethickness columnalign rowspacing
        columnspacing columnlines rowlines notation encoding scriptlevel displaystyle""",
    )
)
SHARED = {"id", "class", "title", "role", "tabindex"}
ACTIVE = re.compile("script|i?frame|object|embed|applet|form|base|meta|link|foreignobject", re.I)
PICTURES = ("data:image/png", "data:image/jpeg", "data:image/gif", "data:image/svg+xml;base64,")


def sanitise(body: str) -> str:
    """Keep of an HTML fragment what shows text, tables, pictures that are inside, and formulas.

    Parameters
    ----------
    body : str

    Returns
    -------
    str
        Without scripts, styles, handlers of events, forms, frames, and links other than ``http``,
        ``https``, ``mailto`` and relative ones.
    """
    import nh3

    return nh3.clean(
        body,
        tags={*nh3.ALLOWED_TAGS, *MATHML, "section"},
        attributes={**nh3.ALLOWED_ATTRIBUTES, "*": SHARED, **dict.fromkeys(MATHML, MATHML_SHARED)},
        attribute_filter=_keep_inside,
        generic_attribute_prefixes={"aria-"},
        url_schemes={"http", "https", "mailto", "data"},
        link_rel=None,
    )


def _keep_inside(tag: str, name: str, value: str) -> str | None:
    """Drop ``data:`` links that are no pictures, and pictures that would be fetched."""
    if name not in {"src", "href", "cite"}:
        return value
    inside = value.startswith(PICTURES)
    if tag == "img":
        return value if inside or not re.match(r"[a-z]+:|//", value, re.IGNORECASE) else None
    return None if value.lower().lstrip().startswith("data:") else value


def drop_active(root: HtmlElement) -> None:
    """Drop from a notebook's own HTML and pictures whatever runs or fetches.

    Parameters
    ----------
    root : lxml.html.HtmlElement
        Changed in place.
    """
    for element in [item for item in root.iter() if ACTIVE.fullmatch(str(item.tag))]:
        element.drop_tree()
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            word = re.sub(r"[\s\x00-\x1f]", "", value).lower()
            runs = name.lower().startswith("on") or word.startswith(("javascript:", "vbscript:"))
            page = word.startswith("data:") and not word.startswith(PICTURES)
            link = name.rpartition(":")[2] in {"href", "src", "srcset", "poster", "background"}
            fetched = element.tag != "a" and re.match(r"([a-z]+:)?//", word)
            if runs or (link and (page or fetched)):
                del element.attrib[name]
