"""Bytes to text. UTF-8 and what a byte order mark names are accepted, nothing is guessed: a wrong guess would put
garbled text into a dataset without a word."""

from __future__ import annotations

import codecs
import re

from ...errors import DocumentError

# Longest first: the mark of UTF-32 LE begins with the one of UTF-16 LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = ((b"%PDF-", ".pdf"), (b"PK\x03\x04", ".docx"), (b"\x1f\x8b", ".gz, unpacked"), (b"PAR1", ".parquet"))
# Control characters carry no text. Tab and newline stay.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_NEWLINES = re.compile(r"\r\n?|[\f\x85\u2028\u2029]")
# Encodings of characters that pages declare; Python knows more, such as unicode_escape, that are something else.
_LEGACY = re.compile(r"(?:windows|cp|iso|latin|koi8|shift|euc|gb|big5|mac|us-ascii|utf-16).{0,20}", re.IGNORECASE)
_CONTROL_SHARE = 0.01


def encoding_of(head: bytes) -> str:
    """Returns the codec that the byte order mark at the start of `head` names, or `utf-8`."""
    return next((codec for mark, codec in _MARKS if head.startswith(mark)), "utf-8")


def clean(text: str) -> str:
    """Returns `text` with every newline as `\\n` and without control characters."""
    return _CONTROLS.sub("", _NEWLINES.sub("\n", text))


def decode(name: str, data: bytes, *, declared: str = "") -> tuple[str, str]:
    """Returns the text of `data`, cleaned, and the encoding that it was in.

    `declared` is the encoding that the format itself names (HTML's meta tag); it is tried where UTF-8 fails. Raises
    `DocumentError`: `binary` for NUL bytes, known signatures or many control characters, `encoding` for bytes that
    are no text in the encoding, with the offset of the first, `empty` for blanks.
    """
    for signature, suffix in _SIGNATURES:
        if data.startswith(signature):
            raise DocumentError(name, "binary", f"its first bytes are those of a {suffix} file; rename it")
    codec = encoding_of(data)
    if codec in ("utf-8", "utf-8-sig") and (nul := data.find(b"\0")) >= 0:
        raise DocumentError(
            name,
            "binary",
            f"NUL byte at offset {nul}; if it is UTF-16 text, save it as UTF-8 or with a byte order mark",
        )
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        codec = declared
        text = _decode_declared(name, data, declared, error)
    if len(_CONTROLS.findall(text)) > 2 + _CONTROL_SHARE * len(text):
        raise DocumentError(name, "binary", "more than 1% of its characters are control characters; it is not text")
    text = clean(text)
    if not text.strip():
        raise DocumentError(name, "empty", "has nothing but blanks")
    return text, codec


def _decode_declared(name: str, data: bytes, declared: str, error: UnicodeDecodeError) -> str:
    try:
        if _LEGACY.fullmatch(declared):
            return data.decode(declared)
    except (LookupError, UnicodeDecodeError):
        pass
    raise DocumentError(
        name,
        "encoding",
        f"byte 0x{data[error.start]:02x} at offset {error.start} is not {error.encoding}; "
        f"convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8",
    ) from None
