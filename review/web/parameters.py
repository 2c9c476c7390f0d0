"""What a request gives, checked: a bad value is a 400 that names it, never a traceback."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request

M = TypeVar("M", bound=BaseModel)
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
REPEATED = frozenset({"status"})  # parameters that may be given several times


def id_of(request: Request, name: str = "id") -> str:
    """Returns an id from the path; raises 400 for what can be none."""
    given = str(request.path_params[name])
    if not ID.fullmatch(given):
        raise HTTPException(400, f"'{given[:80]}' is no id")
    return given


def from_query(model: type[M], params: QueryParams) -> M:
    """Returns the query's parameters as `model`, those that it does not know left out; raises 400."""
    known = model.model_fields
    given: dict[str, Any] = {}
    for name in params:
        if name in known and (value := params[name]) != "":
            given[name] = tuple(params.getlist(name)) if name in REPEATED else value
    return checked(model, given)


async def from_json(model: type[M], request: Request) -> M:
    """Returns the request's JSON body as `model`; raises 400, or 415 for another type."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise HTTPException(400, said(error)) from None


def checked(model: type[M], given: dict[str, Any]) -> M:
    """Returns `given` as `model`; raises 400."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise HTTPException(400, said(error)) from None


def said(error: ValidationError) -> str:
    """Returns the first finding, without the value itself where it is long."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"])) or "the body"
    value = repr(first.get("input"))
    return f"{where}: {first['msg']}" + (f" (given {value})" if len(value) <= 80 else "")
