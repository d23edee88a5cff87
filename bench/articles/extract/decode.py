"""Bytes of a page or a feed -> text, whatever its encoding is called.

In: bytes and the encodings that headers or the document itself claim. Out: text without control characters
and lone surrogates; what cannot be decoded is the replacement character. Bytes that are valid UTF-8 beyond
ASCII are taken for UTF-8 whatever is claimed: text in another encoding almost never is. It parses no
markup but the few bytes that name an encoding.
"""

from __future__ import annotations

import codecs
import re

import charset_normalizer

_HEAD_BYTES = 4096
_META = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.\-]{2,40})""", re.IGNORECASE)
_XML = re.compile(
    rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.\-]{2,40})["']""", re.IGNORECASE
)
_HEADER = re.compile(r"""charset\s*=\s*["']?\s*([A-Za-z0-9_:.\-]{2,40})""", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
    (b"\x4c\x6f\xa7\x94", "cp037"),  # `<?xm` in EBCDIC
)
_AS_BROWSERS_DO = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""Encodings that are claimed where their supersets are meant; browsers read them so too."""
_NEVER = {"utf-7", "unicode_escape", "raw_unicode_escape", "punycode", "idna", "undefined", "mbcs", "oem"}


_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]+")


def decoded(content: bytes, content_type: str | None = None) -> str:
    """The text of `content`; `content_type` is the HTTP header of that name."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _clean(content[len(mark) :].decode(name, "replace"))
    for start, name in _UNMARKED:
        if content.startswith(start):
            return _clean(_by_declaration(content, name))
    claimed = _claims(content, content_type)
    if not content.isascii() and _is_utf8(content):
        return _clean(content.decode("utf-8", "replace"))
    for name in claimed:
        try:
            return _clean(content.decode(name))
        except (UnicodeDecodeError, LookupError):
            continue
    return _clean(_guessed(content, claimed))


def _claims(content: bytes, content_type: str | None) -> list[str]:
    head = content[:_HEAD_BYTES]
    found = [m[1] for m in [_HEADER.search(content_type or "")] if m]
    found += [m[1].decode("ascii") for m in (_XML.search(head), _META.search(head)) if m]
    return [name for name in map(_codec, found) if name]


def _codec(label: str) -> str | None:
    """The codec for a claimed label; None where there is none that gives text."""
    try:
        info = codecs.lookup(label.strip().lower().removeprefix("x-") if label != "x-sjis" else "cp932")
    except LookupError:
        return None
    if info.name in _NEVER or not info._is_text_encoding:
        return None
    return _AS_BROWSERS_DO.get(info.name, info.name)


def _is_utf8(content: bytes) -> bool:
    """Whether it is UTF-8, at most the last character being cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return False
    return True


def _by_declaration(content: bytes, family: str) -> str:
    """Text of a wide or EBCDIC document, by the exact encoding that it names inside."""
    first = content[:_HEAD_BYTES].decode(family, "replace").encode("ascii", "replace")
    named = _XML.search(first)
    codec = _codec(named[1].decode("ascii")) if named else None
    if codec and family == "cp037" and not codec.startswith(("utf", "cp1252")):
        return content.decode(codec, "replace")
    return content.decode(family, "replace")


def _guessed(content: bytes, claimed: list[str]) -> str:
    """What no claim fits: mostly valid UTF-8 with a few broken bytes, else the likeliest encoding."""
    as_utf8 = content.decode("utf-8", "replace")
    n_broken, n_other = as_utf8.count("\ufffd"), sum(ord(c) > 0x7F for c in as_utf8)
    if n_broken * 10 <= n_other or (claimed and n_broken * 4 <= n_other):
        return as_utf8
    best = charset_normalizer.from_bytes(content[:65_536], steps=5, chunk_size=1024).best()
    return content.decode(best.encoding if best else "cp1252", "replace")


def _clean(text: str) -> str:
    """`text` without control characters; a surrogate that a codec let through becomes the replacement."""
    text = _CONTROLS.sub("", text)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
