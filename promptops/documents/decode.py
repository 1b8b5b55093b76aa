"""Bytes to text: what the bytes prove first, then what the language in them makes likely.

A byte order mark, the zero bytes of UTF-16, and valid UTF-8 prove their encoding. Anything else is judged by the
letters it would decode to (``profiles``), and where no profile fits, by charset-normalizer.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from unicodedata import category

from promptops.documents.profiles import PROFILES, Profile
from promptops.errors import DocumentError

# UTF-32 before UTF-16: the little-endian mark of one begins with that of the other.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
_ESCAPED = (b"\x1b$", b"\x1b(J")
_WIDE = ("utf-16-le", "utf-16-be")
_TEXT_CONTROLS = b"\t\n\v\f\r\b\x1b"
_NOT_TEXT = bytes(set(range(0x20)) - set(_TEXT_CONTROLS)) + b"\x7f"
_ALL_BUT_CONTROLS = bytes(set(range(256)) - set(_NOT_TEXT))
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_ASCII = re.compile("[\x00-\x7f]+")
_HIGH_RUN = re.compile(b"[\x80-\xff]+")
# A sign such as ³ or ¿ inside a word is a letter of another encoding.
_SIGN_IN_WORD = re.compile(
    r"(?<=[^\W\d_])[\x80-\xa9\xab\xac\xae-\xb6\xb8\xb9\xbb-\xbf\u2020\u2021\u2039\u203a](?=[^\W\d_])"
)
# No word mixes Latin and Cyrillic letters.
_CYRILLIC_IN_WORD = re.compile("(?<=[A-Za-z])[\u0400-\u04ff]|[\u0400-\u04ff](?=[A-Za-z])")

SAMPLE = 20_000
"""Bytes, or characters, that a judgement looks at."""
_CONTEXT = 100
CONVINCING = 0.45
"""A profile's fit above which no second opinion is asked; the wrong encoding stays below 0.35 on ordinary prose."""
LIKELY = 0.25
"""A profile's share below which it is not taken even where there is no other answer."""
MAX_CONTROLS = 0.01
"""Share of control characters above which a file is binary; a stray one is left in a text as it is."""

BINARY = "looks like a binary file; convert it to text, HTML, PDF or DOCX"
UNKNOWN = "is in an encoding that cannot be told; convert it (iconv -f ENCODING -t UTF-8)"


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """The text of ``data`` and the name of its encoding, as Python calls it.

    ``declared`` is what the content itself says, such as an HTML page's meta element; it is believed where the bytes
    prove nothing and agree with it.

    Raises:
        DocumentError: the bytes are not text, are damaged, or are in an encoding that cannot be told.
    """
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            return _marked(data, codec), name
    if b"\0" in data:
        wide = _wide(data)
        if wide is not None:
            return wide
    proved = _escaped(data) or (None if _is_binary(data) else _utf8(data) or _declared(data, declared))
    return proved or _judged(data)


def _marked(data: bytes, codec: str) -> str:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        message = f"begins as {codec.removesuffix('-sig').upper()} but breaks at byte {error.start:,}; save it again"
        raise DocumentError(message) from error
    if _controls(text) > MAX_CONTROLS:
        raise DocumentError(BINARY)
    return text


def _wide(data: bytes) -> tuple[str, str] | None:
    """UTF-16 or UTF-32 without a mark: ASCII characters, if only the spaces, put their zero bytes on one side."""
    odd, even = data[1::2].count(0), data[0::2].count(0)
    order = "le" if odd > even else "be"
    for codec, unit in ("utf-32-le", 4), ("utf-32-be", 4), (f"utf-16-{order}", 2):
        text = _strictly(data, codec) if len(data) % unit == 0 else None
        if text and _controls(text) <= MAX_CONTROLS and _is_prose(text):
            return text, codec
    return None


def _is_prose(text: str) -> bool:
    """Whether it is a language: its letters in one block of Unicode, or the common ones of a large script.

    Numbers, and two ASCII characters read as one, are spread over all of Unicode.
    """
    sample = text[:SAMPLE]
    (_, most), *_ = Counter(ord(c) >> 8 for c in sample).most_common(1)
    return 2 * most >= len(sample) or any(_fit(sample, p) >= CONVINCING for p in PROFILES if not p.latin)


def _is_binary(data: bytes) -> bool:
    return len(data.translate(None, _ALL_BUT_CONTROLS)) > MAX_CONTROLS * len(data)


def _controls(text: str) -> float:
    """The share of control characters, those of the upper half included, since no text file has them."""
    sample = text[: 10 * SAMPLE]
    return len(_CONTROLS.findall(sample)) / max(len(sample), 1)


def _escaped(data: bytes) -> tuple[str, str] | None:
    """ISO-2022, which is all ASCII bytes and switches alphabets by escape sequences."""
    if not any(mark in data for mark in _ESCAPED) or not data.isascii():
        return None
    codec = "iso2022_kr" if b"\x1b$)C" in data else "iso2022_jp_2"
    text = _strictly(data, codec)
    return None if text is None else (text, codec)


def _utf8(data: bytes) -> tuple[str, str] | None:
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError as error:
        text = data.decode(errors="replace")
        # Bytes of another encoding form a valid sequence of UTF-8 by chance now and then, never most of the time.
        broken = text.count("\ufffd")
        if len(_ASCII.sub("", text)) >= 5 * broken:
            line = data.count(b"\n", 0, error.start) + 1
            places = f"{broken:,} damaged place" + "s, the first" * (broken > 1)
            message = f"is UTF-8 but for {places} in line {line:,}; mend it (iconv -c)"
            raise DocumentError(message) from error
    return None


def _declared(data: bytes, declared: str | None) -> tuple[str, str] | None:
    try:
        codec = codecs.lookup(_SUPERSETS.get(declared.lower(), declared)).name if declared else ""
    except LookupError:
        return None
    text = _strictly(data, codec) if codec and not codec.startswith("utf-") else None
    return (text, codec) if text is not None and not _CONTROLS.search(text) else None


_SUPERSETS = {
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ksc5601": "cp949", "shift_jis": "cp932", "x-sjis": "cp932",
    "shift-jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "latin1": "cp1252",
    "us-ascii": "cp1252", "iso-8859-9": "cp1254", "big5": "big5hkscs",
}  # fmt: skip
"""What browsers take a declared name for: the larger set that its writers really used."""


def _judged(data: bytes) -> tuple[str, str]:
    """The most convincing of the profiles' readings, and charset-normalizer's where none convinces."""
    binary = _is_binary(data)
    readings = sorted(_readings(data, wide_only=binary), key=lambda reading: -reading[0])
    found = _first(data, (codec for score, codec in readings if score >= CONVINCING))
    if found is None and binary:
        raise DocumentError(BINARY)
    if found is None:
        likely = (codec for score, codec in readings if score >= LIKELY)
        found = _first(data, _second_opinion(data)) or _first(data, likely)
    if found is None:
        raise DocumentError(UNKNOWN)
    return found


def _first(data: bytes, codecs_: Iterable[str]) -> tuple[str, str] | None:
    """The reading of all of ``data`` by the first codec that can: a sample may have hidden what another cannot."""
    for codec in codecs_:
        text = _strictly(data, codec)
        if text is not None:
            return text, codec
    return None


def _readings(data: bytes, *, wide_only: bool) -> Iterator[tuple[float, str]]:
    """How well each profile fits each reading of a sample; of equals the first is meant."""
    sample = _sample(data)
    short_runs = _short_runs(sample)
    texts = {codec: _start(data[: len(sample) & ~1], codec) for codec in _WIDE if len(data) % 2 == 0}
    for profile in PROFILES:
        legacy = () if wide_only else profile.encodings
        texts.update((codec, _start(sample, codec)) for codec in legacy if codec not in texts)
        for codec in legacy if profile.latin else (*legacy, *_WIDE):
            text = texts.get(codec)
            if text is not None:
                fit = _fit(text, profile, by_alphabet=codec not in _WIDE)
                yield fit * (short_runs if profile.latin else 1.0), codec


def _sample(data: bytes) -> bytes:
    """The first lines that hold more than ASCII: no encoding judged here has a line feed inside a character."""
    if len(data) <= SAMPLE:
        return data
    parts: list[bytes] = []
    size = end = 0
    while size < SAMPLE and (high := _HIGH_RUN.search(data, end)):
        # What precedes the first high byte of a line is ASCII, so that it can be cut anywhere.
        start = max(data.rfind(b"\n", end, high.start()) + 1, high.start() - _CONTEXT, end)
        end = data.find(b"\n", high.end()) + 1 or len(data)
        parts.append(data[start : min(end, start + SAMPLE - size)])
        size += len(parts[-1])
    return b"".join(parts)


def _start(data: bytes, codec: str) -> str | None:
    """``data`` decoded, but for a character that the sample's end may have cut."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(data)
    except UnicodeDecodeError:
        return None


def _short_runs(sample: bytes) -> float:
    """1 where half of the high bytes or more stand alone or in pairs, as accents in words do; proportionally less."""
    runs = list(map(len, _HIGH_RUN.findall(sample)))
    return min(1.0, 2 * sum(run for run in runs if run <= 2) / max(sum(runs), 1))


def _fit(text: str, profile: Profile, *, by_alphabet: bool = False) -> float:
    """The share of common letters among the non-ASCII ones, relative to what the language has.

    ``by_alphabet`` lets a profile's alphabet count as much; not for UTF-16, where one byte decides on the alphabet.
    A text whose only high bytes are quotation marks and dashes has no letters to judge by, and is taken for Western.
    """
    if _CONTROLS.search(text):
        return 0.0
    others = _ASCII.sub("", text)
    if profile.latin:
        counted = sum(map(str.isalpha, others)) + len(_SIGN_IN_WORD.findall(text))
    else:
        counted = sum(category(c)[0] in "LSC" for c in others)
        counted += len(_CYRILLIC_IN_WORD.findall(text))
    if not counted:
        return 1.0 if profile.latin else 0.0
    common = min(1.0, sum(c in profile.letters for c in others) / counted / profile.share)
    if not by_alphabet or not profile.alphabet:
        return common
    return (common + sum(ord(c) in profile.alphabet for c in others) / counted) / 2


_EBCDIC = ("cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140")
_PROVED = ("utf_7", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be")
_UNLIKELY = [*_EBCDIC, *_PROVED]
"""EBCDIC, and what would have been recognized by now."""


def _second_opinion(data: bytes) -> tuple[str, ...]:
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_exclusion=_UNLIKELY).best()
    return () if best is None or _CONTROLS.search(str(best)) else (best.encoding,)


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None
