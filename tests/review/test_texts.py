"""Diffs, marked passages and the picture of a path: what goes in comes out again, in bounded time."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.review.item import diffs
from gristmill.review.item.diffs import Piece, word_diff
from gristmill.review.item.highlights import located, passage
from gristmill.review.item.pictures import MOST, picture_of
from gristmill.review.web import item_view
from gristmill.storage.records import Entity, Message, Relation, Span

TEXTS = st.text(alphabet="ab .\n<é\u202e😀", max_size=60) | st.text(max_size=60)


def old_of(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces if piece.kind != "ins")


def new_of(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces if piece.kind != "del")


@given(TEXTS, TEXTS, st.sampled_from([0, 5, 40, diffs.STEPS]))
def test_the_pieces_of_a_diff_are_both_texts(old: str, new: str, steps: int) -> None:
    pieces = word_diff(old, new, steps)
    assert (old_of(pieces), new_of(pieces)) == (old, new)
    assert all(piece.text for piece in pieces)
    assert all(one.kind != other.kind for one, other in pairwise(pieces))


@given(TEXTS)
def test_nothing_changed(text: str) -> None:
    assert word_diff(text, text) == ((Piece("same", text),) if text else ())


def test_a_page_with_many_changes_divides_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def counting(old: str, new: str, steps: int = diffs.STEPS) -> tuple[Piece, ...]:
        given.append(steps)
        return ()

    monkeypatch.setattr(item_view, "word_diff", counting)
    old = [Message(role="user", content=f"old {number}") for number in range(200)]
    new = [Message(role="user", content=f"new {number}") for number in range(200)]
    for _ in range(10):
        item_view.changes(old, new, 10)
    assert len(given) == 2000
    assert sum(given) <= item_view.AT_MOST + 2000 * item_view.LEAST
    given.clear()
    item_view.changes(old[:1], new[:1])
    assert given == [diffs.STEPS]


@given(st.text(max_size=80), st.lists(st.tuples(st.integers(-5, 90), st.integers(-5, 90), st.sampled_from("abc"))))
def test_each_character_has_the_names_of_the_marks_over_it(text: str, marks: list[tuple[int, int, str]]) -> None:
    shown = [stretch for part in passage(text, marks) for stretch in part.stretches]
    found = [stretch.marks for stretch in shown for _ in stretch.text]
    assert found == [
        tuple(sorted({name for start, end, name in marks if start <= place < end})) for place in range(len(text))
    ]


def test_words_change_and_not_letters() -> None:
    assert word_diff("The valve closes.", "The brass valve shuts.") == (
        Piece("same", "The "),
        Piece("ins", "brass "),
        Piece("same", "valve "),
        Piece("del", "closes"),
        Piece("ins", "shuts"),
        Piece("same", "."),
    )


def test_a_space_or_a_short_word_between_changes_is_part_of_them() -> None:
    pieces = word_diff("one two of three", "four five of six")
    assert pieces == (Piece("del", "one two of three"), Piece("ins", "four five of six"))


def test_a_change_in_a_long_text_is_found() -> None:
    words = [f"word{number}" for number in range(30_000)]
    old = " ".join(words)
    words[100], words[29_000] = "changed", "too"
    pieces = word_diff(old, " ".join(words))
    assert [piece.text for piece in pieces if piece.kind == "ins"] == ["changed", "too"]


def test_lines_are_compared_where_words_are_too_many() -> None:
    dice = random.Random(3)
    lines = ["".join(dice.choices("abcdefgh ", k=200)) for _ in range(40)]
    new = [*lines]
    new[7], new[31] = "".join(dice.choices("abcdefgh ", k=200)), "short"
    pieces = word_diff("\n".join(lines), "\n".join(new), steps=600)
    assert (old_of(pieces), new_of(pieces)) == ("\n".join(lines), "\n".join(new))
    assert "\n".join(lines[8:31]) in "".join(piece.text for piece in pieces if piece.kind == "same")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a " * 100_000, "a b " * 50_000),
        ("0" * 200_000, "0 1 " * 50_000),
        ("ab\n" * 66_000, "ba\n" * 66_000),
        ("".join(random.Random(1).choices("ab ", k=200_000)), "".join(random.Random(2).choices("ab ", k=200_000))),
    ],
)
def test_no_text_takes_more_than_its_steps(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: how often the algorithm places an edit, over all its attempts."""
    entered, times = diffs._entered, 0

    def counted(before: list[int], i: int, d: int) -> int:
        nonlocal times
        times += 1
        return entered(before, i, d)

    monkeypatch.setattr(diffs, "_entered", counted)
    pieces = word_diff(old, new)
    assert (old_of(pieces), new_of(pieces)) == (old, new)
    assert times < 5 * diffs.STEPS


MARKS = st.lists(
    st.tuples(st.integers(-5, 3000), st.integers(-5, 3000), st.sampled_from(["cited", "evidence"])), max_size=6
)


@given(st.text(alphabet="ab \n<", max_size=3000), MARKS, st.integers(0, 500))
def test_the_parts_of_a_passage_are_the_passage(text: str, marks: list[tuple[int, int, str]], around: int) -> None:
    parts = passage(text, marks, around)
    stretches = [stretch for part in parts for stretch in part.stretches]
    assert "".join(stretch.text for stretch in stretches) == text
    place = 0
    for part in parts:
        for stretch in part.stretches:
            for letter in range(place, place + len(stretch.text)):
                over = {name for start, end, name in marks if start <= letter < end}
                assert set(stretch.marks) == over  # what is folded away is never cited
            place += len(stretch.text)


def test_what_lies_far_from_a_citation_is_folded() -> None:
    text = "word " * 1000
    parts = passage(text, [(2500, 2520, "cited")], around=100)
    assert [part.folded for part in parts] == [True, False, True]
    assert parts[1].length < 300
    assert [part.folded for part in passage(text, [], around=100)] == [False, True]
    assert [part.folded for part in passage("short", [])] == [False]
    assert passage("", []) == ()


def test_a_span_is_found_by_its_quote_where_its_numbers_are_wrong() -> None:
    text = "The valve closes at 5 bar."
    assert located(Span(chunk="c", start=4, end=9, quote="valve"), text) == (4, 9)
    assert located(Span(chunk="c", start=0, end=3, quote="valve"), text) == (4, 9)
    assert located(Span(chunk="c", start=4, end=9), text) == (4, 9)
    assert located(Span(chunk="c", start=0, end=3, quote="pump"), text) is None
    assert located(Span(chunk="c", start=90, end=99), text) is None


def entity(number: int) -> Entity:
    return Entity(id=f"entity-{number}", name=f"entity {number} " + "with a long name " * 5, type="part")


def relation(source: int, target: int, type: str = "feeds") -> Relation:
    return Relation(id=f"r{source}{target}{type}", source=f"entity-{source}", target=f"entity-{target}", type=type)


def test_a_path_stands_in_its_order() -> None:
    edges = [relation(0, 1), relation(0, 1, "holds"), relation(2, 1), relation(0, 2), relation(1, 1), relation(0, 9)]
    picture = picture_of([entity(number) for number in range(3)], edges)
    assert [box.y for box in picture.boxes] == sorted(box.y for box in picture.boxes)
    assert [arrow.name for arrow in picture.arrows] == ["feeds, holds", "feeds", "feeds", "feeds"]
    assert all(0 <= arrow.x <= picture.width and 0 <= arrow.y <= picture.height for arrow in picture.arrows)
    assert all(len(box.label) <= 28 for box in picture.boxes)


def test_a_picture_has_room_for_some() -> None:
    picture = picture_of([entity(number) for number in range(40)], [])
    assert (len(picture.boxes), picture.left_out) == (MOST, 40 - MOST)
    assert picture_of([], []).height == 0
