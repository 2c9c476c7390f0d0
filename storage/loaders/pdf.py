"""PDF to Markdown-like text: reading order and ligatures by PDFium, headings by the outline and the size of the type.

Needs the `pdf` extra. A scanned page has no text layer and gives nothing; pages without text are counted in `meta`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ...errors import DocumentError
from ..records import Document
from .decode import clean
from .source import Skipped, Source

MEDIA_TYPE = "application/pdf"
_BULLET = re.compile(r"^[•◦▪‣·●○■\u2013\u2014*-] +|^\(?(?:\d{1,3}|[a-z])[.)] +")
_HYPHEN = re.compile(r"[\x02\ufffe\u00ad]$|(?<=[a-z])-$")
_HEADING_RATIO = 1.12  # a heading's type against the body's
_MAX_HEADING = 150  # characters
_NO_TITLES = frozenset({"untitled", "(anonymous)", "(unspecified)"})  # what writers put where nobody gave one
_FULL_LINE = 0.7  # of the usual line length: a shorter line ends its paragraph
_RUNNING_SHARE = 0.6  # of the pages: a line that opens or closes as many is a running header or footer


@dataclass(slots=True)
class _Line:
    text: str
    size: float
    page: int
    level: int = 0


def load_pdf(source: Source) -> Iterator[Document | Skipped]:
    """Yields the one document of a PDF.

    `meta` has `pages`, the offset of each page's text (`page_offsets`), `pages_without_text` (numbers from 1), and
    `running_lines`, the headers and footers that were left out.
    """
    try:
        # A native library of 9 MB that belongs to the `pdf` extra.
        import pypdfium2
    except ImportError as error:
        raise DocumentError(
            source.name, "missing_extra", "PDF needs pypdfium2; install it: pip install 'gristmill[pdf]'"
        ) from error
    data = source.read()
    try:
        file = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentError(source.name, "unreadable", "is encrypted; save it without a password") from error
        raise DocumentError(source.name, "malformed", f"is not readable as PDF: {error}") from error
    try:
        lines, blank = _read_lines(source, file, pypdfium2)
        title = clean(file.get_metadata_dict(skip_empty=True).get("Title", "")).strip()
        if title.casefold() in _NO_TITLES:
            title = ""
        outline = [(mark.get_title(), mark.level + 1) for mark in file.get_toc(max_depth=6)]
        pages = len(file)
    finally:
        file.close()
    if not lines:
        raise DocumentError(source.name, "empty", "has no text layer; run text recognition (OCR) over the scan first")
    lines, running = _without_running_lines(lines, pages)
    by_outline = _mark_headings(lines, outline)
    text, sections, offsets = _compose(lines, join_headings=not by_outline)
    meta: dict[str, Any] = {"pages": pages, "page_offsets": offsets}
    if blank:
        meta["pages_without_text"] = blank
    if running:
        meta["running_lines"] = running
    yield Document.of(
        source.name,
        text,
        media_type=MEDIA_TYPE,
        title=title or (sections[0][2] if sections else ""),
        sections=tuple(sections),
        meta=meta,
    )


def _read_lines(source: Source, file: Any, pdfium: Any) -> tuple[list[_Line], list[int]]:
    lines: list[_Line] = []
    blank = []
    total = 0
    for number in range(len(file)):
        try:
            page = file[number]
            textpage = page.get_textpage()
            found = list(_page_lines(textpage, number, pdfium.raw))
            textpage.close()  # else every page stays in memory until the file is closed
            page.close()
        except pdfium.PdfiumError:
            found = []
        if not found:
            blank.append(number + 1)
        total += sum(len(line.text) for line in found)
        if total > source.max_bytes:
            raise DocumentError(
                source.name, "too_large", f"has over {source.max_bytes:,} characters by page {number + 1}; split it"
            )
        lines += found
    return lines, blank


def _page_lines(textpage: Any, page: int, raw: Any) -> Iterator[_Line]:
    """Yields the page's lines with the size of type that most of their characters have, in points."""
    characters: list[str] = []
    sizes: Counter[float] = Counter()
    count = textpage.count_chars()
    for index in range(count + 1):
        code = raw.FPDFText_GetUnicode(textpage, index) if index < count else 10
        if code in (10, 13):
            text = "".join(characters).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            text = " ".join(text.split())
            if text:
                yield _Line(text, sizes.most_common(1)[0][0] if sizes else 0.0, page)
            characters = []
            sizes = Counter()
            continue
        # PDFium says 0 for a glyph that its font maps to no character.
        characters.append(chr(code) if code else "\ufffd")
        if code > 32:
            sizes[round(raw.FPDFText_GetFontSize(textpage, index) * 2) / 2] += 1


def _shape(text: str) -> str:
    """A running line with its page number taken out."""
    return re.sub(r"\d+", "#", text)


def _without_running_lines(lines: list[_Line], pages: int) -> tuple[list[_Line], list[str]]:
    """Takes away the first and last lines of pages that stand on most pages; returns the rest and their shapes."""
    if pages < 4:
        return lines, []
    grouped = [list(group) for _, group in groupby(lines, key=lambda line: line.page)]
    edges: Counter[str] = Counter()
    for group in grouped:
        edges.update({_shape(group[0].text), _shape(group[-1].text)})
    running = {shape for shape, count in edges.items() if count >= _RUNNING_SHARE * pages}
    kept = []
    for group in grouped:
        first = 1 if _shape(group[0].text) in running else 0
        last = len(group) - 1 if _shape(group[-1].text) in running else len(group)
        kept += group[first:last]
    return (kept, sorted(running)) if kept else (lines, [])


def _mark_headings(lines: list[_Line], outline: list[tuple[str, int]]) -> bool:
    """Sets `level` on headings: by the outline where its titles are found as lines (True), else by size of type."""
    if outline:
        wanted = {" ".join(clean(title).split()).casefold(): min(level, 6) for title, level in outline}
        for line in lines:
            line.level = wanted.get(line.text.casefold(), 0)
        if any(line.level for line in lines):
            return True
    weights: Counter[float] = Counter()
    for line in lines:
        weights[line.size] += len(line.text)
    body = weights.most_common(1)[0][0]
    larger = [
        line
        for line in lines
        if line.size >= _HEADING_RATIO * body
        and len(line.text) <= _MAX_HEADING
        and not _BULLET.match(line.text)
        and any(character.isalpha() for character in line.text)
    ]
    if len(larger) > 0.4 * len(lines):
        return False  # slides and posters: large type is no sign of a heading there
    ranks = {size: min(rank, 6) for rank, size in enumerate(sorted({x.size for x in larger}, reverse=True), start=1)}
    for line in larger:
        line.level = ranks[line.size]
    return False


def _compose(lines: list[_Line], *, join_headings: bool) -> tuple[str, list[tuple[int, int, str]], list[int]]:
    """Joins wrapped lines into paragraphs. Returns the text, its sections, and the offset of each page's first line."""
    lengths = sorted(len(line.text) for line in lines if not line.level)
    full = _FULL_LINE * (lengths[int(0.9 * (len(lengths) - 1))] if lengths else 0)
    text: list[str] = []
    length = 0
    sections: list[tuple[int, int, str]] = []
    offsets: list[int] = []
    before: _Line | None = None
    for line in lines:
        words = clean(line.text) if not _HYPHEN.search(line.text) else line.text
        if before is None:
            glue = ""
        elif line.level or before.level:
            wrapped = join_headings and line.level == before.level and line.size == before.size
            glue = " " if wrapped else "\n\n"
        elif _BULLET.match(line.text) or len(before.text) < full:
            glue = "\n"
        elif (hyphen := _HYPHEN.search(text[-1])) and line.text[0].islower():
            text[-1] = text[-1][: hyphen.start()]
            length -= 1
            glue = ""
        else:
            glue = " "
        if line.level and glue == " ":
            offset, level, title = sections.pop()
            sections.append((offset, level, f"{title} {words}"))
        elif line.level:
            sections.append((length + len(glue), line.level, words))
            words = f"{'#' * line.level} {words}"
        while len(offsets) <= line.page:
            offsets.append(length + len(glue))
        text += (glue, words)
        length += len(glue) + len(words)
        before = line
    return "".join(text), sections, offsets
