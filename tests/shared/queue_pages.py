"""What a page of the queue shows: its items, its counts, its bars."""

from __future__ import annotations

import html
import re

import httpx

FRAGMENT = {"HX-Request": "true"}


def ids(text: str) -> list[str]:
    """The items that a page lists, in order."""
    return re.findall(r'<li id="(item-[0-9a-f]+)"', text)


def more(text: str) -> str:
    """Where the next items are, "" at the end."""
    found = re.search(r'hx-get="(/rows\?[^"]+)"', text)
    return html.unescape(found[1]) if found else ""


def total(text: str) -> int:
    found = re.search(r'<h1 id="total"[^>]*>([\d,]+) items?</h1>', text)
    assert found, text
    return int(found[1].replace(",", ""))


def bars(text: str, facet: str) -> dict[str, tuple[int, str, bool]]:
    """A facet's bars: name to (count, query, whether it is chosen)."""
    section = re.search(rf'<section aria-labelledby="facet-{facet}">(.*?)</section>', text, re.S)
    if section is None:
        return {}
    found = re.findall(
        r'href="/\?([^"]*)"( aria-current="true")?.*?<bdi>(.*?)</bdi>.*?<span class="count">([\d,]+)', section[1], re.S
    )
    return {html.unescape(name): (int(n), html.unescape(to), bool(on)) for to, on, name, n in found}


async def walk(client: httpx.AsyncClient, path: str) -> list[str]:
    """All ids, page by page as the browser loads more."""
    text = (await client.get(path)).text
    found = ids(text)
    while further := more(text):
        answer = await client.get(further, headers=FRAGMENT)
        assert answer.status_code == 200
        text = answer.text
        assert "<html" not in text
        found += ids(text)
    return found
