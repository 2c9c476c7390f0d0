"""Which schema a prompt's front matter means: a built-in one by its name, a class of the user's own, a JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import orjson
from pydantic import BaseModel

from ..errors import ConfigError, PromptError
from . import schemas
from .named import load_named


def schema_of(said: Any, name: str) -> type[BaseModel]:
    """Returns what the prompt called `name` is to be answered with.

    Args:
        said: `QuestionAnswer` (of `prompts/schemas.py`), `module:Class` (a pydantic model; the module is imported with
            the working folder on the import path), or a mapping: a JSON schema of an object.

    Raises:
        PromptError: it is none of these, or there is none of that name; says which is the nearest.
    """
    if isinstance(said, Mapping):
        from .json_schema import answer_by  # loads jsonschema, for which only those pay who use it

        try:
            return answer_by(_as_json(said), name)
        except ConfigError as error:
            raise PromptError(f"schema: {error}") from error
    if ":" in str(said):
        found = load_named(str(said), "schema", PromptError)
        if not _is_model(found):
            raise PromptError(f"schema '{said}' is {found!r}; it has to be a class derived from pydantic's BaseModel")
    else:
        found = vars(schemas).get(str(said))
        if not _is_model(found):
            raise PromptError(f"no schema is called '{said}'{_nearest(str(said))}")
    model: type[BaseModel] = found
    return model


def _as_json(said: Mapping[str, Any]) -> dict[str, Any]:
    """What YAML read, as JSON has it: answers are JSON, and no date of theirs would ever equal one of Python's."""
    try:
        found: dict[str, Any] = orjson.loads(orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        raise ConfigError(f"the JSON schema has a value that JSON does not know: {error}") from error
    return found


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def _nearest(said: str) -> str:
    known = sorted(name for name, found in vars(schemas).items() if _is_model(found))
    near = get_close_matches(said, known, n=1)
    meant = f"; did you mean '{near[0]}'?" if near else "."
    return f"{meant} One of your own is named module:Class, or written out as a JSON schema (docs/prompts.md)"
