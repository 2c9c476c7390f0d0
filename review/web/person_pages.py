"""Who decides in this browser: several people may share one server."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...storage.records import Record
from .parameters import from_json


def printable(name: str) -> str:
    """Returns a name that a page shows as it is; raises `ValueError` for one with hidden characters."""
    if not name.isprintable():
        raise ValueError("a name has no hidden or control characters")
    return name


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(printable)]


class Person(Record):
    """The name that a person decides under."""

    name: Name


async def rename(request: Request) -> Response:
    """Decisions of this session are by the new name from now on; what was decided stays under the old."""
    person = await from_json(Person, request)
    request.session["reviewer"] = person.name
    return JSONResponse({"reviewer": person.name})


routes = [Route("/me", rename, methods=["POST"])]
