"""What stands before every page: the Host header, the token, the session, the CSRF token, sizes, and headers.

Model text and documents are hostile, and so is any other page that the same browser has open. So a request is served
only under a name that is ours (DNS rebinding), in a session that began with the token, and writes only when they come
from our own page. Responses allow no script but our files, no inline style, no other host.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .site import Access, new_secret

BODY = 2_000_000  # bytes of a request's body at most: an edited item fits
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = ("/static/",)  # our own files, which tell nothing of the run
# A name or a number, and a port. Whatever else a Host header holds is refused: parsers differ in what they make of it.
HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::[0-9]{1,5})?")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware, inside the session's: lets a request through or raises an `HTTPException` that says the mend."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # no page speaks it, and browsers let other pages open one
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        require_host(request.headers, self._access)
        # scope["path"] is what routes are found by; request.url.path is made from the Host header too.
        if not scope["path"].startswith(OPEN):
            if entered := enter(request, self._access):
                await entered(scope, receive, send)
                return
            if request.method not in SAFE:
                require_own_page(request)
        await self._app(scope, bounded(request.headers, receive), send)


class SafeHeaders:
    """ASGI middleware, outermost: puts `HEADERS` on every response, errors included. Pages are never kept by caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if not str(scope.get("path", "")).startswith(OPEN):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, sending)


def require_host(headers: Headers, access: Access) -> None:
    """Raises 421 unless the Host header is an address, localhost or a name of ours: no foreign name leads here."""
    given = headers.getlist("host")
    found = HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
    name = found[1] if found else ""
    if name == "localhost" or name in access.names or _is_address(name):
        return
    raise HTTPException(
        421,
        f"this server is not called '{', '.join(given)[:100]}': open it by its address. If it is a name that you gave "
        f"this machine, start `gristmill review` with --name and that name",
    )


def enter(request: Request, access: Access) -> Response | None:
    """Begins a session when the URL has the token, and returns the way to the same page without it.

    Raises:
        HTTPException: 403, when there is no session, or the token is another start's.
    """
    given = request.query_params.get("token")
    if given is not None and hmac.compare_digest(given.encode(), access.token.encode()):
        request.session.setdefault("reviewer", access.reviewer)
        request.session["csrf"] = request.session.get("csrf") or new_secret()
        return _onward(request)
    if not request.session.get("csrf"):
        raise HTTPException(
            403, "open the page with the address that `gristmill review` printed when it started: it holds the token"
        )
    return None


def _onward(request: Request) -> Response:
    """To the same page without the token.

    A browser keeps a strict cookie back from all of a navigation that another site's link began, its redirects too. So
    who may come by a link gets a page, from which the way on begins anew.
    """
    path = quote("/" + str(request.scope["path"]).lstrip("/\\"))  # two slashes would begin another host's address
    rest = urlencode([(name, value) for name, value in request.query_params.multi_items() if name != "token"])
    way = f"{path}?{rest}" if rest else path
    by_link = request.headers.get("sec-fetch-site") not in {"none", "same-origin"}
    if by_link and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(leading_to(way))
    return RedirectResponse(way, 303)


def leading_to(url: str) -> str:
    """Returns a page that goes on to `url` by itself."""
    way = f'<meta http-equiv="refresh" content="0; url={escape(url)}">'
    return f'<!doctype html><title>gristmill</title><link rel="icon" href="data:,">{way}\n'


def require_own_page(request: Request) -> None:
    """Raises 403 unless a write comes from our own page, by the browser's word and the session's CSRF token."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    given = request.headers.get("x-csrf-token", "")
    expected = str(request.session.get("csrf", ""))
    if site in {"same-origin", "none"} and expected and hmac.compare_digest(given.encode(), expected.encode()):
        return
    raise HTTPException(403, "this write did not come from the page itself; load the page again and repeat it")


def bounded(headers: Headers, receive: Receive) -> Receive:
    """Returns `receive` with a limit to the body; raises 413 beyond `BODY` bytes."""
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 12 or int(declared) > BODY:
        raise HTTPException(413, f"a request of {declared[:20]} bytes; {BODY:,} are taken at most")
    taken = 0

    async def receiving() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY:
            raise HTTPException(413, f"a request of more than {BODY:,} bytes")
        return message

    return receiving


def reviewer_of(request: Request) -> str:
    """Returns who decides in this session."""
    return str(request.session["reviewer"])


def csrf_of(request: Request) -> str:
    """Returns the token that this session's writes carry in the header `X-CSRF-Token`."""
    return str(request.session.get("csrf", ""))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def of_session(request: Request) -> dict[str, Any]:
    """What a template may know of the session; nothing before it has begun."""
    session = request.scope.get("session") or {}
    return {"reviewer": session.get("reviewer", ""), "csrf": session.get("csrf", "")}
