"""A gold annotation: which entities and relations some of the documents have, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import Field, ValidationError, model_validator

from ...errors import ConfigError
from ...storage.records import Record


class GoldMention(Record):
    """A name in a document and the entity that it means there. `entity` is any key, the same one in all documents.

    `start` and `end` are characters of the document's text as it was read; they may be left out where a name means one
    thing in its document.
    """

    text: str = Field(min_length=1)
    entity: str = Field(min_length=1)
    type: str = ""
    start: int | None = Field(default=None, ge=0)
    end: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _place(self) -> Self:
        if (self.start is None) != (self.end is None) or (self.start or 0) >= (self.end or 1 << 62):
            raise ValueError(f"start {self.start} and end {self.end}: give both with start below end, or neither")
        return self


class GoldRelation(Record):
    """A relation between two entities, by their keys."""

    source: str
    target: str
    type: str = ""


class GoldDocument(Record):
    """One line of an annotation: all entities and relations of the document called `document`."""

    document: str
    mentions: tuple[GoldMention, ...] = ()
    relations: tuple[GoldRelation, ...] = ()

    @model_validator(mode="after")
    def _ends_are_there(self) -> Self:
        keys = {mention.entity for mention in self.mentions}
        for relation in self.relations:
            for end in (relation.source, relation.target):
                if end not in keys:
                    raise ValueError(f"a relation names the entity '{end}', which no mention of the document has")
        return self


def read_gold(path: str | Path) -> list[GoldDocument]:
    """Reads an annotation, one JSON object a line.

    Raises:
        ConfigError: the file cannot be read, a line is not of the shape, or a document stands twice; names the line.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"gold annotation '{path}' cannot be read: {error.strerror}") from error
    found: dict[str, GoldDocument] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        document = _parsed(line, f"gold annotation '{path}', line {number}")
        if document.document in found:
            raise ConfigError(f"gold annotation '{path}', line {number}: document '{document.document}' stands twice")
        found[document.document] = document
    if not found:
        raise ConfigError(f"gold annotation '{path}' has no line; docs/graph-quality.md shows one")
    return list(found.values())


def _parsed(line: bytes, place: str) -> GoldDocument:
    try:
        value: Any = orjson.loads(line)
        return GoldDocument.model_validate(value)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{place}: no JSON: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{place}: {key}: {first['msg']}".replace(": : ", ": ")) from error


def types_of(mentions: Iterable[GoldMention]) -> dict[str, str]:
    """Returns each entity's type: the first that a mention gives."""
    found: dict[str, str] = {}
    for mention in mentions:
        found[mention.entity] = found.get(mention.entity) or mention.type
    return found
