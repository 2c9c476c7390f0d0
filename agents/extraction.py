"""What an extractor looks for in a chunk (`GraphSchema`) and what it brings back (`Extraction`), with its books.

These records know no model and no graph: merging them is `graphs/knowledge/merge.py`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from ..errors import ConfigError
from ..storage.records import Claim, Record, Span, Usage

MAX_TYPE_NAME = 60


class TypeSpec(Record):
    """One type of entity or relation. The description is what the model reads to tell types apart."""

    name: str
    description: str = ""


def _specs(value: Any) -> Any:
    # A table of `name = "description"` is how TOML says it.
    if isinstance(value, Mapping):
        return tuple({"name": name, "description": description} for name, description in value.items())
    return value


Specs = Annotated[tuple[TypeSpec, ...], BeforeValidator(_specs)]


def type_key(name: str) -> str:
    """Returns what spellings of one type share: `Located_In`, `located-in` and `located in` are one."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


class GraphSchema(Record):
    """The types of entities and relations that an extraction may use.

    A type outside the schema becomes the fallback, and is counted. The fallback defaults to the last type listed, so
    list the most general one last. `entity_types` and `relation_types` are tuples of `TypeSpec` or, as in TOML, a
    mapping of name to description.
    """

    entity_types: Specs
    relation_types: Specs
    entity_fallback: str = ""
    relation_fallback: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.check()
        return self

    @classmethod
    def read(cls, path: str | Path) -> GraphSchema:
        """Reads a schema from a TOML file; raises `ConfigError` naming the file and what is wrong with it."""
        try:
            with Path(path).open("rb") as file:
                return cls.model_validate(tomllib.load(file))
        except OSError as error:
            raise ConfigError(f"graph schema '{path}' cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"graph schema '{path}' is not TOML: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"graph schema '{path}', key '{where}': {first['msg']}") from error
        except ConfigError as error:
            raise ConfigError(f"graph schema '{path}': {error}") from error

    def check(self) -> None:
        """Raises `ConfigError` for an empty list, a name that is empty, too long, repeated or has control characters,
        or a fallback that is not listed."""
        for key, specs, fallback in (
            ("entity_types", self.entity_types, self.entity_fallback),
            ("relation_types", self.relation_types, self.relation_fallback),
        ):
            if not specs:
                raise ConfigError(f"{key} is empty; give at least one type, for instance 'concept' or 'related to'")
            seen: dict[str, str] = {}
            for spec in specs:
                name = spec.name
                if not type_key(name) or not name.isprintable() or len(name) > MAX_TYPE_NAME:
                    raise ConfigError(
                        f"{key} has a type called {name[:80]!r}; a name is 1 to {MAX_TYPE_NAME} printable characters"
                    )
                twin = seen.setdefault(type_key(name), name)
                if twin is not name:
                    raise ConfigError(f"{key} lists '{twin}' and '{name}', which are one type; remove one")
            if fallback and type_key(fallback) not in seen:
                option = key.replace("types", "fallback")
                listed = ", ".join(sorted(seen.values()))
                raise ConfigError(f"{option} '{fallback}' is not one of {key}: {listed}")

    def entity_type(self, name: str) -> tuple[str, bool]:
        """Returns the listed entity type that `name` spells and True, or the fallback and False."""
        return _listed(self.entity_types, self.entity_fallback, name)

    def relation_type(self, name: str) -> tuple[str, bool]:
        """Returns the listed relation type that `name` spells and True, or the fallback and False."""
        return _listed(self.relation_types, self.relation_fallback, name)


def _listed(specs: tuple[TypeSpec, ...], fallback: str, name: str) -> tuple[str, bool]:
    # Some twenty types at most: a scan is as quick as an index and keeps the record plain.
    wanted = type_key(name)
    for spec in specs:
        if type_key(spec.name) == wanted:
            return spec.name, True
    wanted = type_key(fallback)
    return next((spec.name for spec in specs if type_key(spec.name) == wanted), specs[-1].name), False


DEFAULT = GraphSchema.model_validate(
    {
        "entity_types": {
            "person": "a named human being, real or fictional, or a named group of people",
            "organization": "a company, institution, agency, team or other organised body",
            "place": "a country, city, region, building or other location",
            "event": "something that happened or happens: a meeting, war, launch, disaster, season",
            "time": "a date, period or era that matters by itself",
            "quantity": "a named measure or figure with its unit",
            "work": "a book, paper, law, standard, artwork or other published work",
            "product": "a thing made or sold: a device, tool, vehicle, software, data set",
            "method": "a technique, algorithm, procedure, process or practice",
            "organism": "an animal, plant, microbe or a part of one",
            "substance": "a material, chemical, food or medicine",
            "field": "a discipline, industry, profession or subject",
            "concept": "any other idea, term, property or phenomenon that the text explains or relies on",
        },
        "relation_types": {
            "is a": "the source is an instance or a kind of the target",
            "part of": "the source is a part, member or component of the target",
            "located in": "the source is, happens or lives in the target",
            "causes": "the source brings about, enables or increases the target",
            "prevents": "the source hinders, reduces or replaces the target",
            "uses": "the source uses, needs or is made with the target",
            "produces": "the source makes, emits, yields or publishes the target",
            "created by": "the source was made, founded, written or discovered by the target",
            "works for": "the source works for, leads, owns or belongs to the target",
            "measures": "the source measures, has or is given by the figure that is the target",
            "compared with": "the text compares the source with the target",
            "happens at": "the source happens at, since or until the target",
            "related to": "any other relation that the text states",
        },
    }
)


class Books(Record):
    """The count of one sort of record, entities or relations: `found + created = kept + merged + dropped`.

    found:    records in the model's answers.
    created:  records made here: endpoints that a relation names and the chunk has verbatim.
    kept:     distinct records of the result; merged: those that equal one that was there already.
    dropped:  by reason (`ungrounded`, `missing_endpoint`, `self_relation`, `empty_name`, `long_name`).
    mended:   records that stayed, changed or with a doubt, by reason: `ungrounded` (the quote is not in the chunk),
              `no_quote`, `name_absent` (only the quote is in the chunk), `unknown_type`. Not part of the sum.
    """

    found: int = 0
    created: int = 0
    kept: int = 0
    merged: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)
    mended: dict[str, int] = Field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.found + self.created == self.kept + self.merged + sum(self.dropped.values())

    def __add__(self, other: Books) -> Books:
        return Books(
            found=self.found + other.found,
            created=self.created + other.created,
            kept=self.kept + other.kept,
            merged=self.merged + other.merged,
            dropped=_sum(self.dropped, other.dropped),
            mended=_sum(self.mended, other.mended),
        )


def _sum(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


class FoundEntity(Record):
    """An entity as one chunk has it. `mentions` are the quote and every occurrence of the name, ascending.

    `typed` is false when nobody gave the type: it is the schema's fallback for a type that the schema does not list.
    `attributes` are those that its type lists: name → the values as the chunk writes them, sorted. `claims` are
    statements about it alone, each with its spans in the chunk.
    """

    name: str
    type: str
    typed: bool = True
    descriptions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    mentions: tuple[Span, ...] = ()
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()


class FoundRelation(Record):
    """A relation as one chunk has it; `source` and `target` are names of entities of the same extraction.

    `qualifiers` say under what it holds: name → the values as the chunk writes them, sorted. `grounded` is false when
    no quote was found in the chunk: the mention is then the shortest span that has both names.
    """

    source: str
    target: str
    type: str
    descriptions: tuple[str, ...] = ()
    mentions: tuple[Span, ...] = ()
    qualifiers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    grounded: bool = True


class Extraction(Record):
    """What one chunk gave. `rounds` counts the calls that answered.

    `stopped` says why no further gleaning round ran: `nothing_new`, `limit`, or the reason code of the model error
    that ended it (what was found before is kept).
    """

    chunk: str
    entities: tuple[FoundEntity, ...] = ()
    relations: tuple[FoundRelation, ...] = ()
    entity_books: Books = Books()
    relation_books: Books = Books()
    rounds: int = 0
    stopped: str = ""
    usage: Usage = Usage()
    model: str = ""
