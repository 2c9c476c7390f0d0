"""Who is let in, and what is told of it: addresses, tokens, names; the token in no log, the keys on no page."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest
from browser import People, path_of
from playwright.async_api import expect
from processes import until
from served import Served
from visitor import address, methods, raw, routes, visitor
from write_and_judge import PROMPTS, flow, rows

from gristmill import Campaign, ModelSpec, Scripted
from gristmill.errors import ConfigError
from gristmill.review.web.serve import LAUNCHER, access_of

TOKEN = "a-token-of-the-users-own"
KEY = "sk-canary-do-not-print"
SEND = """(url) => fetch(url, {method: "POST", credentials: "include", mode: "no-cors"})
  .then((answer) => answer.type, () => "refused")"""
READ = '(url) => fetch(url, {credentials: "include"}).then((answer) => answer.text(), () => "refused")'


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.org", "127.1", "::ffff:10.0.0.1"])
def test_another_address_wants_a_token(host: str) -> None:
    with pytest.raises(ConfigError, match="give --token"):
        access_of(host, 8765, "", "ada")
    assert access_of(host, 8765, TOKEN, "ada").token == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_on_this_machine_the_token_is_random(host: str) -> None:
    first, second = (access_of(host, 8765, "", "ada") for _ in range(2))
    assert first.token != second.token
    assert first.secret != second.secret
    assert len(first.token) >= 43  # 256 bits
    assert not first.names


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"token": "guess-me"}, "can be guessed"),
        ({"reviewer": ""}, "--reviewer"),
        ({"reviewer": "x" * 101}, "--reviewer"),
        ({"reviewer": "ada\x1b[2J"}, "--reviewer"),
        ({"reviewer": "ada\u202eeve"}, "--reviewer"),
        ({"names": ("http://mill.example",)}, "--name"),
        ({"names": ("mill.example:8765",)}, "--name"),
        ({"names": ("",)}, "--name"),
        ({"names": ("*",)}, "--name"),
    ],
)
def test_what_cannot_be_is_refused(given: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        access_of(**{"host": "127.0.0.1", "port": 8765, "token": "", "reviewer": "ada", **given})


def test_addresses_that_a_person_can_open() -> None:
    assert access_of("0.0.0.0", 80, TOKEN, "ada").url == f"http://127.0.0.1:80/?token={TOKEN}"
    assert access_of("::", 80, TOKEN, "ada").url == f"http://[::1]:80/?token={TOKEN}"
    assert access_of("::1", 80, "a b&c=d#e?f/g%20hijk", "ada").url.endswith("?token=a%20b%26c%3Dd%23e%3Ff%2Fg%2520hijk")
    assert access_of("0.0.0.0", 80, TOKEN, "ada", ("Mill.Example",)).names == {
        "mill.example",
        socket.gethostname().lower(),
    }


async def test_the_command_refuses_to_let_others_in_without_a_token(command, demo_run: Path) -> None:
    for options in (["--host", "0.0.0.0"], ["--token", "short"], ["--host", "999.1.1.1", "--token", TOKEN]):
        code, out, err = await (await command("review", demo_run, "--port", 0, "--no-browser", *options)).ended()
        assert code == 1
        assert "http://" not in out
        assert "Traceback" not in err
        assert TOKEN not in err
    code, _, err = await (await command("review", demo_run, "--host", "x" * 300 + ".y", "--token", TOKEN)).ended()
    assert (code, "Traceback" in err) == (1, False)


async def test_a_port_that_is_taken_is_never_changed_for_another(review, command, demo_run: Path) -> None:
    """Another port is another origin: what a browser keeps there is not seen."""
    served = await review(demo_run)
    code, out, err = await (await command("review", demo_run, "--port", served.port, "--no-browser")).ended()
    assert code != 0
    assert not out
    said = " ".join(err.split())
    assert f"cannot listen on 127.0.0.1 port {served.port}" in said
    assert "another `gristmill review`" in said
    assert "wait until this one is back" in said


async def test_other_machines_come_in_by_name(review, demo_run: Path) -> None:
    served = await review(demo_run, "--host", "0.0.0.0", "--token", TOKEN, "--name", "mill.example")
    await until(lambda: "what was decided is kept" in served.said)
    assert f"http://mill.example:{served.port}/?token={TOKEN}" in served.said
    for name, status in (("mill.example", 303), ("MILL.EXAMPLE:99", 303), ("mall.example", 421), ("10.0.0.1", 303)):
        answer = await raw(served, f"GET /?token={TOKEN} HTTP/1.1\nHost: {name}\nConnection: close\n\n")
        assert answer.status == status
        answer.assert_safe()


@pytest.mark.parametrize("token", ["a b&c=d#e?f/g%20hijk", "ключ-от-мельницы-\N{KEY}", "<script>alert(1)</script>'\""])
async def test_any_text_may_be_the_token(people: People, review, demo_run: Path, token: str) -> None:
    served = await review(demo_run, "--token", token)
    page = await people.enter(served)
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


async def test_the_token_is_told_once_and_the_requests_are_not(review, demo_run: Path) -> None:
    served = await review(demo_run)
    async with visitor(served) as one:
        token = served.token
        for path in (f"/nothing?token={token}x", "/items/nothing-secret-here", f"/?token={token}", "/?after=x"):
            await one.get(path)
        await one.ask("POST", "/", json={})
    await raw(served, f"GET /?token={served.token}\nnot HTTP at all\n\n")
    served.command.process.send_signal(signal.SIGINT)
    await served.command.ended()
    assert served.said.count(served.token) == 1
    assert "nothing-secret-here" not in served.said


async def test_the_browser_is_opened_without_the_token_among_its_arguments(review, demo_run: Path, tmp_path) -> None:
    """Everybody on the machine can list a process's arguments."""
    script, seen = tmp_path / "browser", tmp_path / "seen"
    script.write_text(f'#!/bin/sh\necho "$@" > {seen}.new\nmv {seen}.new {seen}\n')
    script.chmod(0o700)
    served = await review(demo_run, "--browser", BROWSER=f"{script} %s", DISPLAY=":0")
    await until(seen.exists)
    file = demo_run / LAUNCHER
    assert seen.read_text().strip() == file.as_uri()
    assert served.url in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    served.command.process.send_signal(signal.SIGINT)
    assert (await served.command.ended())[0] in {0, 130}
    assert not file.exists()


async def test_a_link_from_another_site_opens_the_pages(people: People, demo_site: Served, tmp_path: Path) -> None:
    """Browsers keep a strict cookie back from what another site's link began: the way in must not depend on it."""
    page = await people.enter(demo_site, allow=["asked another host: GET file:"])
    await page.context.clear_cookies()
    note = tmp_path / "note.html"
    note.write_text(f'<a href="{demo_site.url}">review</a>')
    await page.goto(note.as_uri())
    await page.get_by_role("link").click()
    await page.wait_for_url(demo_site.origin + "/")
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    assert path_of(page) == "/"


async def test_a_page_of_another_site_cannot_write(people: People, review, demo_run: Path, tmp_path: Path) -> None:
    """A form and a script elsewhere, in a browser that has a session: neither gets anywhere."""
    served = await review(demo_run)
    refusals = ["asked another host: GET file:", "CORS policy", "ERR_FAILED", "status of 403", "NotSameOrigin"]
    page = await people.enter(served, allow=refusals)
    elsewhere = tmp_path / "elsewhere.html"
    writes = [address(route, "item-x") for route in routes() if methods(route) - {"GET", "HEAD"}] or ["/"]
    elsewhere.write_text(f'<form method="post" action="{served.origin}{writes[0]}"><input name="a"><button>b</button>')
    await page.goto(elsewhere.as_uri())
    for path in writes:
        assert await page.evaluate(SEND, served.origin + path) in {"opaque", "refused"}
        assert await page.evaluate(READ, served.origin + path) == "refused"
    async with page.expect_navigation() as going:
        await page.get_by_role("button").click()
    answer = await going.value
    assert answer is not None
    assert answer.status == 403


async def test_no_key_reaches_a_page(review, tmp_path: Path) -> None:
    """Credentials that a person put into the campaign, and those of the server's environment."""
    rows(tmp_path, 3)
    extra = {"api_key": KEY, "headers": {"Authorization": f"Bearer {KEY}"}}
    models = {role: Scripted(lambda request: f"about {request.role}") for role in ("generator", "critic")}
    spare = ModelSpec(model="openai_api/m", base_url="http://127.0.0.1:9/v1", extra=extra)
    report = await Campaign(
        "keyed", [tmp_path / "rows.jsonl"], flow=flow(), prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"),
        models={**models, "spare": spare},
    ).execute()  # fmt: skip
    assert report.books.failed == 3
    served = await review(report.folder, OPENAI_API_KEY=KEY)
    async with visitor(served) as one:
        (item,) = set(re.findall(r"/items/(item-\w+)", (await one.get("/")).text)[:1])
        for route in routes():
            if "GET" in methods(route):
                answer = await one.get(address(route, item))
                assert answer.status < 500
                assert KEY not in answer.text
    assert KEY not in served.said
