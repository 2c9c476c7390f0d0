"""JSON objects of a file, one after the other: of an array, of lines, or of an object that holds columns or records.

An array and lines are read as they come, whatever their length; an object is read whole.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from .incoming import LONGEST

READ = 1 << 20  # bytes at a time
SURROGATE = re.compile("[\ud800-\udfff]|\\\\u[dD][89a-fA-F]")  # as it is where a byte was no UTF-8, or escaped
BLANK = re.compile(r"\s*")
Found = tuple[int, dict[str, Any], str]
"""(number from 1, object, error): where there is an error the object is empty."""


def records_of(file: BinaryIO) -> Iterator[Found]:
    """Yields the objects of a file. An array cannot be read on behind what is no JSON: that ends it."""
    yield from _records(_Text(file))


def _records(text: _Text) -> Iterator[Found]:
    first = text.peek()
    if first == "[":
        yield from text.elements()
        return
    line = text.line()
    try:
        whole = json.loads(line)
    except (ValueError, RecursionError):
        if "id" in line and line.endswith("}\n"):  # a bad line among good ones
            yield from _lines(line, text)
            return
        line += text.rest()  # one object over many lines
        try:
            whole = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield 1, {}, f"no JSON: {error}"
            return
    if isinstance(whole, dict) and not isinstance(whole.get("id"), str):
        yield from ((number, record, "") for number, record in enumerate(_of_dict(whole), 1))
        return
    yield from _lines(line, text)


def _lines(line: str, text: _Text) -> Iterator[Found]:
    number = 0
    while line:
        number += 1
        if line.strip():
            yield _object(number, line)
        line = text.line()


def _object(number: int, line: str) -> Found:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return number, {}, f"no JSON: {error}"
    return _checked(number, value, line)


def _checked(number: int, value: Any, text: str) -> Found:
    if not isinstance(value, dict):
        return number, {}, "it is no object"
    if SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return number, {}, "it holds bytes that are no UTF-8, or half of a surrogate pair"
    return number, value, ""


def _of_dict(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Columns by name with ids among them, or objects by id."""
    if isinstance(whole.get("id"), list):
        columns = {name: values for name, values in whole.items() if isinstance(values, list)}
        for row in range(len(columns["id"])):
            yield {name: values[row] for name, values in columns.items() if row < len(values)}
        return
    yield from (record if isinstance(record, dict) else {} for record in whole.values())


class _Text:
    """Text of a file, read as far as it is needed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")  # a bad byte costs its record only
        self._text = ""
        self._at = 0

    def _more(self, size: int = READ) -> bool:
        part = self._file.read(size)
        self._text, self._at = self._text[self._at :] + self._decoder.decode(part, final=not part), 0
        return bool(part)

    def peek(self) -> str:
        """Passes blanks; returns the next character, "" at the end."""
        while True:
            self._at = BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]  # matches always
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def line(self) -> str:
        """Returns the next line with its end, "" at the end of the file."""
        while (end := self._text.find("\n", self._at)) < 0:
            if not self._more():
                end = len(self._text)
                break
        line, self._at = self._text[self._at : end + 1], end + 1
        return line

    def rest(self) -> str:
        """Returns all that is left."""
        while self._more():
            pass
        text, self._at = self._text[self._at :], len(self._text)
        return text

    def elements(self) -> Iterator[Found]:
        """Yields the objects of the array that begins here."""
        decoder, number = json.JSONDecoder(), 0
        self._at += 1
        while (first := self.peek()) and first != "]":
            number, size = number + 1, READ
            while True:
                try:
                    value, end = decoder.raw_decode(self._text, self._at)
                    break
                except (ValueError, RecursionError) as error:
                    if isinstance(error, ValueError) and len(self._text) - self._at < LONGEST and self._more(size):
                        size *= 2  # an element that a piece of the file ends in
                        continue
                    yield number, {}, f"no JSON: {error}; the records before it were read, those behind it were not"
                    return
            yield _checked(number, value, self._text[self._at : end])
            self._at = end
            if self.peek() == ",":
                self._at += 1
        if not first:
            yield number + 1, {}, "the array has no end: the file was cut off; export it again"
