"""Takes credentials out of text that leaves the process: log lines, error messages, stored reasons.

Two nets: every secret that was read is known by value, and whatever looks like a key is taken out by its shape.
"""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import quote

MARK = "[redacted]"
SHORTEST = 6  # a shorter "secret" would blot out ordinary words
_KNOWN: set[str] = set()
# Bounded quantifiers only: the text may be hostile.
_SHAPES = (
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,4096}", re.IGNORECASE), r"\1 " + MARK),
    (re.compile(r"\b(?:sk|pk|rk|hf|ghp|gho|xai|gsk|r8|nvapi|AIza)[-_][A-Za-z0-9_*-]{6,400}"), MARK),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{20,100}"), MARK),
    (re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@:]{0,256}:[^\s/@]{1,256}@", re.IGNORECASE), r"\1" + MARK + "@"),
    (
        re.compile(
            r"((?:api[-_]?key|access[-_]?token|authorization|password|secret)[\"']?\s{0,4}[=:]\s{0,4}[\"']?)"
            r"(?!\[redacted)(?!bearer\b|basic\b)[^\s\"',;&}]{6,4096}",
            re.IGNORECASE,
        ),
        r"\1" + MARK,
    ),
)
# `api_key_env` and `api_key_file` say where a key is, and are none.
_SECRET_KEY = re.compile(r"(?:api[-_]?key|token|authorization|password|secret|credential)s?$", re.IGNORECASE)


def register(secret: str) -> None:
    """Makes `secret` known, so that `redact` finds it wherever it stands."""
    if len(secret) >= SHORTEST:
        _KNOWN.update((secret, quote(secret, safe="")))


def redact(text: str) -> str:
    """Returns `text` without known secrets and without whatever has the shape of one."""
    for secret in sorted(_KNOWN, key=len, reverse=True):  # a longer one may contain a shorter one
        if secret in text:
            text = text.replace(secret, MARK)
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def redact_values(value: Any) -> Any:
    """Returns a JSON value without credentials: strings are redacted, and left out under a key that names one."""
    if isinstance(value, dict):
        return {
            key: MARK if isinstance(inner, str) and inner and _SECRET_KEY.search(str(key)) else redact_values(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [redact_values(inner) for inner in value]
    return redact(value) if isinstance(value, str) else value


class RedactingFilter(logging.Filter):
    """Redacts a record's message, its arguments and its traceback. Add it to a handler, so that it sees all loggers."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True
