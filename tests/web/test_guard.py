"""What stands before every page: Host, token, session, CSRF, bodies, headers; asked over the wire, on every route.

A route that is added to the pages is asked here too, without a word: `routes()` reads them off the application.
"""

from __future__ import annotations

import re
import sqlite3
from http.cookies import SimpleCookie

import pytest
from served import Served
from visitor import Answer, address, methods, raw, routes, stranger, visitor

from gristmill.review.web.security import BODY, SAFE

NO_ITEM = "item-0123456789abcdef01234567"
WRITES = [(method, address(route, NO_ITEM)) for route in routes() for method in sorted(methods(route) - SAFE)]
READS = [address(route, NO_ITEM) for route in routes() if "GET" in methods(route)]
# Any route, and one that is not there: what stands before the pages does not depend on them.
ALL = [*WRITES, *(("GET", path) for path in READS), ("POST", "/"), ("DELETE", "/nothing"), ("PUT", "/static/base.css")]


async def get(served: Served, host: str, path: str = "/") -> Answer:
    return await raw(served, f"GET {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "sub.localhost",
        "localhost.",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "localhost/static/",
        "localhost/static/?",
        "localhost#",
        "localhost\\evil.example",
        "localhost:80:80",
        "localhost:http",
        "localhost evil.example",
        "localhost, evil.example",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[",
        "[::1",
        "[::g]",
        "::1]",
        "[localhost]",
        "%31%32%37.0.0.1",
        "",
        "\xe9vil",
        "x" * 5000,
    ],
)
async def test_no_other_name_leads_here(demo_site: Served, host: str) -> None:
    """Neither to a page, nor past the door, nor to our own files."""
    for path in ("/", f"/?token={demo_site.token}", "/static/base.css"):
        answer = await get(demo_site, host, path)
        assert answer.status in {400, 421}, answer.text
        assert "set-cookie" not in answer.headers
        if answer.status == 421:  # a 400 is uvicorn's own, to what is not HTTP
            answer.assert_safe()


async def test_two_hosts_are_none(demo_site: Served) -> None:
    answer = await raw(demo_site, "GET / HTTP/1.1\nHost: localhost\nHost: evil.example\nConnection: close\n\n")
    assert answer.status in {400, 421}
    assert (await raw(demo_site, "GET / HTTP/1.0\n\n")).status in {400, 421}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:8765"])
async def test_addresses_and_localhost_lead_here(demo_site: Served, host: str) -> None:
    assert (await get(demo_site, host)).status == 403  # to the door
    assert (await get(demo_site, host, f"/?token={demo_site.token}")).status == 303


@pytest.mark.parametrize(("method", "path"), ALL)
async def test_without_a_session_nothing_opens(demo_site: Served, method: str, path: str) -> None:
    if path.startswith("/static"):
        return
    async with stranger(demo_site) as one:
        for given in ("", "?token=", "?token=wrong", f"?token={demo_site.token[:-1]}", "?token=%00%ff%f0%9f"):
            answer = await one.ask(method, path + given, headers={"X-CSRF-Token": "x"})
            assert answer.status == 403
            assert "set-cookie" not in answer.headers
            assert demo_site.folder.name not in re.sub(r"<[^>]*>", " ", answer.text).split()
            answer.assert_safe()


UNSIGNED = "eyJjc3JmIjogIngiLCAicmV2aWV3ZXIiOiAiZXZlIn0="


@pytest.mark.parametrize("cookie", ["x", "e30=.x.y", UNSIGNED, f"{UNSIGNED}.aR8aaA.{'A' * 27}", "=;=", "\x7f"])
async def test_no_session_can_be_made_up(demo_site: Served, cookie: str) -> None:
    name = f"gristmill_review_{demo_site.port}"
    answer = await raw(demo_site, f"GET / HTTP/1.1\nHost: localhost\nCookie: {name}={cookie}\nConnection: close\n\n")
    assert answer.status in {400, 403}


async def test_the_cookie_is_for_us_alone(demo_site: Served) -> None:
    async with stranger(demo_site) as one:
        entered = await one.enter(demo_site)
    (morsel,) = SimpleCookie(entered.headers["set-cookie"]).values()
    assert morsel.key == f"gristmill_review_{demo_site.port}"
    assert morsel["httponly"] is True
    assert morsel["samesite"] == "strict"
    assert morsel["domain"] == ""
    assert (morsel["max-age"], morsel["expires"]) == ("", "")  # it ends with the browser's session
    assert demo_site.token not in entered.headers["location"]


async def test_a_session_does_not_outlive_the_server(review, demo_run) -> None:
    async with visitor(await review(demo_run)) as one:
        assert (await one.get("/")).status == 200
        anew = await review(demo_run)
        one.origin = anew.origin
        kept = f"gristmill_review_{anew.port}"
        (old,) = (morsel.value for morsel in one.session.cookie_jar)
        assert (await one.get("/", Cookie=f"{kept}={old}")).status == 403


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/", "/"),
        ("//evil.example/x", "/evil.example/x"),
        ("///evil.example", "/evil.example"),
        ("/\\evil.example", "/evil.example"),
        ("/%5C/evil.example", "/evil.example"),
        ("/%2F%2Fevil.example", "/evil.example"),
        ("/a%0d%0aSet-Cookie:x=1", "/a%0D%0ASet-Cookie%3Ax%3D1"),
        ("/items/x%3Ftoken=y", "/items/x%3Ftoken%3Dy"),
    ],
)
async def test_the_door_leads_to_no_other_host(demo_site: Served, path: str, way: str) -> None:
    answer = await get(demo_site, "localhost", f"{path}?token={demo_site.token}")
    assert (answer.status, answer.headers["location"]) == (303, way)
    also = await get(demo_site, "localhost", f"/?reason=a%26b&token={demo_site.token}&reason=%3Cc%3E")
    assert also.headers["location"] == "/?reason=a%26b&reason=%3Cc%3E"


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_every_write_wants_our_own_page(demo_site: Served, method: str, path: str) -> None:
    forged = [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "wrong"},
        {"X-CSRF-Token": "\xe9"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine is the same site
    ]
    async with visitor(demo_site) as one, visitor(demo_site) as another:
        forged.append({"X-CSRF-Token": another.csrf})
        for headers in forged:
            answer = await one.ask(method, path, headers=headers, json={})
            assert answer.status == 403, headers
            answer.assert_safe()
        for site in ("same-origin", "none", ""):
            answer = await one.ask(method, path, headers={"Sec-Fetch-Site": site}, json={})
            assert answer.status != 403
            assert answer.status < 500
            answer.assert_safe()


async def test_a_token_in_the_address_is_no_way_round_csrf(demo_site: Served) -> None:
    """A POST with the token begins a session and does nothing else."""
    async with visitor(demo_site) as one:
        for method, path in WRITES:
            answer = await one.ask(method, f"{path}?token={demo_site.token}", headers={"X-CSRF-Token": ""}, json={})
            assert answer.status == 303


async def test_reading_decides_nothing(review, demo_run) -> None:
    """A GET may come from anywhere: a link, a picture, a page that a browser fetches before it is asked for."""
    with sqlite3.connect(demo_run / "run.sqlite3") as store:
        ids = [id for (id,) in store.execute("SELECT id FROM items")]
    async with visitor(await review(demo_run)) as one:
        for item in ids[:3]:
            for route in routes():
                if "GET" in methods(route):
                    answer = await one.get(address(route, item))
                    assert answer.status < 500
                    answer.assert_safe()
    with sqlite3.connect(demo_run / "run.sqlite3") as store:
        assert store.execute("SELECT COUNT(*) FROM reviews").fetchone() == (0,)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
async def test_methods_that_a_page_has_not(demo_site: Served, method: str) -> None:
    async with visitor(demo_site) as one:
        for path in (*READS, "/nothing", "/static/base.css", "/static/nothing", "/items/"):
            answer = await one.ask(method, path, json=None)
            assert answer.status < 500
            answer.assert_safe()


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_body_has_a_limit(demo_site: Served, method: str, path: str) -> None:
    """Declared or not; the rest of it is not waited for."""
    async with visitor(demo_site) as one:
        cookie = "; ".join(f"{morsel.key}={morsel.value}" for morsel in one.session.cookie_jar)
        head = f"{method} {path} HTTP/1.1\nHost: localhost\nCookie: {cookie}\nX-CSRF-Token: {one.csrf}\n"
        head += "Content-Type: application/json\n"
        for declared in (str(BODY + 1), "9" * 12, "9" * 18):
            answer = await raw(demo_site, f"{head}Content-Length: {declared}\n\n")
            assert answer.status == 413
            answer.assert_safe()
        for declared in ("-1", "1e3", "9" * 5000, "1, 2"):
            assert (await raw(demo_site, f"{head}Content-Length: {declared}\n\n")).status in {400, 413}
        chunk = "x" * 65_536
        body = f"{len(chunk):x}\n{chunk}\n" * (BODY // len(chunk) + 2)
        answer = await raw(demo_site, f"{head}Transfer-Encoding: chunked\n\n{body}0\n\n")
        assert answer.status in {413, 415}  # 415 where a page wants another type, and so reads none of it
        answer.assert_safe()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2fweb/app.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/..\\app.py",
        "/static/vendor/../../app.py",
        "/static/vendor",
        "/static/",
        "/static/%00",
        "/static/base.css%00.html",
        f"/static/{'a' * 5000}",
        "/static/\xff",
    ],
)
async def test_only_our_own_files_are_served(demo_site: Served, path: str) -> None:
    answer = await get(demo_site, "localhost", path)
    assert answer.status in {400, 403, 404, 405, 307}
    assert "import" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("path", ["/static/../", "/static/../items/x", "/static/..%2f", "/static/x/../../dashboard"])
async def test_the_way_over_our_files_is_not_past_the_door(demo_site: Served, path: str) -> None:
    assert (await get(demo_site, "localhost", path)).status in {403, 404}


BAD_IDS = ["..", ".", "-", "%2e%2e%2frun.sqlite3", "a%2fb", "%00", "a%00b", "'%20OR%201=1--", "<script>", "x" * 129]
BAD_IDS += ["x" * 60_000, "%f0%9f%92%a9", "%ff", "{{7*7}}", "%e2%80%ae", "a%0d%0ab", "*", "item-%", " ", "item-_"]


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_a_bad_id_is_a_clean_refusal(demo_site: Served, bad: str) -> None:
    async with visitor(demo_site) as one:
        cookie = "; ".join(f"{morsel.key}={morsel.value}" for morsel in one.session.cookie_jar)
        head = f"Host: localhost\nCookie: {cookie}\nX-CSRF-Token: {one.csrf}\nConnection: close\n"
        head += "Content-Type: application/json\nContent-Length: 2\n"
        found = [(method, route.path) for route in routes() for method in methods(route) if "{" in route.path]
        for method, pattern in found:
            path = re.sub(r"{[^}]*}", lambda _: bad, pattern).replace(" ", "%20")
            answer = await raw(demo_site, f"{method} {path} HTTP/1.1\n{head}\n{{}}")
            assert 300 <= answer.status < 500, (method, pattern, answer.status)
            assert "Traceback" not in answer.text


async def test_no_web_socket(demo_site: Served) -> None:
    answer = await raw(
        demo_site,
        "GET / HTTP/1.1\nHost: localhost\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n",
    )
    assert answer.status == 403
