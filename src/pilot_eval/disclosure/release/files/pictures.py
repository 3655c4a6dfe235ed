"""Read what pictures and PDF files carry besides what they show."""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from pilot_eval.disclosure.release.files.content import Content

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8"
PLAIN = {b"tEXt", b"iTXt", b"zTXt", b"eXIf"}
#: Chunks of the PNG standard that carry no words; any other is somebody's own.
DRAWN = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB"}
DRAWN |= {b"bKGD", b"hIST", b"pHYs", b"sPLT", b"tIME", b"acTL", b"fcTL", b"fdAT"}
LARGEST_TEXT = 1_000_000
"""Bytes that packed words may unpack to."""
TITLES = ("title", "description")
READABLE = re.compile(rb"[\x20-\x7e]{4,}")
# As XML and PDF write them; a picture's compressed body would yield chance "words".
PDF_STREAM = re.compile(rb"\bstream\r?\n.*?\bendstream\b", re.S)
PDF_STRING = re.compile(
    rb"\(((?:[^()\\]|\\.)*)\)|<(FEFF[0-9A-Fa-f]+)>|<\?xpacket.*?\?xpacket", re.S
)


def read_picture_file(path: Path) -> Content:
    """Read the metadata of a PNG or JPEG file.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    return read_picture(path.read_bytes())


def read_picture(data: bytes) -> Content:
    """Read the metadata of a PNG or JPEG picture.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    Content
        Texts only: what a picture shows is checked in the file with its numbers.
    """
    if data.startswith(PNG_START):
        texts = list(_png_texts(data))
    elif data.startswith(JPEG_START):
        texts = [("metadata", _readable(segment)) for segment in _jpeg_segments(data)]
    else:
        return Content(unread=["picture"])
    return Content(texts=texts, titled=any(name.lower() in TITLES for name, _ in texts))


def read_pdf(path: Path) -> Content:
    """Read a PDF's properties and attached metadata; its pages are set in glyphs, not letters.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    data = path.read_bytes()
    kept = PDF_STREAM.sub(_keep_metadata, data)  # packed bytes look like strings by chance
    found = [_pdf_string(match) for match in PDF_STRING.finditer(kept)]
    words = [word for stream in PDF_STREAM.finditer(data) for word in _drawn_words(stream[0])]
    return Content(
        texts=[("properties", "\n".join(found)), ("pages", " ".join(words))],
        titled=b"/Title" in data,
        unread=["embedded files"] if b"/EmbeddedFile" in data else [],
    )


def _drawn_words(stream: bytes) -> list[str]:
    """Read the words that a page draws as letters (most writers draw glyphs by number)."""
    body = stream.partition(b"stream")[2].lstrip(b"\r\n")
    with contextlib.suppress(zlib.error):  # not packed
        body = zlib.decompressobj().decompress(body, LARGEST_TEXT)
    if b"Tj" not in body and b"TJ" not in body:
        return []
    return [match[1].decode("latin-1") for match in PDF_STRING.finditer(body) if match[1]]


def _png_texts(data: bytes) -> Iterator[tuple[str, str]]:
    at = len(PNG_START)
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind in PLAIN:
            yield _png_text(kind, body)
        elif kind not in DRAWN:
            yield "private chunk", _readable(body)
        at += 12 + length
        if kind == b"IEND":
            break
    if data[at:]:
        yield "after the picture", _readable(data[at:])


def _png_text(kind: bytes, body: bytes) -> tuple[str, str]:
    if kind == b"eXIf":
        return "exif", _readable(body)
    keyword, _, rest = body.partition(b"\0")
    if kind == b"zTXt":
        rest = _unpack(rest[1:])
    elif kind == b"iTXt":
        packed, rest = rest[0], rest[2:].split(b"\0", 2)[-1]
        rest = _unpack(rest) if packed else rest
    return keyword.decode("latin-1"), rest.decode("utf-8", "replace")


def _unpack(data: bytes) -> bytes:
    """Unpack words; refuse those that unpack to far more than words are."""
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, LARGEST_TEXT)
    if unpacker.unconsumed_tail:
        raise ValueError("packed words too long to be read")
    return text


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """Yield the application and comment segments before the picture itself."""
    at = len(JPEG_START)
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if 0xE0 <= data[at + 1] <= 0xEF or data[at + 1] == 0xFE:
            yield data[at + 4 : at + 2 + length]
        at += 2 + length


def _readable(data: bytes) -> str:
    return "\n".join(run.decode("ascii") for run in READABLE.findall(data))


def _keep_metadata(match: re.Match[bytes]) -> bytes:
    return match[0] if b"<?xpacket" in match[0] else b""


def _pdf_string(match: re.Match[bytes]) -> str:
    if match[2]:
        return bytes.fromhex(
            match[2].decode()[4:].ljust(4, "0")[: len(match[2][4:]) // 2 * 2]
        ).decode("utf-16-be", "replace")
    return (match[1] or match[0]).decode("latin-1")
