"""What commands print, safe to look at: what models and documents wrote moves no cursor, sets no title.

Rich leaves escape characters in texts as they are; here they are shown as signs, in tables and in JSON too.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# C0 and C1 controls but tab and newline; embeddings, overrides and isolates that turn the direction of a text.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class SafeConsole(Console):
    """A console that shows control characters of what it prints, and sends only its own to the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control is None and HIDDEN.search(segment.text):
                segment = Segment(plain(segment.text), segment.style)
            yield segment


def open_console(*, stderr: bool = False) -> Console:
    """Returns the console of a command: lines are wrapped for people, never for pipes."""
    stream = sys.stderr if stderr else sys.stdout
    return SafeConsole(stderr=stderr, highlight=False, soft_wrap=not stream.isatty())


def plain(text: str) -> str:
    """Returns `text` with a sign for each control character: `␛` for an escape, `�` for what has none."""
    return HIDDEN.sub(_sign, text)


def print_json(value: Any) -> None:
    """Writes `value` as JSON to stdout, indented."""
    sys.stdout.buffer.write(json_text(value, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.buffer.flush()


def json_text(value: Any, option: int = 0) -> bytes:
    """Returns `value` as JSON in which control characters are escaped, also those that JSON would allow as they are."""
    text = orjson.dumps(value, option=option, default=str).decode()
    return _json_escaped(text).encode() if HIDDEN.search(text) else text.encode()


def _json_escaped(text: str) -> str:
    """The newlines of indented JSON stay; within strings JSON has escaped them."""
    return HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def me() -> str:
    """How this program was called, so that the next command can be typed as it stands."""
    called = Path(sys.argv[0])
    on_path = shutil.which("gristmill")
    if called.name != "gristmill" or (on_path and Path(on_path).resolve() == called.resolve()):
        return "gristmill"
    with suppress(ValueError):
        return str(called.absolute().relative_to(Path.cwd()))
    return str(called)
