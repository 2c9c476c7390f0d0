"""Chunks: exact spans, no text lost, the heading path, sizes held, and the token count."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter

from gristmill.errors import ConfigError
from gristmill.storage.chunking import chunk, count_tokens
from gristmill.storage.loaders.text import headings
from gristmill.storage.records import Document

# Characters of one to four UTF-8 bytes, several-codepoint emoji, Markdown's own marks, and all kinds of white space.
WORDS = st.sampled_from(
    [
        "tide",
        "ebb,",
        "1966",
        "é",
        "日本語",
        "😀",
        "👨\u200d👩\u200d👧",
        "\U0001d518\U0001d52b",
        "שלום",
        "e\u0301",
        "don't",
        "# A",
        "## B",
        "- x",
        "| a | b |",
        "```",
        "*it*",
        "x" * 70,
        "\t",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        "  ",
        "\u3000",
    ]
)
TEXTS = st.lists(WORDS, max_size=120).map(" ".join) | st.text(max_size=300)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(1, 60), st.sampled_from(["text/plain", "text/markdown"]))
def test_spans_are_exact_and_nothing_but_white_space_is_lost(text: str, size: int, media_type: str) -> None:
    document = Document.of("a", text, media_type=media_type)
    chunks = chunk(document, max_tokens=size)
    end = 0
    for index, piece in enumerate(chunks):
        assert piece.index == index
        assert piece.document == document.id
        assert text[piece.start : piece.end] == piece.text
        assert text[end : piece.start].strip() == ""
        assert 1 <= piece.tokens <= size
        end = piece.end
    assert text[end:].strip() == ""


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(8, 60))
def test_overlap_keeps_spans_exact_and_covers_the_text(text: str, size: int) -> None:
    chunks = chunk(Document.of("a", text), max_tokens=size, overlap=size // 3)
    covered = set()
    for piece in chunks:
        assert text[piece.start : piece.end] == piece.text
        covered.update(range(piece.start, piece.end))
    assert all(text[at].isspace() for at in range(len(text)) if at not in covered)


def fits(text: str, tokens: int) -> bool:
    return len(TextSplitter.from_tiktoken_model("gpt-4", tokens, trim=False).chunks(text)) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["tide", "Ebb,", " ", "  ", "\n", "\n\n", "1966", "don't", "日本", "(x)", "\t", "é"]),
        min_size=2,
    )
)
def test_tokens_are_those_of_the_splitter(words: list[str]) -> None:
    text = " ".join(words) + " end"
    tokens = count_tokens(text)
    assert fits(text, tokens)
    assert not fits(text, tokens - 1)


def test_known_token_counts() -> None:
    assert count_tokens("") == 0
    assert count_tokens("hello world") == 2
    assert count_tokens("tiktoken is great!") == 6
    assert count_tokens("😀") == 2
    assert count_tokens("お誕生日おめでとう") == 9


def test_heading_path() -> None:
    text = "intro words\n\n# One\n\nfirst text here"
    text += "\n\n### Deep\n\ndeep text here\n\n## Two\n\nsecond text\n\n# Last\n\nend"
    document = Document.of("a.md", text, media_type="text/markdown", sections=headings(text))
    paths = {piece.text.split("\n")[-1]: piece.headings for piece in chunk(document, max_tokens=8)}
    assert paths["intro words"] == ()
    assert paths["first text here"] == ("One",)
    assert paths["deep text here"] == ("One", "Deep")
    assert paths["second text"] == ("One", "Two")
    assert paths["end"] == ("Last",)


def test_markdown_is_split_at_its_headings() -> None:
    part = "word " * 30
    text = f"# One\n\n{part}\n\n# Two\n\n{part}\n\n# Three\n\n{part}"
    document = Document.of("a.md", text, media_type="text/markdown", sections=headings(text))
    chunks = chunk(document, max_tokens=45)
    assert [piece.headings for piece in chunks] == [("One",), ("Two",), ("Three",)]
    assert all(piece.text.startswith("# ") for piece in chunks)


def test_same_input_gives_the_same_ids() -> None:
    text = "The tide turns. " * 200
    first = chunk(Document.of("a", text), max_tokens=50)
    again = chunk(Document.of("another name", text), max_tokens=50)
    assert [piece.id for piece in first] == [piece.id for piece in again]
    assert len({piece.id for piece in first}) == len(first) > 5


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": 10, "overlap": 10}, "overlap is 10"),
        ({"overlap": -1}, "-1"),
    ],
)
def test_sizes_that_cannot_work(sizes: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        chunk(Document.of("a", "text"), **sizes)


def test_blank_text_has_no_chunks() -> None:
    assert chunk(Document.of("a", " \n\n ")) == []


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "> " * 20_000, "*a " * 20_000, "`" * 20_000, "- " * 20_000, "|a" * 30_000]
)
def test_hostile_markdown_takes_bounded_time(text: str) -> None:
    start = time.process_time()
    document = Document.of("a.md", text, media_type="text/markdown", sections=headings(text))
    chunks = chunk(document)
    assert chunks[-1].end == len(text.rstrip())
    assert time.process_time() - start < 5  # measured: 0.2 s; quadratic parsers take minutes
