"""An OpenAPI description of the pages' addresses, read off the application: what each takes, by the models it names.

A page takes its parameters with `from_query(Model, …)` and its body with `from_json(Model, …)`; these calls are looked
up in its source, and in that of its module's functions which it calls. So the description cannot fall behind.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.routing import Route
from visitor import methods, routes

REFERENCE = "#/components/schemas/{model}"


def models_of(function: Callable[..., Any], call: str, seen: frozenset[str] = frozenset()) -> Iterator[type[BaseModel]]:
    """Yields the models that `function` hands to `call`, itself or through functions of its module."""
    names = vars(inspect.getmodule(function))
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in [one for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)]:
        called = names.get(node.func.id)
        if node.func.id == call:
            yield names[node.args[0].id]
        elif node.func.id not in seen and inspect.isfunction(called) and called.__module__ == function.__module__:
            yield from models_of(called, call, seen | {node.func.id})


def described(ids: Sequence[str]) -> dict[str, Any]:
    """Returns the description. `ids` are some that the run has; any other text is as good a path parameter."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for route in routes():
        for method in sorted(methods(route) - {"HEAD"}):
            paths.setdefault(route.path, {})[method.lower()] = _operation(route, method, ids, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "gristmill review", "version": "0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: Route, method: str, ids: Sequence[str], schemas: dict[str, Any]) -> dict[str, Any]:
    known = {"enum": list(ids)}
    other = {"type": "string", "minLength": 1}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"anyOf": [known, known, other]}}
        for name in re.findall(r"\{(\w+)", route.path)
    ]
    for model in models_of(route.endpoint, "from_query"):
        shape = _schema(model, schemas)
        for name, schema in shape["properties"].items():
            parameters.append({"name": name, "in": "query", "required": False, "schema": schema})
    found: dict[str, Any] = {"parameters": parameters, "responses": {"default": {"description": "anything but 5xx"}}}
    for model in models_of(route.endpoint, "from_json"):
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(model, schemas)}}}
    return found


def _schema(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    shape = model.model_json_schema(ref_template=REFERENCE)
    schemas.update(shape.pop("$defs", {}))
    return shape
