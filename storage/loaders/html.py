"""HTML to Markdown: an HTML5 parser repairs the markup, a converter writes headings, lists and tables as Markdown.

Nothing is fetched: images, frames and scripts are dropped, links and emphasis
keep their words and lose their marks, so that a quote of the text reads as the page does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup
from justhtml import JustHTML
from markdownify import MarkdownConverter

from ...errors import DocumentError
from ..records import Document
from .decode import decode
from .source import Skipped, Source
from .text import headings

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
# What a page shows around its text, and what it does not show at all. `form` stays: some pages are one large form.
_DROPPED = ["script", "style", "noscript", "template", "nav", "iframe", "object", "svg", "canvas", "input", "textarea"]
_DROPPED += ["button", "select", "img", "picture", "video", "audio"]
_AROUND = "[hidden], body > header, body > footer, body > aside"
_PLAIN = ["a", "b", "strong", "em", "i", "u", "s", "mark", "small", "abbr", "cite"]


class _Converter(MarkdownConverter):
    """Nothing is escaped: the text is read by models and compared with quotes, not rendered again."""

    class Options:
        heading_style = "ATX"
        bullets = "-"
        escape_asterisks = False
        escape_underscores = False
        escape_misc = False
        strip = _PLAIN
        wrap = True
        wrap_width = None
        table_infer_header = True


def load_html(source: Source) -> Iterator[Document | Skipped]:
    """Yields the one document of an HTML file; its title is the page's title, else the first heading."""
    data = source.read()
    declared = _CHARSET.search(data[:4096])
    page, encoding = decode(source.name, data, declared=declared[1].decode("ascii") if declared else "")
    markup, title = repair(source.name, page)
    text = to_markdown(source.name, markup)
    sections = headings(text)
    title = title or (sections[0][2] if sections else "")
    yield Document.of(
        source.name, text, media_type="text/html", title=title, sections=sections, meta={"encoding": encoding}
    )


def repair(name: str, page: str) -> tuple[str, str]:
    """Returns well-formed markup of an HTML page's `main` element (else its body), and the page's title.

    Raises `DocumentError` (`malformed`) when the page nests too deeply to be walked.
    """
    try:
        # The result is never rendered, so the sanitizer, which would drop definition lists, has no work here.
        tree = JustHTML(page, sanitize=False)
        titles = tree.query("title")
        mains = tree.query("main")
        roots = mains if len(mains) == 1 else tree.query("body")  # a page of frames has no body
        markup = (roots[0] if roots else tree).to_html(pretty=False)
    except RecursionError:
        raise _too_deep(name) from None
    return markup, " ".join(titles[0].to_text().split()) if titles else ""


def to_markdown(name: str, markup: str) -> str:
    """Returns the Markdown of well-formed HTML markup.

    Raises `DocumentError`: `empty` when no text is left, `malformed` when it nests too deeply to be walked.
    """
    try:
        soup = BeautifulSoup(markup, "html.parser")
        for element in [*soup.find_all(_DROPPED), *soup.select(_AROUND)]:
            element.extract()
        text = _Converter().convert_soup(soup)
    except RecursionError:
        raise _too_deep(name) from None
    text = text.replace("\xa0", " ")
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip("\n")
    if not text.strip():
        raise DocumentError(name, "empty", "there is no text outside of scripts, form fields and navigation")
    return text


def _too_deep(name: str) -> DocumentError:
    return DocumentError(name, "malformed", "its elements nest hundreds deep; no reader shows such a page")
