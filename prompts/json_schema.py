"""Answers whose schema is a JSON schema: checked by it when they are read, and asked for by it as it stands.

Importing this loads jsonschema: only who has such a schema pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from pydantic import BaseModel, RootModel, model_validator
from pydantic_core import PydanticCustomError
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from ..errors import ConfigError

SHOWN_ERRORS = 5


def errors_by(shape: Mapping[str, Any]) -> Callable[[Any], list[str]]:
    """Returns a function from a value to what is wrong with it by `shape`, a JSON schema; nothing when it fits.

    Remote references are never fetched.

    Raises:
        ConfigError: `shape` is not a valid JSON schema; so does the function where it refers to what is not there.
    """
    if not isinstance(shape.get("$schema", ""), str):
        raise ConfigError(f"the JSON schema has $schema {shape['$schema']!r}, which names no dialect; leave it out")
    kind = validator_for(shape, default=Draft202012Validator)
    try:
        kind.check_schema(dict(shape))
    except SchemaError as error:
        raise ConfigError(f"not a valid JSON schema at '{error.json_path}': {error.message}") from error
    # An empty registry: jsonschema's own would fetch remote references.
    validator = kind(dict(shape), registry=Registry())

    def errors_of(value: Any) -> list[str]:
        try:
            return [f"{one.json_path}: {one.message[:120]}" for one in validator.iter_errors(value)]
        except Unresolvable as error:
            raise ConfigError(f"the JSON schema refers to {error.ref!r}, which it does not contain") from error
        except RecursionError:  # a recursive schema follows a text that is nested a thousand levels deep
            return ["value: nested too deeply"]

    return errors_of


def answer_by(shape: Mapping[str, Any], name: str) -> type[BaseModel]:
    """Returns a model of JSON objects that fit `shape`; dumped, they are what was answered, without defaults.

    Args:
        shape: a JSON schema of an object that names its `properties`: they become fields of drafts.
        name: what the answer is called where the schema has no `title`.

    Raises:
        ConfigError: `shape` is not a valid JSON schema, or not one of an object with properties.
    """
    errors_of = errors_by(shape)
    if shape.get("type") != "object" or not shape.get("properties"):
        raise ConfigError(
            f"the JSON schema has type {shape.get('type')!r}; an answer is an object whose fields are named: "
            "`type: object` and `properties`"
        )

    _require_references(shape)

    class JsonAnswer(RootModel[dict[str, Any]]):
        @model_validator(mode="after")
        def _fits(self) -> JsonAnswer:
            if found := errors_of(self.root):
                raise PydanticCustomError("json_schema", "{found}", {"found": "; ".join(found[:SHOWN_ERRORS])})
            return self

        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
            return dict(shape)

    JsonAnswer.__name__ = JsonAnswer.__qualname__ = str(shape.get("title") or name)
    return JsonAnswer


def _require_references(shape: Mapping[str, Any]) -> None:
    """Raises `ConfigError` for a reference that leads nowhere, before a model was asked and paid."""
    whole = Resource.from_contents(dict(shape), default_specification=DRAFT202012)
    resolver = Registry().with_resource("", whole).resolver()
    for reference in _references(shape):
        try:
            resolver.lookup(reference)
        except Unresolvable as error:
            raise ConfigError(f"the JSON schema refers to {reference!r}, which it does not contain") from error


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        for part in node.values():
            yield from _references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _references(part)
