"""Plain text and Markdown, whose headings become sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import yaml
from markdown_it import MarkdownIt

from ...errors import DocumentError
from ..records import Document
from .decode import decode
from .source import Skipped, Source

Sections = tuple[tuple[int, int, str], ...]

# Inline parsing is half of the cost and only titles need it, so it is off here and done for the titles alone.
_BLOCKS = MarkdownIt("commonmark").disable(["inline", "text_join"])
_INLINE = MarkdownIt("commonmark")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.{0,65536}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)


def load_text(source: Source) -> Iterator[Document | Skipped]:
    """Yields the one document of a text file."""
    text, _ = decode(source.name, source.read())
    # A short first line that stands alone and is no sentence is the title.
    found = re.match(r"\s*(\S.{0,99}?)[ \t]*\n[ \t]*\n", text)
    title = found[1] if found and found[1][-1] not in ".,;:!?" else ""
    yield Document.of(source.name, text, media_type="text/plain", title=title)


def load_markdown(source: Source) -> Iterator[Document | Skipped]:
    """Yields the one document of a Markdown file. YAML front matter leaves the text and stands in `meta`."""
    text, _ = decode(source.name, source.read())
    meta: dict[str, str] = {}
    title = ""
    if found := _FRONT_MATTER.match(text):
        meta["front_matter"] = found[1]
        title = _front_matter_title(found[1])
        text = text[found.end() :]
        if not text.strip():
            raise DocumentError(source.name, "empty", "has nothing below its front matter")
    sections = headings(text)
    title = title or (sections[0][2] if sections else "")
    yield Document.of(source.name, text, media_type="text/markdown", title=title, sections=sections, meta=meta)


def headings(text: str) -> Sections:
    """Returns the headings of Markdown `text` as (offset of the heading's line, level, title without markup).

    A parser finds them, so a `#` in a fenced or indented code block is none. Lines end with `\\n` alone.
    """
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    tokens = _BLOCKS.parse(text)
    found = []
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map is not None:
            title = _plain(inline.content)
            if title:
                found.append((starts[token.map[0]], int(token.tag[1]), title))
    return tuple(found)


def _plain(markdown: str) -> str:
    parts = []
    for token in _INLINE.parseInline(markdown):
        for child in token.children or ():
            parts.append(" " if child.type in ("softbreak", "hardbreak") else child.content)
    return " ".join("".join(parts).split())


def _front_matter_title(block: str) -> str:
    # Aliases are refused before parsing: a few lines of them can stand for gigabytes.
    if re.search(r"(?:^|[\s\[{,:-])[&*]\w", block):
        return ""
    try:
        values = yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, RecursionError):
        return ""
    title = values.get("title") if isinstance(values, dict) else None
    return title if isinstance(title, str) else ""
