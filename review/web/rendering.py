"""Templates into pages. Everything that a template prints is escaped; nothing here marks text of others as safe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .keys import keys_of
from .security import of_session
from .site import site_of


@cache
def environment() -> Environment:
    """The templates of `templates/`, escaping always, with a missing name an error."""
    found = Environment(
        loader=PackageLoader(str(__package__), "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["query"] = query
    found.filters["words"] = words
    found.globals["keys_of"] = keys_of
    return found


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Returns `template` as a response. Every template also knows `site`, `reviewer`, `csrf` and the page's `path`."""
    values = {"site": site_of(request), "path": request.scope["path"], **of_session(request), **values}
    return HTMLResponse(environment().get_template(template).render(values), status)


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of the page, and not for all of it."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-history-restore-request") != "true"


def query(values: Mapping[str, Any], **changed: Any) -> str:
    """Returns `values` with `changed` as a query string; what is empty or None is left out, lists are repeated."""
    given = {name: value for name, value in {**values, **changed}.items() if value not in (None, "", (), [])}
    return urlencode(given, doseq=True)


def words(code: str) -> str:
    """Returns a code such as `send_back` as words."""
    return code.replace("_", " ")
