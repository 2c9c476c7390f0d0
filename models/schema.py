"""The JSON schema that a server is asked to keep to, made from a pydantic model.

Strict structured output (OpenAI's `strict: true`, which vLLM accepts too) allows a part of JSON schema only: every
object closed, every property required, no `default`, no `oneOf`, no length limits on strings. What is taken away here
is checked by pydantic when the answer is parsed, so nothing is lost but a hint to the server.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, RootModel

DROPPED = frozenset({"title", "default", "discriminator", "minLength", "maxLength", "uniqueItems", "multipleOf"})
LOOSE = frozenset({"prefixItems", "patternProperties", "not", "if", "propertyNames", "contains"})


@lru_cache(maxsize=512)
def response_format(schema: type[BaseModel]) -> dict[str, Any]:
    """Returns the `response_format` of a request for `schema`. The result is shared: do not change it.

    `strict` is false when the schema holds what strict mode cannot say: maps with free keys, fixed-position tuples.
    """
    found = schema.model_json_schema()
    body, strict = _close(found)
    if issubclass(schema, RootModel) and _leaves_out(found):
        strict = False  # written by hand: what may be left out is not to be invented
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.__name__)[:64]
    return {
        "type": "json_schema",
        "json_schema": {"name": name, "schema": body if strict else found, "strict": strict},
    }


@lru_cache(maxsize=512)
def schema_key(schema: type[BaseModel]) -> bytes:
    """Returns the canonical JSON of `schema`'s response format, for the cache key."""
    return orjson.dumps(response_format(schema), option=orjson.OPT_SORT_KEYS)


def _leaves_out(node: Any) -> bool:
    """Whether an object in a JSON schema has a property that answers may leave out."""
    if isinstance(node, list):
        return any(_leaves_out(part) for part in node)
    if not isinstance(node, dict):
        return False
    if isinstance(named := node.get("properties"), dict) and set(named) - set(node.get("required", ())):
        return True
    return any(_leaves_out(part) for key, part in node.items() if key not in ("enum", "const", "default", "examples"))


def _close(node: Any) -> tuple[Any, bool]:
    """Returns `node` as strict mode wants it, and whether that was possible."""
    if isinstance(node, list):
        parts = [_close(part) for part in node]
        return [part for part, _ in parts], all(strict for _, strict in parts)
    if not isinstance(node, dict):
        return node, True
    strict = not LOOSE & node.keys()
    if node.get("type") == "object":
        # A map with free keys, such as dict[str, int], has no `properties`, or allows others beside them.
        strict = strict and "properties" in node and not node.get("additionalProperties")
    closed: dict[str, Any] = {}
    for key, value in node.items():
        if key in DROPPED or (key == "required" and "properties" in node):
            continue
        if key in ("properties", "$defs", "definitions"):  # keys of these are the user's names, never keywords
            named = {name: _close(part) for name, part in value.items()}
            closed[key] = {name: part for name, (part, _) in named.items()}
            strict = strict and all(fine for _, fine in named.values())
        elif key in ("enum", "const"):
            closed[key] = value
        else:
            part, fine = _close(value)
            closed["anyOf" if key == "oneOf" else key] = part
            strict = strict and fine
    if "$ref" in closed:  # strict mode allows no keyword beside a reference; a description is only a hint
        return {"$ref": closed["$ref"]}, strict
    if "properties" in closed:
        closed["required"] = list(closed["properties"])
        closed["additionalProperties"] = False
    return closed, strict
