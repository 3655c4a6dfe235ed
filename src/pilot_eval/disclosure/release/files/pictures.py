"""Read what pictures carry besides what they show."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from pilot_eval.disclosure.release.files.content import Content

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8"
JPEG_SIGN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.S)
PLAIN = {b"tEXt", b"iTXt", b"zTXt", b"eXIf"}
#: Chunks of the PNG standard that carry no words; any other is somebody's own.
DRAWN = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"sBIT", b"sRGB"}
DRAWN |= {b"bKGD", b"hIST", b"pHYs", b"tIME", b"acTL", b"fcTL", b"fdAT"}
LARGEST_TEXT = 1_000_000
"""Bytes that packed words may unpack to."""
TITLES = ("title", "description")
READABLE = re.compile(rb"[\x20-\x7e]{4,}|(?:[\x20-\x7e]\0){4,}|(?:\0[\x20-\x7e]){4,}")


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
        texts = [("metadata", readable(segment)) for segment in _jpeg_segments(data)]
    else:
        return Content(unread=["picture"])
    return Content(texts=texts, titled=any(name.lower() in TITLES for name, _ in texts))


def _png_texts(data: bytes) -> Iterator[tuple[str, str]]:
    at, pixels = len(PNG_START), b""
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind in PLAIN:
            yield _png_text(kind, body)
        elif kind == b"iCCP":
            name, _, profile = body.partition(b"\0")
            yield "colour profile", readable(name + b"\n" + _unpack(profile[1:]))
        elif kind == b"IDAT":
            pixels += body
        elif kind not in DRAWN:
            yield "private chunk", readable(body)
        at += 12 + length
        if kind == b"IEND":
            break
    yield "after the picture", readable(_after_pixels(pixels) + data[at:])


def _after_pixels(pixels: bytes) -> bytes:
    """Give what stands behind the packed pixels; broken ones are a fault of the file."""
    unpacker = zlib.decompressobj()
    left = pixels
    while left and not unpacker.eof:
        unpacker.decompress(left, LARGEST_TEXT)
        left = unpacker.unconsumed_tail
    return unpacker.unused_data


def _png_text(kind: bytes, body: bytes) -> tuple[str, str]:
    if kind == b"eXIf":
        return "exif", readable(body)
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
    """Yield the application and comment segments, between scans too, and what follows the end."""
    at = len(JPEG_START)
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xD9:
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if 0xE0 <= data[at + 1] <= 0xEF or data[at + 1] == 0xFE:
            yield data[at + 4 : at + 2 + length]
        scan = data[at + 1] == 0xDA
        at += 2 + length
        if scan:  # packed pixels: up to the next sign that is neither stuffing nor a restart
            following = JPEG_SIGN.search(data, at)
            at = following.start() if following else len(data)
    yield data[at:]


def readable(data: bytes) -> str:
    """List the runs of words in bytes, of one or of two bytes a letter.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    str
        A run a line.
    """
    return "\n".join(run.replace(b"\0", b"").decode("ascii") for run in READABLE.findall(data))
