"""Measures of text: grounding with exact offsets, answers, language, duplicates."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import ConfigError
from gristmill.evals import folding
from gristmill.evals.answers import exact_match, majority, normalise_answer, numeric_match, read_number, same_answer
from gristmill.evals.duplicates.exact import ExactPool, normalise
from gristmill.evals.folding import fold, located_words, words
from gristmill.evals.grounding import grounded_fraction, locate
from gristmill.evals.language import detect_language
from gristmill.storage.records import Chunk


def chunk(text: str, index: int = 0) -> Chunk:
    return Chunk.of("doc", index, 0, len(text), text)


SOURCE = (
    "The e\ufb03cient \u201cself-supervised\u201d\n  method, shown in exam-\nple 3, did not lose 15% "
    "of\u00a0Stra\u00dfe accuracy. A caf\u00e9 opened; the cafe\u0301 closed. They concatenate strings \u2014 always."
)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("did not lose 15%", "did not lose 15%"),
        ('efficient "self-supervised" method', "e\ufb03cient \u201cself-supervised\u201d\n  method"),
        ("EXAMPLE 3, did not", "exam-\nple 3, did not"),
        ("of strasse accuracy", "of\u00a0Stra\u00dfe accuracy"),
        ("cafe\u0301 opened", "caf\u00e9 opened"),
        ("caf\u00e9 closed", "cafe\u0301 closed"),
        ('"...They concatenate strings..."', "They concatenate strings"),
        ("strings - always", "strings \u2014 always"),
        ("did not lose 15% of Strasse acuracy.", "did not lose 15% of\u00a0Stra\u00dfe accuracy."),
    ],
)
def test_a_quote_is_found_and_its_span_is_the_source_s_own_text(quote: str, found: str) -> None:
    span = locate(quote, [chunk("Nothing of it here."), chunk(SOURCE, 1)])
    assert span is not None
    assert span.chunk == chunk(SOURCE, 1).id
    assert span.quote == found == SOURCE[span.start : span.end]


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "  ... ",
        "cat",  # inside a word
        "cient",  # inside a ligature's word
        "cafe opened",  # another word
        "did not lose 51% of Strasse acuracy.",  # another number
        "did lose 15% of Strasse accuracy. A caf\u00e9",  # a negation less
        "did not lose 15% of Strasse accuracy without",  # a negation more
        "an entirely different sentence about something else",
    ],
)
def test_what_the_source_does_not_say_is_not_found(quote: str) -> None:
    assert locate(quote, [chunk(SOURCE)]) is None


def test_an_exact_match_in_a_later_chunk_wins_over_a_loose_one_in_an_earlier() -> None:
    loose, exact = chunk("The Mill was Built in 1820 beside a river."), chunk("the mill was built in 1820", 1)
    span = locate("the mill was built in 1820", [loose, exact])
    assert span is not None
    assert span.chunk == exact.id


def test_the_fuzzy_step_can_be_left_out() -> None:
    assert locate("did not lose 15% of Strasse acuracy.", [chunk(SOURCE)], ratio=None) is None


def test_every_substring_of_whole_words_is_found_exactly_and_after_mangling() -> None:
    draw = random.Random(3)
    tokens = [f"w{number}" if number % 3 else f"Wort{number}," for number in range(300)]
    text = "".join(token + draw.choice([" ", "\n", "  ", "\t"]) for token in tokens)
    source = chunk(text)
    for _ in range(200):
        first = draw.randrange(290)
        wanted = tokens[first : first + draw.randint(1, 9)]
        span = locate(" ".join(wanted).upper(), [source])
        assert span is not None
        assert span.quote.split() == wanted


def test_folding_maps_each_character_back() -> None:
    folded = fold(SOURCE)
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    assert all(0 <= start < end <= len(SOURCE) for start, end in zip(folded.starts, folded.ends, strict=True))
    assert list(folded.starts) == sorted(folded.starts)


def test_small_slips_are_forgiven_and_the_span_is_what_was_meant() -> None:
    draw = random.Random(5)
    vocabulary = ["".join(draw.choice("bcdfglmnprst") + draw.choice("aeiou") for _ in range(3)) for _ in range(400)]
    tokens = [draw.choice(vocabulary) for _ in range(400)]
    source = chunk(" ".join(tokens))
    for slip in ("typo", "dropped", "added") * 40:
        first = draw.randrange(380)
        meant = tokens[first : first + 15]
        said, place = list(meant), draw.randrange(1, len(meant) - 1)
        if slip == "typo":
            said[place] = said[place][:2] + "x" + said[place][3:]
        elif slip == "dropped":
            del said[place]
        else:
            said.insert(place, "quite")
        span = locate(" ".join(said), [source])
        assert span is not None, (slip, said)
        assert span.quote.split() == meant


def test_scripts_without_spaces_are_aligned_by_character() -> None:
    text = "水車は一八二〇年に村の川沿いに建てられた。三つの村のために一九一一年まで穀物を挽き続けた。"
    span = locate("三つの村のために一九一一年まで穀物を挽きつづけた", [chunk(text)])
    assert span is not None
    assert span.quote.startswith("三つの村のために")
    assert locate("三つの町のために一八二〇年から小麦粉を売りつづけていた", [chunk(text)]) is None


@pytest.mark.parametrize("ratio", [0.9, 0.3])
def test_a_hostile_quote_is_answered_quickly(ratio: float) -> None:
    draw = random.Random(2)
    letters = [draw.choice("abc") for _ in range(2000)]
    sources = [chunk("ab " * 2000), chunk(" ".join(letters), 1), chunk("c a " * 1000, 2), chunk("abaab " * 400, 3)]
    started = time.process_time()
    for quote in (
        "ab " * 300 + "x",
        "a " * 450 + "b",
        "no not " * 140 + "x",
        " ".join(draw.choice("abc") for _ in range(450)),
        "aabab" * 190,
        '"' * 100_000,
        "a" * 100_000,
        " " * 100_000,
    ):
        locate(quote, sources, ratio=ratio)
    assert time.process_time() - started < 5  # of the processor; quadratic ones take minutes


def test_grounded_fraction_counts_words_in_runs_of_the_source() -> None:
    source = ["Water mills grind grain into flour.", "Windmills pump water."]
    assert grounded_fraction("water mills grind grain", source) == 1.0
    assert grounded_fraction("Water mills grind grain badly today", source) == pytest.approx(4 / 6)
    assert grounded_fraction("grain flour water", source) == 0.0  # the words, but no run of them
    assert grounded_fraction("grain flour gold", source, run=1) == pytest.approx(2 / 3)
    assert grounded_fraction("pump grain into flour", source) == pytest.approx(3 / 4)
    assert grounded_fraction("flour windmills pump", source) == 0.0  # a run does not cross sources
    assert grounded_fraction("?!", source) == 0.0


def test_words_in_unspaced_scripts_are_characters() -> None:
    assert words("The 3.5 mills' don't 水車 ok") == ["the", "3.5", "mills", "don't", "水", "車", "ok"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", 1234.5),
        ("1.234,5 km", 1234.5),
        ("3,14", 3.14),
        ("1 234 567", 1234567),
        ("1\u202f234", 1234),
        ("3/4", 0.75),
        ("1 3/4 cups", 1.75),
        (r"\frac{1}{2}", 0.5),
        ("15%", 0.15),
        ("15 percent", 0.15),
        ("$1,200", 1200),
        ("\u2212$5", -5),
        ("1.2e3", 1200),
        ("1.2 \u00d7 10^{3}", 1200),
        ("2 million", 2_000_000),
        (r"so \boxed{42} and not 7", 42),
        ("we get 7 #### 18 apples", 18),
        ("first 3, then 4, so the answer is 12.", 12),
        (".5", 0.5),
        ("0,250", 0.25),
    ],
)
def test_numbers_are_read(text: str, value: float) -> None:
    number = read_number(text)
    assert number is not None
    assert number.value == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "none", "v2.3", "1/0", "1e9999", "9" * 400])
def test_what_is_no_finite_number_is_none(text: str) -> None:
    assert read_number(text) is None


def test_answers_are_compared_by_value_or_by_normalised_text() -> None:
    assert exact_match("The Eiffel  Tower!", "eiffel tower")
    assert exact_match("b", ["a", "B."])
    assert not exact_match("", "")
    assert not exact_match("3.14", "314")
    assert not exact_match("-5", "5")
    assert normalise_answer("the") == "the"
    assert numeric_match("about 1,000 m", "1000.5")
    assert not numeric_match("1000", "1002")
    assert numeric_match("1000", "1002", tolerance=0.01)
    assert numeric_match("15%", "0.15")
    assert numeric_match("15 %", "15")
    assert not numeric_match("no idea", "no idea")
    assert same_answer("42.0 km", "42")
    assert not same_answer("-5", "5")
    assert not same_answer("born in 1815 in the town of London", "1815")  # a sentence is not its number


@pytest.mark.parametrize("text", ["1" * 100_000, "1 " * 50_000, "1,111" * 30_000, "\\boxed{" * 20_000, "1/" * 50_000])
def test_reading_a_number_takes_linear_time(text: str) -> None:
    started = time.process_time()
    read_number(text)
    assert time.process_time() - started < 5  # of the processor; quadratic ones take minutes


def test_the_majority_wins_and_ties_and_abstentions_are_told() -> None:
    vote = majority(["42", "forty", "42.0 km", "", "7"])
    assert (vote.answer, vote.votes, vote.total, vote.share, vote.tied) == ("42", 2, 5, 0.4, ())
    tie = majority(["a", "b", "B", "A", "c"])
    assert (tie.answer, tie.tied) == ("a", ("a", "b"))
    blank = majority(["", " "])
    assert (blank.answer, blank.votes, blank.share) == ("", 0, 0.0)
    with pytest.raises(ConfigError, match="no answers"):
        majority([])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The committee approved the new budget on Monday.", "en"),
        ("Der Ausschuss hat den neuen Haushalt\nam Montag gebilligt.", "de"),
        ("Le comité a approuvé le nouveau budget lundi.", "fr"),
        ("委員会は月曜日に新しい予算を承認した。", "ja"),
        ("42 + 7 = 49", "und"),
    ],
)
def test_languages_are_told_apart_offline(text: str, code: str) -> None:
    found = detect_language(text)
    assert found.code == code
    assert 0 <= found.score <= 1


def test_duplicates_are_texts_of_equal_words() -> None:
    assert normalise("What\u2019s  a \u201cMILL\u201d?") == normalise("what's a mill")
    assert normalise("3.5") != normalise("35")
    assert normalise("?!") != normalise("...")


async def test_the_pool_gives_each_text_to_one_owner_until_it_is_released() -> None:
    pool = ExactPool([("What is a mill?", "task-0")])
    assert (await pool.claim("what is a MILL", "task-1")).twin == "task-0"
    assert (await pool.claim("What is flour?", "task-1")).twin is None
    assert (await pool.claim("what is flour", "task-1")).twin is None  # its own text again: the task ran twice
    assert (await pool.claim("What is flour?", "task-2")).twin == "task-1"
    assert len(pool) == 2
    await pool.release("task-1")
    await pool.release("task-1")
    assert (await pool.claim("What is flour?", "task-2")).twin is None
    assert (await pool.claim("What is a mill?", "task-2")).twin == "task-0"


@given(st.text(alphabet="abZ09 -\n\t\r.,'`_x!", max_size=60))
def test_the_short_way_for_ascii_finds_the_same_words(text: str) -> None:
    assert words(text) == folding._WORD.findall(fold(text).text)


MIXED = (
    "abc AB-a\n\r\t-\u2010\u2013\u2014\u2019\u201c\u00bb\u00b4`'1.,2_½²Ⅷßİıéü\u0301\u00ad\u200b\ufeff"
    "…¨日本がกะ हिन्दी קנִּ ﬁ\u2028\u3000😀\u13a0\uab709"
)


def test_words_are_those_that_are_found_character_by_character() -> None:
    rng = random.Random(5)
    for _ in range(20_000):
        text = "".join(rng.choices(MIXED, k=rng.randint(1, 16)))
        assert words(text) == [word for word, _, _ in located_words(text)], text


@pytest.mark.parametrize("place", range(0, 0x110000, 0x8000))
def test_every_character_folds_alike_on_both_ways(place: int) -> None:
    """Every character that has a name, and one in 64 of those that are private or none: they have a category alone."""
    every = [chr(code) for code in range(place, place + 0x8000) if not 0xD800 <= code < 0xE000]
    characters = [one for one in every if ord(one) % 64 == 0 or unicodedata.category(one) not in {"Cn", "Co"}]
    text = " ".join(f"ab{character}cd x-{character}y{character}-\ny" for character in characters) + " é"
    assert words(text) == [word for word, _, _ in located_words(text)]


def test_accents_do_not_count_and_vowel_signs_do() -> None:
    assert words("Élan vital, Mühle über café-\nterrasse") == ["elan", "vital", "muhle", "uber", "cafeterrasse"]
    assert words("нико́лай") == ["николаи"]
    assert words("राम कहाँ है") == ["राम", "कहाँ", "है"]
    assert words("राम") != words("रोम")  # Ram and Rome
    assert located_words("e\u0301lan vital") == [("elan", 0, 5), ("vital", 6, 11)]
