"""Searches by RE2, whose time is linear in the text, whatever the expression: the texts are hostile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

Found = tuple[int, int, str]


def compiled(expression: str, *, ignore_case: bool = False) -> Any:
    """Returns the compiled expression, or None where RE2 has no such thing (look-arounds, back-references)."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(expression, options)
    except re2.error:
        return None


def found(expression: Any, text: str) -> Iterator[Found]:
    """Yields (start, end, characters) of each match. `text` must be UTF-8 text, without halves of surrogate pairs."""
    for match in expression.finditer(text):
        yield match.start(), match.end(), match.group()


def utf8(text: str) -> str:
    """Returns text of the same length that UTF-8 can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
