"""Records as rows of strings: how a model writes those of a graph without naming their fields each time.

A row is `[first, second, ..., "name: value", ...]`: the record's own fields by place, then details. Models that were
not held to a schema write objects, one line with bars, numbers or nothing where a string is due: all are read, none is
guessed. A row that says nothing becomes an empty record, which whoever counts the records drops and counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, BeforeValidator, PlainSerializer, WithJsonSchema

BAR = "|"


@dataclass(frozen=True)
class Shape:
    """How a record lies in a row: fields by place, others as `field: value`, and the one that takes the rest."""

    places: tuple[str, ...]
    named: tuple[str, ...]
    rest: str

    @property
    def rows(self) -> tuple[object, ...]:
        """What a list of records is annotated with to be read from rows, asked for as rows and written as rows."""
        return (
            BeforeValidator(self.read),
            PlainSerializer(lambda records: [self.write(one) for one in records], return_type=list[list[str]]),
            WithJsonSchema({"type": "array", "items": {"type": "array", "items": {"type": "string"}}}),
        )

    def read(self, given: Any) -> Any:
        """Returns mappings for pydantic to check; what is no list is returned as it is, for pydantic to refuse.

        `given` are rows, objects, or lines with bars between their parts; one object is a list of one, None is empty.
        Raises `ValueError` when none of them has its first field: whoever answered meant something else by them.
        """
        if given is None:
            return []
        if isinstance(given, Mapping):
            given = [given] if given else []
        if not isinstance(given, list | tuple):
            return given
        records = [self._record(one) for one in given]
        first = self.places[0]
        if records and not any(isinstance(one, BaseModel) or one.get(first) for one in records):
            raise ValueError(f"each must be a row of strings that begins with its {first}: {list(self.places)}")
        return records

    def write(self, record: BaseModel) -> list[str]:
        """Returns a record as the shortest row that `read` takes for it."""
        parts = [str(getattr(record, field)) for field in self.places]
        details = [f"{field}: {text}" for field in self.named if (text := getattr(record, field))]
        details += getattr(record, self.rest)
        while not details and len(parts) > 1 and not parts[-1]:
            parts.pop()
        return parts + details

    def _record(self, given: Any) -> Any:
        if isinstance(given, BaseModel):
            return given
        if isinstance(given, Mapping):
            return self._object(given)
        if isinstance(given, str):
            given = given.strip(f"{BAR} ").split(BAR)
        if not isinstance(given, list | tuple):
            return {}
        parts = [_text(one) for one in given]
        found: dict[str, Any] = dict(zip(self.places, parts, strict=False))
        details = []
        for part in parts[len(self.places) :]:
            field, colon, value = part.partition(":")
            if colon and field.strip() in self.named:
                found[field.strip()] = value.strip()
            elif part:
                details.append(part)
        return {**found, self.rest: details}

    def _object(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """An object with its fields as strings; its details may be a map, `{"time": "1998"}`, or one string."""
        details = given.get(self.rest)
        if isinstance(details, Mapping):
            details = [f"{name}: {_text(value)}" for name, value in details.items()]
        elif isinstance(details, str):
            details = [details]
        texts = map(_text, details) if isinstance(details, list | tuple) else ()
        fields = (*self.places, *self.named)
        return {**{field: _text(given.get(field)) for field in fields}, self.rest: [text for text in texts if text]}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
