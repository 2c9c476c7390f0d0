"""Documents in: each format from a real file, and every way in which a file can be unreadable."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import docx
import pyarrow
import pytest
from loaded import read, refused
from pyarrow import parquet
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph, SimpleDocTemplate, Table

from gristmill.storage.documents import Skipped
from gristmill.storage.records import Document

PROSE = "The tidal range at La Rance reaches thirteen metres, and its basin covers 22 square kilometres of water. "


def one(path: Path, **options: int | str) -> Document:
    (found,) = read(path, **options)
    assert isinstance(found, Document), found
    for offset, level, title in found.sections:
        line = found.text[offset:].split("\n")[0]
        assert title in line or level, (line, title)
    return found


def titles(document: Document) -> list[tuple[str, int, str]]:
    """The sections as (the line that stands at the offset, level, title)."""
    return [(document.text[at:].split("\n")[0], level, title) for at, level, title in document.sections]


# -- text and Markdown


def test_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfOne.\r\nTwo \xf0\x9f\x98\x80.\x07\rThree.")
    document = one(path)
    assert document.text == "One.\nTwo 😀.\nThree."
    assert (document.name, document.media_type) == ("a.txt", "text/plain")


def test_text_title(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Tide mills\n\nA tide mill is a mill.")
    (tmp_path / "b.txt").write_text("A first sentence.\n\nA second one.")
    assert [getattr(document, "title", None) for document in read(tmp_path)] == ["Tide mills", ""]


def test_markdown_headings_are_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "---\ntitle: The Rance\ntags: [a]\n---\nintro 😀\n\n# One *two* `three`\n\n```sh\n# a comment\n```\n\n"
        "    # indented code\n\nSetext [link](http://x.test)\n---\n\n## Closed ##\n\n#hashtag\n"
    )
    document = one(path)
    assert document.title == "The Rance"
    assert document.meta["front_matter"].startswith("title:")
    assert titles(document) == [
        ("# One *two* `three`", 1, "One two three"),
        ("Setext [link](http://x.test)", 2, "Setext link"),
        ("## Closed ##", 2, "Closed"),
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_marked_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Ebbe und Flut: Häfen 😀".encode(encoding))
    assert one(path).text == "Ebbe und Flut: Häfen 😀"


@pytest.mark.parametrize(
    ("name", "data", "reason", "words"),
    [
        ("a.txt", b"", "empty", "no bytes"),
        ("a.txt", b" \r\n\t ", "empty", "blanks"),
        ("a.md", b"---\ntitle: x\n---\n\n", "empty", "front matter"),
        ("a.txt", "Häfen".encode("latin-1"), "encoding", "0xe4 at offset 1"),
        ("a.txt", "Hafen".encode("utf-16-le"), "binary", "offset 1"),
        ("a.txt", bytes(range(256)) * 8, "binary", "NUL"),
        ("a.txt", b"\x01\x02\x03abc" * 50, "binary", "control"),
        ("a.txt", b"%PDF-1.7 ...", "binary", ".pdf"),
        ("a.xyz", b"text", "unsupported", ".md"),
        ("noname", b"text", "unsupported", "no suffix"),
        ("a.html", b"<script>alert(1)</script>", "empty", "scripts"),
        ("a.html", b"<p>H\xe4fen</p>", "encoding", "iconv"),
        ("a.html", b"<div>" * 3000 + b"deep", "malformed", "nest"),
        ("a.docx", b"PK\x03\x04 not a zip", "malformed", "unpacked"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "unreadable", "password"),
        ("a.pdf", b"%PDF-1.7\ngarbage", "malformed", "PDF"),
        ("a.pdf", b"no pdf at all", "malformed", "PDF"),
        ("a.pdf", b"", "empty", "no bytes"),
        ("a.csv", b"id,body\n1,x\n", "malformed", "'id', 'body'"),
        ("a.csv", b"", "empty", "header"),
        ("a.csv", b"te\0xt\n", "binary", "NUL"),
        ("a.parquet", b"PAR1 broken PAR1", "malformed", "Parquet"),
        ("a.parquet", b"", "empty", "no bytes"),
    ],
)
def test_refused_files(tmp_path: Path, name: str, data: bytes, reason: str, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    found = refused(path)
    assert (found.name, found.reason) == (name, reason)
    assert words in found.detail


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x" * 101)
    assert refused(path, max_bytes=100).reason == "too_large"
    assert one(path, max_bytes=101).text == "x" * 101


# -- HTML


def test_html(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(
        "<!doctype html><title>Tidal &amp; Power</title><style>p{}</style><script>var x = '<h1>no</h1>'</script>"
        "<!-- a comment --><header>Site name</header><nav><a href=/>Home</a></nav>"
        "<form><h1>Tidal <em>Power</em></h1><p>La&nbsp;Rance is a <b>tidal</b> station,\n wrapped. See "
        "<a href='http://127.0.0.1:1/x'>this page</a>.<img src='http://127.0.0.1:1/p.png' alt=plan>"
        "<h2>Barrages</h2><ul><li>first<ul><li>nested</ul><li>second</ul>"
        "<table><tr><th>Station<th>MW<tr><td>La Rance<td>240</table><pre># code</pre>"
        "<dl><dt>ebb<dd>falling water</dl><p>5 * 3 _under_ a &lt; b<input value=secret></form><footer>imprint</footer>"
    )
    document = one(path)
    assert document.title == "Tidal & Power"
    assert titles(document) == [("# Tidal Power", 1, "Tidal Power"), ("## Barrages", 2, "Barrages")]
    assert "La Rance is a tidal station, wrapped. See this page." in document.text
    assert "- first\n  - nested\n- second" in document.text
    assert "| Station | MW |\n| --- | --- |\n| La Rance | 240 |" in document.text
    assert "5 * 3 _under_ a < b" in document.text
    assert "falling water" in document.text
    for absent in ("Home", "imprint", "Site name", "a comment", "var x", "http", "secret"):
        assert absent not in document.text


def test_html_of_unclosed_rows(tmp_path: Path) -> None:
    # A thousand unclosed elements are a thousand rows, not a thousand levels.
    path = tmp_path / "a.html"
    path.write_text("<table>" + "".join(f"<tr><td>row {n}<td><p>{n}" for n in range(1000)) + "</table>")
    assert "| row 999 | 999 |" in one(path).text


def test_html_of_a_declared_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes('<meta charset="windows-1252"><p>Häfen, 5 €</p>'.encode("windows-1252"))
    document = one(path)
    assert document.text == "Häfen, 5 €"
    assert document.meta["encoding"] == "windows-1252"


# -- DOCX


def docx_bytes(**parts: str) -> bytes:
    """A Word file whose parts of these names are replaced; `document_xml` stands for word/document.xml."""
    document = docx.Document()
    document.add_paragraph("Hello")
    plain = io.BytesIO()
    document.save(plain)
    made = io.BytesIO()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, parts.get(Path(name).name.replace(".", "_"), old.read(name)))
    return made.getvalue()


def test_docx(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    word = docx.Document()
    word.add_heading("Tidal Power", 0)
    word.add_heading("Barrages", 1)
    paragraph = word.add_paragraph("La Rance is a ")
    paragraph.add_run("tidal").bold = True
    paragraph.add_run(" station. 5 * 3 _under_ 😀")
    word.add_paragraph("first item", style="List Bullet")
    word.add_paragraph("step one", style="List Number")
    table = word.add_table(rows=0, cols=2)
    for row in (("Station", "MW"), ("La Rance", "240")):
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    word.add_heading("Streams", 2)
    word.sections[0].header.paragraphs[0].text = "RUNNING HEADER"
    word.save(str(path))
    document = one(path)
    assert document.title == "Tidal Power"
    assert titles(document) == [
        ("# Tidal Power", 1, "Tidal Power"),
        ("# Barrages", 1, "Barrages"),
        ("## Streams", 2, "Streams"),
    ]
    assert "La Rance is a tidal station. 5 * 3 _under_ 😀\n\n- first item\n\n1. step one" in document.text
    assert "| Station | MW |\n| --- | --- |\n| La Rance | 240 |" in document.text
    assert "RUNNING" not in document.text


def test_docx_bombs(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(docx_bytes(document_xml="<x>" + " " * 21_000_000 + "</x>"))
    assert path.stat().st_size < 200_000
    assert refused(path).reason == "too_large"
    path.write_bytes(docx_bytes(document_xml='<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'))
    found = refused(path)
    assert (found.reason, "DTD" in found.detail) == ("malformed", True)
    path.write_bytes(docx_bytes(document_xml="<w:document>"))
    assert refused(path).reason == "malformed"


# -- PDF


def test_pdf(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    style = getSampleStyleSheet()
    template = BaseDocTemplate(str(path), pagesize=A4, title="Tidal Power Stations")
    width = template.width / 2 - 6
    frames = [Frame(template.leftMargin + at * (width + 12), template.bottomMargin, width, 320) for at in (0, 1)]
    template.addPageTemplates([PageTemplate(frames=frames)])
    body = style["BodyText"]
    template.build(
        [
            Paragraph("Tidal Power", style["Heading1"]),
            Paragraph(PROSE * 3 + "First end.", body),
            Paragraph("Barrages", style["Heading2"]),
            Table([["Station", "MW"], ["La Rance", "240"]]),
            Paragraph(PROSE * 5 + "Second end.", body),
            Paragraph("Streams", style["Heading2"]),
            Paragraph(PROSE * 5 + "Third end.", body),
        ]
    )
    document = one(path)
    assert (document.title, document.media_type) == ("Tidal Power Stations", "application/pdf")
    assert titles(document) == [
        ("# Tidal Power", 1, "Tidal Power"),
        ("## Barrages", 2, "Barrages"),
        ("## Streams", 2, "Streams"),
    ]
    # Lines are joined into paragraphs, columns are read one after the other, rows stay rows.
    assert PROSE * 3 + "First end." in document.text
    assert document.text.index("Second end.") < document.text.index("Third end.")
    assert "Station MW\nLa Rance 240\n" in document.text
    assert len(document.meta["page_offsets"]) == document.meta["pages"]


def test_pdf_outline_running_lines_and_blank_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    canvas = Canvas(str(path))
    for page in range(6):
        canvas.setFont("Helvetica", 10)
        if page != 3:
            canvas.drawString(72, 800, f"Annual report, page {page + 1}")
            canvas.bookmarkPage(f"c{page}")
            canvas.addOutlineEntry(f"Chapter {page}", f"c{page}", level=0)
            canvas.drawString(72, 700, f"Chapter {page}")
            for line in range(4):
                canvas.drawString(72, 680 - 12 * line, f"{PROSE[:80]}{'abcdef'[page]}{line}")
        canvas.showPage()
    canvas.save()
    document = one(path)
    assert [title for _, _, title in document.sections] == [f"Chapter {page}" for page in (0, 1, 2, 4, 5)]
    assert "Annual report" not in document.text
    assert document.meta["running_lines"] == ["Annual report, page #"]
    assert document.meta["pages_without_text"] == [4]
    offsets = document.meta["page_offsets"]
    assert document.text[offsets[2] :].startswith("# Chapter 2")


def test_pdf_without_text_or_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    canvas = Canvas(str(path))
    canvas.rect(10, 10, 100, 100)
    canvas.save()
    found = refused(path)
    assert (found.reason, "OCR" in found.detail) == ("empty", True)
    style = getSampleStyleSheet()["BodyText"]
    SimpleDocTemplate(str(path), encrypt=StandardEncryption("geheim")).build([Paragraph(PROSE, style)])
    assert refused(path).reason == "unreadable"


# -- rows


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".csv", ";"), (".tsv", "\t")])
def test_csv(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = tmp_path / f"a{suffix}"
    rows = [
        ["id", "text", "title"],
        ["1", '"two\nlines, with a comma; both"', "T"],
        ["2", "", ""],
        ["3", "x", "y", "z"],
    ]
    lines = [delimiter.join(row).encode() for row in rows]
    path.write_bytes(b"\r\n".join([*lines, delimiter.encode().join([b"4", b"caf\xe9", b""]), b"", b""]))
    first, second, third, fourth = read(path)
    assert isinstance(first, Document)
    assert (first.name, first.text, first.title) == (f"a{suffix}#1", "two\nlines, with a comma; both", "T")
    assert (first.meta, first.media_type) == ({"id": "1", "title": "T"}, "text/csv")
    assert [(found.name, found.reason) for found in (second, third, fourth) if isinstance(found, Skipped)] == [
        (f"a{suffix}#2", "empty"),
        (f"a{suffix}#3", "malformed"),
        (f"a{suffix}#4", "encoding"),
    ]


def test_csv_cells_over_the_module_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "long " * 50_000)
    assert len(one(path).text) == 250_000


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        b'{"body": "One \\ud83d\\ude00", "n": 1, "nested": {"a": [1]}}',
        b"",
        b'{"body": 5}',
        b'{"other": "x"}',
        b"[1]",
        b'{"body": "cut',
        b'{"body": "\\ud800"}',
        b'{"body": "caf\xe9"}',
        b'{"body": null}',
        b'{"body": "last"}',
    ]
    path.write_bytes(b"\n".join(lines))
    found = read(path, text_field="body")
    assert isinstance(found[0], Document)
    assert (found[0].name, found[0].text) == ("a.jsonl#1", "One 😀")
    assert found[0].meta == {"n": 1, "nested": {"a": [1]}}
    reasons = [(row.name, row.reason) for row in found if isinstance(row, Skipped)]
    assert reasons == [
        ("a.jsonl#3", "malformed"),
        ("a.jsonl#4", "malformed"),
        ("a.jsonl#5", "malformed"),
        ("a.jsonl#6", "malformed"),
        ("a.jsonl#7", "malformed"),
        ("a.jsonl#8", "encoding"),
        ("a.jsonl#9", "empty"),
    ]
    assert isinstance(found[2], Skipped)
    assert "'other'" in found[2].detail
    assert found[-1].name == "a.jsonl#10"


def test_a_line_beyond_the_limit_ends_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "short"}\n{"text": "' + "x" * 2000 + '"}\n')
    first, second = read(path, max_bytes=1000)
    assert isinstance(first, Document)
    assert isinstance(second, Skipped)
    assert (second.reason, "line 2" in second.detail) == ("too_large", True)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pyarrow.table(
        {
            "text": ["one", None, "three"],
            "when": pyarrow.array([0, 1, 2], type=pyarrow.date32()),
            "raw": [b"abc", b"", None],
            "nested": [{"a": [1, 2]}, {"a": []}, None],
        }
    )
    parquet.write_table(table, path)
    first, second, third = read(path)
    assert isinstance(first, Document)
    assert first.meta == {"when": "1970-01-01", "raw": "<3 bytes>", "nested": {"a": [1, 2]}}
    assert isinstance(second, Skipped)
    assert (second.name, second.reason) == ("a.parquet#2", "empty")
    assert third.name == "a.parquet#3"
    found = refused(path, text_field="body")
    assert "'text', 'when', 'raw', 'nested'" in found.detail


@pytest.mark.parametrize(
    ("module", "suffix", "extra"), [("pyarrow", "parquet", "parquet"), ("pypdfium2", "pdf", "pdf")]
)
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, suffix: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"x")
    found = refused(path)
    assert found.reason == "missing_extra"
    assert f"pip install 'gristmill[{extra}]'" in found.detail
