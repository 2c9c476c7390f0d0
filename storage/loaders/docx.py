"""Word documents (.docx) to Markdown, by way of the HTML that mammoth makes of their styles."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import mammoth

from ...errors import DocumentError
from ..records import Document
from .html import to_markdown
from .source import Skipped, Source
from .text import headings

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
# A DOM of the parts stands in memory while they are read, at some 20 times their size.
MAX_XML_BYTES = 20_000_000
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"


def load_docx(source: Source) -> Iterator[Document | Skipped]:
    """Yields the one document of a .docx file. Images, comments, page headers and footers are left out."""
    data = source.read()
    if data.startswith(_OLE):
        raise DocumentError(
            source.name, "unreadable", "is encrypted or an old .doc file; save it as .docx without a password"
        )
    _check(source.name, data)
    result = mammoth.convert_to_html(
        io.BytesIO(data), style_map=_STYLES, convert_image=mammoth.images.img_element(lambda image: {})
    )
    text = to_markdown(source.name, result.value)
    sections = headings(text)
    notes = sorted({message.message for message in result.messages})[:20]
    yield Document.of(
        source.name,
        text,
        media_type=MEDIA_TYPE,
        title=sections[0][2] if sections else "",
        sections=sections,
        meta={"notes": notes} if notes else {},
    )


def _check(name: str, data: bytes) -> None:
    """Refuses what could fill the memory before the parts are parsed: zip bombs, and XML that defines entities."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = [part for part in archive.infolist() if part.filename.endswith((".xml", ".rels"))]
            # zipfile never unpacks more than the size that is declared, so the declared sizes bound the real ones.
            size = sum(part.file_size for part in parts)
            if size > MAX_XML_BYTES:
                raise DocumentError(
                    name, "too_large", f"unpacks to {size:,} bytes of XML, the limit is {MAX_XML_BYTES:,}; split it"
                )
            if "word/document.xml" not in archive.namelist():
                raise DocumentError(name, "malformed", "is a zip file without word/document.xml, so no Word document")
            for part in parts:
                xml = archive.read(part)
                if any("<!DOCTYPE".encode(codec) in xml for codec in ("utf-8", "utf-16-le", "utf-16-be")):
                    raise DocumentError(name, "malformed", f"{part.filename} declares a DTD, which no Word file does")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        # RuntimeError: a part is encrypted. NotImplementedError: an unknown compression.
        raise DocumentError(name, "malformed", f"cannot be unpacked ({error}); open and save it again") from error
