"""Read the words that a PDF shows, and what it carries besides."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pypdfium2

from pilot_eval.disclosure.release.files.content import Content
from pilot_eval.disclosure.release.files.pictures import LARGEST_TEXT, readable

MOST_PAGES = 2000
"""Pages of a document; of a longer one none is read."""
PDF_STREAM = re.compile(rb"\bstream\r?\n.*?\bendstream\b", re.S)
PDF_STRING = re.compile(
    rb"\(((?:[^()\\]|\\.)*)\)|<((?:[0-9A-Fa-f]{2}\s*){4,}[0-9A-Fa-f]?)>|<\?xpacket.*?\?xpacket",
    re.S,
)
PDF_WORDS = re.compile(
    rb"T[jJ]\b|/(?:Contents|Title|Author|Subject|Keywords|TU?|V|Alt|ActualText)\s*[(<]"
)
PDF_MARKUP = re.compile(rb"\A\W{0,4}<[?!a-zA-Z]|<(?:x|rdf|xmp)\w*:")
PDF_OCTAL = re.compile(rb"\\([0-7]{1,3})")
PDF_HIDES = {
    b"/EmbeddedFile": "embedded files",
    b"/Encrypt": "encrypted parts",
    b"/JavaScript": "scripts",
    b"/ASCII85Decode": "parts packed by ASCII85",
    b"/ASCIIHexDecode": "parts packed by ASCIIHex",
    b"/LZWDecode": "parts packed by LZW",
}


def read_pdf(path: Path) -> Content:
    """Read a PDF's pages, properties and attached metadata.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
        Texts only: of a page as it is read, hidden and white words too.
    """
    data = path.read_bytes()
    kept = PDF_STREAM.sub(_keep_metadata, data)  # packed bytes look like strings by chance
    found = [_pdf_string(match) for match in PDF_STRING.finditer(kept)]
    streams = [_read_stream(match) for match in PDF_STREAM.finditer(data)]
    words = [word for stream in streams for word in _drawn_words(stream)]
    unpacked = b"".join([data, *streams])
    hidden = [name for sign, name in PDF_HIDES.items() if sign in unpacked]
    texts = [
        *(("metadata", readable(stream)) for stream in streams if PDF_MARKUP.search(stream)),
        ("properties", "\n".join(found)),
        ("pages", " ".join(words)),
        ("pages", "".join(words)),
    ]
    try:
        texts += _read_pages(data)
    except pypdfium2.PdfiumError:
        hidden.append("pages")
    return Content(texts=texts, titled=b"/Title" in data, unread=hidden)


def _read_pages(data: bytes) -> Iterator[tuple[str, str]]:
    with contextlib.closing(pypdfium2.PdfDocument(data)) as document:
        if len(document) > MOST_PAGES:
            raise pypdfium2.PdfiumError("more pages than are read")
        for number, page in enumerate(document, start=1):
            yield f"page {number}", page.get_textpage().get_text_bounded()


def _read_stream(match: re.Match[bytes]) -> bytes:
    """Unpack a stream of objects, page or form; fonts and pictures are left as they are packed."""
    body = match[0].partition(b"stream")[2].lstrip(b"\r\n")
    with contextlib.suppress(zlib.error):  # not packed
        return zlib.decompressobj().decompress(body, LARGEST_TEXT)
    return body


def _drawn_words(stream: bytes) -> list[str]:
    """Read the words of a stream of objects, of notes and properties among them."""
    if not PDF_WORDS.search(stream):
        return []
    words = [_pdf_string(match) for match in PDF_STRING.finditer(stream)]
    return [word for word in words if word.isprintable()]


def _keep_metadata(match: re.Match[bytes]) -> bytes:
    return match[0] if b"<?xpacket" in match[0] else b""


def _pdf_string(match: re.Match[bytes]) -> str:
    if match[2]:
        digits = b"".join(match[2].split())
        data = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
    else:
        data = PDF_OCTAL.sub(lambda octal: bytes([int(octal[1], 8) % 256]), match[1] or match[0])
    wide = data.startswith(b"\xfe\xff")
    return data.decode("utf-16" if wide else "latin-1", "replace")
