"""The readings of a passage: as written, as a person sees it, and with what is encoded in it."""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import suppress

MOST_UNPACKED = 1_000_000
"""Bytes of an encoded payload that are read."""
_LAYERS = 3
_MOST_PAYLOADS = 1_000
_READABLE = 0.9
_SHORTEST = 8
# Letters of other scripts that look like Latin ones: all that begin or end an identifier.
_CYRILLIC = (
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0405\u0408"
)
_GREEK = "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
_ALIKE = dict(zip(_CYRILLIC + _GREEK, "ABEKMHOPCTYXISJ" + "ABEZHIKMNOPTYX", strict=True))
_FEW = 30
"""Kinds of letters that are faster replaced one after the other than all at once."""
_ESCAPE = re.compile(
    r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\u\{([0-9a-f]{1,6})\}|%([0-9a-f]{2})"
    r"|\\([0-9a-f]{1,6}) ?",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"(?<![\w+/=-])[\w+/-]{16,}={0,2}", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{20,}")
_BASE32 = re.compile(r"[A-Z2-7]{16,}(?:={1,6}(?![A-Z2-7]))?")
_BASE85 = re.compile(r"(?<!\S)[!-~]{20,4000}(?!\S)")
_A85, _B85 = re.compile("[!-uz]+"), re.compile(r"[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]+")
_QUOTED = re.compile(r"=([0-9A-F]{2})")
_UTF7 = re.compile(r"\+[A-Za-z0-9+/]{5,}-?")
# Words put together by a script: "A1" + "23", and the codes of their letters.
_JOINED = re.compile(r"[\"'`]\s*\+\s*[\"'`]")
_CODES = re.compile(r"(?<![\d.])\d{2,3}(?:\s*,\s*\d{2,3}){7,400}(?![\d.])")
_BACKWARDS = re.compile(
    "[\u202d\u202e]|direction\\s*:\\s*rtl|bidi-override|<[^<>]{1,200} dir=[\"']?rtl", re.IGNORECASE
)


def list_readings(text: str) -> list[str]:
    """List what a passage says: as it is written, as it is seen, and decoded.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str
        Without repetitions.

    Examples
    --------
    >>> list_readings("%41&#49;")
    ['%41&#49;', '%411', 'A1']
    """
    seen = read_as_person(text)
    readings = [text, seen, *_escaped(seen)]
    found = [seen]
    for _ in range(_LAYERS):
        found = [words for inner in found for words in _payloads(inner)][:_MOST_PAYLOADS]
        readings += found
    return list(dict.fromkeys(readings))


def _escaped(text: str) -> Iterator[str]:
    """Resolve escapes, escapes of escapes, quoted print, seven bits, and what a script joins."""
    for _ in range(_LAYERS):
        plain = _ESCAPE.sub(_letter, text)
        if plain == text:
            break
        yield plain
        text = plain
    if _JOINED.search(text):
        yield _JOINED.sub("", text)
    if _QUOTED.search(text):
        yield _QUOTED.sub(lambda match: chr(int(match[1], 16)), text.replace("=\n", ""))
    for match in _UTF7.finditer(text):
        with suppress(UnicodeDecodeError):
            yield match[0].encode("ascii").decode("utf-7")
    for match in _CODES.finditer(text):
        letters = [chr(int(code)) for code in match[0].split(",")]
        if all(" " <= letter <= "~" for letter in letters):
            yield "".join(letters)


def read_as_person(text: str) -> str:
    """Read a passage as a person sees it: entities resolved, other forms of letters, no ghosts.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    for _ in range(_LAYERS):
        plain = html.unescape(text)
        if plain == text:
            break
        text = plain
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    seen = {letter: _ALIKE.get(letter, _as_seen(letter)) for letter in set(plain)}
    other = {letter: form for letter, form in seen.items() if form != letter}
    if len(other) > _FEW:
        return plain.translate({ord(letter): form for letter, form in other.items()})
    for letter, form in other.items():
        plain = plain.replace(letter, form or "")
    return plain


def is_backwards(text: str) -> bool:
    """Say whether a passage asks to be shown from right to left.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    small = text.lower()
    hinted = any(word in small for word in ("\u202d", "\u202e", "rtl", "bidi-override"))
    return hinted and bool(_BACKWARDS.search(text))


def _as_seen(letter: str) -> str | None:
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.digit(letter))
    if kind in ("Pd", "Zs"):
        return "-" if kind == "Pd" else " "
    unseen = kind in ("Cf", "Mn", "Me") or (kind == "Cc" and letter not in "\n\r\t")
    return None if unseen else letter


def _letter(match: re.Match[str]) -> str:
    code = int(next(group for group in match.groups() if group), 16)
    return chr(code) if code < 0x110000 else match[0]


def _payloads(text: str) -> Iterator[str]:
    """Decode runs of base64 and hexadecimal digits that stand for words, packed or not."""
    for found in _distinct(_BASE64, text):
        run = found.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            data = base64.b64decode(run + "=" * (-len(run) % 4))
        except binascii.Error:
            continue
        yield from _words_in(data)
    for found in _distinct(_BASE32, text):
        run = found.rstrip("=")
        with suppress(ValueError):  # no such digits
            yield from _words_in(base64.b32decode(run + "=" * (-len(run) % 8)))
    for found in _distinct(_HEX, text):
        if len(found) % 2 == 0:
            yield from _words_in(bytes.fromhex(found))
    for found in _distinct(_BASE85, text):
        for digits, decode in ((_B85, base64.b85decode), (_A85, base64.a85decode)):
            if digits.fullmatch(found):
                with suppress(ValueError):  # a group that is too large
                    yield from _words_in(decode(found))


def _distinct(pattern: re.Pattern[str], text: str) -> list[str]:
    return list(dict.fromkeys(match[0] for match in pattern.finditer(text)))


def _words_in(data: bytes) -> Iterator[str]:
    for body in _unpack(data):
        words = body.decode("utf-16-le" if b"\0" in body[1:2] else "utf-8", "replace")
        if words.count("\ufffd") > (1 - _READABLE) * len(words):
            continue
        readable = sum(letter.isprintable() and letter != "\ufffd" for letter in words)
        if len(words) >= _SHORTEST and readable >= _READABLE * len(words):
            yield words


def _unpack(data: bytes) -> Iterator[bytes]:
    """Give data as they are, and unpacked where they begin as zlib's or gzip's do."""
    yield data
    if data[:2] == b"\x1f\x8b" or int.from_bytes(data[:2], "big") % 31 == 0:
        with suppress(zlib.error):
            yield zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(data, MOST_UNPACKED)
