"""Puts a page together that stands for itself: one file, with a policy that lets in nothing but what stands in it.

Scripts and style are named by their hashes. What documents and models wrote is in one block of JSON, in which no
character can end the block, and comes onto the page as text only.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Any

import orjson

ESCAPED = {"<": b"\\u003c", ">": b"\\u003e", "&": b"\\u0026", "\u2028": b"\\u2028", "\u2029": b"\\u2029"}


def filled(page: str, *, title: str, style: str, scripts: Sequence[str], data: Any) -> bytes:
    """Returns the page in UTF-8: `page` with its slots {{policy}}, {{title}}, {{style}}, {{data}}, {{scripts}} filled.

    `data` are JSON values, which the page's block of data holds.
    """
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
    slots = {
        "{{policy}}": policy.encode(),
        "{{title}}": escape(title).encode(),
        "{{style}}": style.encode(),
        "{{scripts}}": "\n".join(f"<script>{script}</script>" for script in scripts).encode(),
        "{{data}}": _data(data),
    }
    found = page.encode()
    for slot, value in slots.items():  # the data last: what it says is never looked at for slots
        before, _, after = found.partition(slot.encode())
        found = before + value + after
    return found


def _data(held: Any) -> bytes:
    body = orjson.dumps(held)
    for letter, code in ESCAPED.items():
        body = body.replace(letter.encode(), code)
    return body


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
