"""What a role reads of an answer, said by the role itself, and whether a prompt is answered by it.

A prompt of a user's own whose answers lack what its role reads would be paid for by every task, and come to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from ..errors import meant
from .library import BUILT_IN, Prompt, read_prompt

TEXT = "text"  # the field that an answer without a schema becomes
_NO_LIST = {"string", "number", "integer", "boolean", "object", "null"}


@dataclass(frozen=True)
class Text:
    """The role reads the text as it stands; a schema would make JSON of it."""


@dataclass(frozen=True)
class Fields:
    """The role reads fields of an answer, whatever its schema is called.

    names: fields that the schema has to have.
    lists: field → fields of its entries; these fields have to be lists, of records where entries have fields.
    text:  whether an answer without a schema will do.
    mend:  what may be done in place of adding what is lost to the schema.
    """

    names: frozenset[str] = frozenset()
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: bool = False
    mend: str = ""

    @classmethod
    def of(cls, names: Iterable[str], *, text: bool | None = None, mend: str = "") -> Fields:
        """A text will do where nothing is read but `text`, unless it is said otherwise."""
        read = frozenset(names)
        return cls(read, text=read <= {TEXT} if text is None else text, mend=mend)


Wanted = type[BaseModel] | Fields | Text
"""A schema that the answer's own has to be, or to be derived from; fields of any schema; or the text."""


def unfit(prompt: Prompt, wanted: Wanted, role: str) -> str:
    """Returns why answers to a prompt are not what `role` reads, with the mend; empty where they are."""
    said = f"prompt '{prompt.name}' ({prompt.path}) is answered by "
    if isinstance(wanted, Fields):
        return _unfit_fields(prompt, wanted, f"{said}{_called(prompt)}, and role '{role}' reads ")
    if isinstance(wanted, Text):
        if prompt.schema is None:
            return ""
        return (
            f"{said}{_called(prompt)}, and role '{role}' reads the text itself; take 'schema' out of its front matter"
        )
    if prompt.schema is not None and issubclass(prompt.schema, wanted):
        return ""
    needed = {name for name, one in wanted.model_fields.items() if one.is_required()}
    lost = needed - _shape_of(prompt.schema).get("properties", {}).keys() if prompt.schema else set()
    without = f" without {_listed(lost)}" if lost else ""
    return (
        f"{said}{_called(prompt)}{without}, and role '{role}' needs {wanted.__name__}; put 'schema: "
        f"{wanted.__name__}' into its front matter, or a class of yours derived from it"
    )


def _unfit_fields(prompt: Prompt, wanted: Fields, said: str) -> str:
    if prompt.schema is None:
        if wanted.text:
            return ""
        read = _listed({*wanted.names, *wanted.lists})
        return f"{said}{read}; put a schema that has it into its front matter{wanted.mend}{_own(prompt)}"
    shape = _shape_of(prompt.schema)
    fields = shape.get("properties", {})
    if not shape.get("additionalProperties"):
        lost = {*wanted.names, *wanted.lists} - fields.keys()
        if lost:
            near = meant(min(lost), fields)
            return (
                f"{said}{_listed(lost)}, which it does not have{near}; add it to the schema{wanted.mend}{_own(prompt)}"
            )
    for name, members in wanted.lists.items():
        kinds, entries = set(_kinds(shape, fields.get(name, {}))), list(_entries(shape, fields.get(name, {})))
        if kinds and kinds <= _NO_LIST:
            return f"{said}'{name}' as a list, and it is a {' or '.join(sorted(kinds))}; make it a list{_own(prompt)}"
        for entry in entries if members else ():
            if lost := set(members) - entry.get("properties", {}).keys():
                return (
                    f"{said}{_listed(lost)} of every entry of '{name}', which these do not have; add it to the "
                    f"entries{_own(prompt)}"
                )
    return ""


def _called(prompt: Prompt) -> str:
    return "no schema" if prompt.schema is None else f"schema {prompt.schema.__name__}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def _own(prompt: Prompt) -> str:
    """The built-in prompt's schema, which always fits, where there is one of that name."""
    path = BUILT_IN / f"{prompt.name}.md"
    schema = read_prompt(path).schema if path != prompt.path and path.is_file() else None
    return f" (the built-in prompt of this name has 'schema: {schema.__name__}')" if schema else ""


@cache
def _shape_of(schema: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a dumped answer; it has `additionalProperties` where it leaves its fields open."""
    try:
        whole = schema.model_json_schema(by_alias=False, mode="serialization")
    except PydanticInvalidForJsonSchema:  # no server could be asked for it, which is said there
        return {"additionalProperties": True}
    found = dict(_resolved(whole, whole))
    if "properties" not in found:
        found["additionalProperties"] = True
    return {**found, "$defs": whole.get("$defs", {})}


def _resolved(whole: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    """A node of a schema, or what it refers to among the schema's own definitions."""
    for _ in range(8):  # a reference may lead to another
        reference = node.get("$ref") if isinstance(node, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#/$defs/"):
            break
        node = whole.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return node if isinstance(node, Mapping) else {}


def _choices(whole: Mapping[str, Any], node: Any) -> Iterator[Mapping[str, Any]]:
    found = _resolved(whole, node)
    others = [one for key in ("anyOf", "oneOf") for one in found.get(key, ())]
    yield from (_resolved(whole, one) for one in others or [found])


def _kinds(whole: Mapping[str, Any], node: Any) -> Iterator[str]:
    for one in _choices(whole, node):
        kind = one.get("type", "any")
        yield from kind if isinstance(kind, list) else [kind]


def _entries(whole: Mapping[str, Any], node: Any) -> Iterator[Mapping[str, Any]]:
    """What the entries of a list may be; nothing for those that the schema leaves open."""
    for one in _choices(whole, node):
        for entry in _choices(whole, one.get("items", {})):
            if entry.get("type") and not entry.get("additionalProperties"):
                yield entry
