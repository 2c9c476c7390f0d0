"""Puts the page together: one file, with a policy that lets in nothing but what stands in it.

Scripts and style are named by their hashes. What documents and models wrote is in one block of JSON, in which no
character can end the block, and comes onto the page as text only.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from pathlib import Path

import orjson

from ...graphs.exchange.files import placed_file
from ...storage.store import RunStore
from .contents import Json, contents

STATIC = Path(__file__).with_name("static")
SCRIPTS = ("layout.js", "picture.js", "panel.js", "page.js")
ESCAPED = {"<": b"\\u003c", ">": b"\\u003e", "&": b"\\u0026", "\u2028": b"\\u2028", "\u2029": b"\\u2029"}


def write_page(store: RunStore, path: Path) -> Json:
    """Writes the page of a run's graph; returns what it holds.

    Raises `NotStored` when the run has none, and `StoreError` when the file cannot be written.
    """
    held = contents(store, store.folder.name)
    with placed_file(path) as file:
        file.write(page_of(held))
    return held


def page_of(held: Json) -> bytes:
    """Returns the page in UTF-8."""
    style = _text("page.css")
    scripts = [_text(name) for name in SCRIPTS]
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    filled = {
        "{{policy}}": policy.encode(),
        "{{title}}": escape(f"{held['name']}: knowledge graph").encode(),
        "{{style}}": style.encode(),
        "{{scripts}}": "\n".join(f"<script>{script}</script>" for script in scripts).encode(),
        "{{data}}": _data(held),
    }
    page = _text("page.html").encode()
    for slot, value in filled.items():  # the data last: what it says is never looked at for slots
        before, _, after = page.partition(slot.encode())
        page = before + value + after
    return page


def _data(held: Json) -> bytes:
    body = orjson.dumps(held)
    for letter, code in ESCAPED.items():
        body = body.replace(letter.encode(), code)
    return body


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
