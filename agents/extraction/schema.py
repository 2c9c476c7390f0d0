"""What an extraction may use (`GraphSchema`): types of entities with attributes, types of relations with their ends.

Knows no model and no text: `findings.py` holds answers to it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ValidationError, model_validator

from ...errors import ConfigError
from ...storage.records import Record
from .type_tables import read_table

MAX_TYPE_NAME = 60
ANY = "*"
LISTED = 20  # names that an error lists
SHOWN = 8  # problems of a file that are listed


class TypeSpec(Record):
    """One type of entity or relation. The description is what the model reads to tell types apart."""

    name: str
    description: str = ""


class EntityType(TypeSpec):
    """A type of entity. `attributes` are the properties that are kept of one, by name; all others are dropped."""

    attributes: tuple[str, ...] = ()


class RelationType(TypeSpec):
    """A type of relation. `pairs` are the (source type, target type) that it may join, `*` for any; none: all."""

    pairs: tuple[tuple[str, str], ...] = ()


EntityTypes = Annotated[
    tuple[EntityType, ...], BeforeValidator(lambda given: read_table(given, ("description", "attributes")))
]
RelationTypes = Annotated[
    tuple[RelationType, ...], BeforeValidator(lambda given: read_table(given, ("description", "pairs")))
]


def type_key(name: str) -> str:
    """Returns what spellings of one type share: `Located_In`, `located-in` and `located in` are one."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


class GraphSchema(Record):
    """The types of entities and relations that an extraction may use.

    A type outside the schema becomes the fallback, and is counted. The fallback defaults to the last type listed, so
    list the most general one last. `entity_types` and `relation_types` are tuples of `EntityType` and `RelationType`
    or, as in TOML, a mapping of name to description or to a mapping of its fields. `outside_pairs` says what becomes of
    a relation whose ends are none of its type's pairs: the relation fallback, where that may join them, or nothing.
    """

    entity_types: EntityTypes
    relation_types: RelationTypes
    entity_fallback: str = ""
    relation_fallback: str = ""
    outside_pairs: Literal["retype", "drop"] = "retype"

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.check()
        return self

    @classmethod
    def read(cls, path: str | Path) -> GraphSchema:
        """Reads a schema from a TOML file; raises `ConfigError` naming the file and what is wrong with it."""
        try:
            with Path(path).open("rb") as file:
                values = tomllib.load(file)
            _require_keys(values, cls)
            return cls.model_validate(values)
        except OSError as error:
            raise ConfigError(f"graph schema '{path}' cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"graph schema '{path}' is not TOML: {error}") from error
        except RecursionError:
            raise ConfigError(f"graph schema '{path}' is nested too deeply; types are tables of one level") from None
        except ValidationError as error:
            lines = "; ".join(_said(problem) for problem in error.errors()[:SHOWN])
            raise ConfigError(f"graph schema '{path}': {lines}") from error
        except ConfigError as error:
            raise ConfigError(f"graph schema '{path}': {error}") from error

    def check(self) -> None:
        """Raises `ConfigError` for an empty list, a name that is empty, too long, repeated or has control characters,
        and for a fallback or an end of a pair that is not listed."""
        for key, specs, fallback in (
            ("entity_types", self.entity_types, self.entity_fallback),
            ("relation_types", self.relation_types, self.relation_fallback),
        ):
            if not specs:
                raise ConfigError(f"{key} is empty; give at least one type, for instance 'concept' or 'related to'")
            seen = _require_names(key, (spec.name for spec in specs))
            if fallback and type_key(fallback) not in seen:
                option = key.replace("types", "fallback")
                listed = _list_of(sorted(seen.values()))
                raise ConfigError(f"{option} '{fallback[:80]}' is not one of {key}: {listed}")
        for kind in self.entity_types:
            _require_names(f"entity_types.{kind.name}.attributes", kind.attributes)
        ends = {type_key(kind.name) for kind in self.entity_types}
        for relation in self.relation_types:
            for end in (end for pair in relation.pairs for end in pair if end != ANY and type_key(end) not in ends):
                raise ConfigError(
                    f"relation_types.{relation.name}.pairs names '{end[:80]}', not one of entity_types: "
                    f"{_list_of(kind.name for kind in self.entity_types)}"
                )

    def entity_type(self, name: str) -> tuple[str, bool]:
        """Returns the listed entity type that `name` spells and True, or the fallback and False."""
        return _listed(self.entity_types, self.entity_fallback, name)

    def relation_type(self, name: str) -> tuple[str, bool]:
        """Returns the listed relation type that `name` spells and True, or the fallback and False."""
        return _listed(self.relation_types, self.relation_fallback, name)

    def attributes(self, kind: str) -> dict[str, str]:
        """Returns the attributes of the entity type `kind` as listed, by what their spellings share."""
        found = next((spec for spec in self.entity_types if spec.name == kind), None)
        return {} if found is None else {type_key(name): name for name in found.attributes}

    def allows(self, relation: str, source: str, target: str) -> bool:
        """Whether the relation type `relation` may join these entity types; one that is not listed may."""
        found = next((spec for spec in self.relation_types if spec.name == relation), None)
        if found is None or not found.pairs:
            return True
        ends = (type_key(source), type_key(target))
        return any(
            all(listed == ANY or type_key(listed) == end for listed, end in zip(pair, ends, strict=True))
            for pair in found.pairs
        )


def _list_of(names: Iterable[str]) -> str:
    first = list(names)
    more = f" and {len(first) - LISTED} more" if len(first) > LISTED else ""
    return ", ".join(first[:LISTED]) + more


def _require_keys(values: Mapping[str, Any], schema: type[GraphSchema]) -> None:
    known = ", ".join(schema.model_fields)
    for key in values:
        if key not in schema.model_fields:
            near = get_close_matches(key, schema.model_fields, 1)
            mend = f"did you mean '{near[0]}'?" if near else f"there are {known}"
            raise ConfigError(f"no key is called '{key[:80]}'; {mend}")
    for key in ("entity_types", "relation_types"):
        if key not in values:
            raise ConfigError(f'{key} is missing; add a table [{key}] with a line for each type, name = "description"')


def _said(problem: Any) -> str:
    """One of pydantic's problems as `key: what is wrong`."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{where}: no such key"
    if problem["type"] == "missing":
        return f"{where}: is missing; add it"
    text = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    shown = "" if problem["type"] == "value_error" else f", not {problem['input']!r:.80}"
    return f"{where}: {text}{shown}"


def _require_names(key: str, names: Iterable[str]) -> dict[str, str]:
    """Returns the names by their keys; raises `ConfigError` for one that cannot be a name, or two that are one."""
    seen: dict[str, str] = {}
    for name in names:
        if not type_key(name) or not name.isprintable() or len(name) > MAX_TYPE_NAME:
            raise ConfigError(f"{key} has {name[:80]!r}; a name is 1 to {MAX_TYPE_NAME} printable characters")
        if type_key(name) in seen:
            raise ConfigError(f"{key} lists '{seen[type_key(name)]}' and '{name}', which are one; remove one")
        seen[type_key(name)] = name
    return seen


def _listed(specs: tuple[EntityType, ...] | tuple[RelationType, ...], fallback: str, name: str) -> tuple[str, bool]:
    # Some twenty types at most: a scan is as quick as an index and keeps the record plain.
    wanted = type_key(name)
    for spec in specs:
        if type_key(spec.name) == wanted:
            return spec.name, True
    wanted = type_key(fallback)
    return next((spec.name for spec in specs if type_key(spec.name) == wanted), specs[-1].name), False


# Every word of these stands in every prompt: a description is there only where the name does not say it.
DEFAULT = GraphSchema.model_validate(
    {
        "entity_types": {
            "person": "",
            "organization": "",
            "place": "",
            "event": "",
            "time": "a date or period",
            "quantity": "a named measure",
            "work": "book, paper, law, artwork",
            "product": "device, software, data set",
            "method": "technique, process, practice",
            "organism": "",
            "substance": "",
            "field": "discipline, industry",
            "concept": "any other idea",
        },
        "relation_types": {
            "is a": "",
            "part of": "",
            "located in": "",
            "causes": "or enables, increases",
            "prevents": "or hinders, replaces",
            "uses": "or needs",
            "produces": "",
            "created by": "",
            "works for": "or leads, owns",
            "measures": "or has as its figure",
            "compared with": "",
            "happens at": "a time",
            "related to": "any other",
        },
    }
)
