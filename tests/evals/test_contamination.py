"""Contamination: evaluation sets of every format, runs of words with exact spans, the report, and the gate."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from gristmill import Draft, Message
from gristmill.errors import ConfigError
from gristmill.evals.contamination.alike import semantic_contamination
from gristmill.evals.contamination.loaded import digest_of, index_of
from gristmill.evals.contamination.ngrams import NgramIndex
from gristmill.evals.contamination.reading import SetBooks, read_set
from gristmill.evals.contamination.report import contamination_report
from gristmill.evals.contamination.sources import EvalSet, eval_sets
from gristmill.evals.contamination.texts import Cell, cells_of, texts_of
from gristmill.evals.folding import located_words, words
from gristmill.evals.vectors.hashed import HashedEmbedder

QUESTION = (
    "A tide gauge at the harbour of Port Elsing recorded a mean spring range of four metres and a neap range of "
    "barely half of that; by which share does the flow through the strait fall?"
)
ROWS = [
    {"id": 1, "question": QUESTION, "answer": "by about one half"},
    {"id": 2, "question": "Who built the first tidal mill on the river Elsing?", "answer": "monks"},
    {"id": 3, "question": "Why?", "answer": "none of the above can be said to be true"},
]


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def of_jsonl(folder: Path) -> Path:
    return lines(folder / "set.jsonl", ROWS)


def of_gzip(folder: Path) -> Path:
    path = folder / "set.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    return path


def of_json_list(folder: Path) -> Path:
    (folder / "set.json").write_text(json.dumps(ROWS, indent=2))
    return folder / "set.json"


def of_json_with_data(folder: Path) -> Path:
    (folder / "set.json").write_text(json.dumps({"version": "1", "data": ROWS}, indent=1))
    return folder / "set.json"


def of_json_lines_called_json(folder: Path) -> Path:
    return lines(folder / "set.json", ROWS)


def of_csv(folder: Path) -> Path:
    body = [",".join(f'"{value}"' for value in row.values()) for row in ROWS]
    (folder / "set.csv").write_text("id,question,answer\n" + "\n".join(body) + "\n")
    return folder / "set.csv"


def of_tsv(folder: Path) -> Path:
    body = ["\t".join(map(str, row.values())) for row in ROWS]
    (folder / "set.tsv").write_text("id\tquestion\tanswer\n" + "\n".join(body))
    return folder / "set.tsv"


def of_parquet(folder: Path) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / "set.parquet")
    return folder / "set.parquet"


def of_saved_dataset(folder: Path) -> Path:
    found = datasets.DatasetDict({"test": datasets.Dataset.from_list(ROWS)})
    found.save_to_disk(str(folder / "saved"))
    return folder / "saved"


def of_repository(folder: Path) -> Path:
    (folder / "repo" / "data").mkdir(parents=True)
    (folder / "repo" / ".cache").mkdir()
    (folder / "repo" / "README.md").write_text("# card")
    lines(folder / "repo" / ".cache" / "old.jsonl", [{"question": "hidden files are not read " * 5}])
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / "repo" / "data" / "test-00000-of-00001.parquet")
    return folder / "repo"


FORMATS: list[Callable[[Path], Path]] = [
    of_jsonl, of_gzip, of_json_list, of_json_with_data, of_json_lines_called_json, of_csv, of_tsv, of_parquet,
    of_saved_dataset, of_repository,
]  # fmt: skip


@pytest.mark.parametrize("make", FORMATS, ids=lambda make: make.__name__[3:])
@pytest.mark.parametrize("columns", ["", ":question"])
def test_every_format_is_read_and_found_in(tmp_path: Path, make: Callable[[Path], Path], columns: str) -> None:
    path = make(tmp_path)
    item = f"Here is one. {QUESTION.upper()} Think!"
    found = contamination_report([item, "The sea is salty."], [f"{path}{columns}"])
    (match,) = found.matches
    assert (match.item, match.set, match.column, match.kind) == ("0", path.name, "question", "ngram")
    assert match.row.endswith("#1")
    assert item[match.start : match.end] == QUESTION.upper().rstrip("?")
    assert QUESTION[match.row_start : match.row_end] == QUESTION.rstrip("?")
    assert match.score == 1.0
    assert found.sets[0].rows == 3
    contaminated, of_set, leaked = found.figures
    assert (contaminated.name, contaminated.value, contaminated.of) == ("contaminated", 0.5, 2)
    assert contaminated.low is not None
    assert contaminated.high is not None
    assert 0 < contaminated.low < 0.5 < contaminated.high < 1
    assert (of_set.value, leaked.value, leaked.of) == (0.5, 1, 3)


# runs of words

LETTERS = "abcdefghijklmnopqrstuvwxyzäöß"
ALPHABET = st.sampled_from(LETTERS)
WORD = st.text(ALPHABET, min_size=2, max_size=8)
BETWEEN = st.sampled_from([" ", ", ", "; ", "\n", " \u2026 ", "! ", "  ", " (", ") ", "\t", ". "])


@given(st.integers(5, 16), st.integers(0, 2**32), BETWEEN)
@settings(max_examples=200, deadline=None)
def test_every_planted_run_is_found_with_its_spans(n: int, seed: int, between: str) -> None:
    rng = random.Random(seed)
    pool = ["".join(rng.choices(LETTERS, k=rng.randint(3, 9))) for _ in range(200)]
    pool = list({word: None for word in pool if words(word) == [word]})[:100]
    run, pool = pool[:n], pool[n:]
    before, after, other_before, other_after = (pool[at * 20 : at * 20 + rng.randint(0, 20)] for at in range(4))
    written = [rng.choice([str.upper, str.lower, str.title])(word) for word in run]
    row = " ".join([*other_before, *run, *other_after])
    item = between.join([*before, *written, *after])
    (match,) = indexed(row, n=n).matches(Cell("messages.0", item))
    start = len(between.join([*before, ""])) if before else 0
    row_start = len(" ".join([*other_before, ""])) if other_before else 0
    assert (match.start, match.end) == (start, start + len(between.join(written)))
    assert (match.row_start, match.row_end) == (row_start, row_start + len(" ".join(run)))
    assert (match.place, match.words) == ("messages.0", n)
    assert match.score == pytest.approx(n / (n + len(other_before) + len(other_after)))


def indexed(*rows: str, n: int = 13) -> NgramIndex:
    index = NgramIndex(n=n)
    index.add([("set", f"#{number}", Cell("q", row)) for number, row in enumerate(rows, start=1)])
    index.close()
    return index


@given(st.lists(st.sampled_from(["aa", "bb", "cc"]), max_size=60), st.lists(st.sampled_from(["aa", "bb"]), max_size=60))
@settings(max_examples=200, deadline=None)
def test_in_texts_of_few_words_what_is_named_is_there(row: list[str], item: list[str]) -> None:
    index = indexed(" ".join(row), n=6)
    for match in index.matches(Cell("", " ".join(item)), most=None):
        mine = words(" ".join(item)[match.start : match.end])
        assert mine == words(" ".join(row)[match.row_start : match.row_end])
        assert len(mine) == match.words >= min(6, len(row))
    there = {tuple(row[at : at + 6]) for at in range(len(row) - 5)}
    plain = any(tuple(item[at : at + 6]) in there for at in range(len(item) - 5))
    if len(row) >= 6:
        assert bool(index.matches(Cell("", " ".join(item)))) == plain


def test_texts_that_repeat_themselves_cost_no_more_than_others() -> None:
    row = "x y z " * 20_000
    (match,) = indexed(row).matches(Cell("", "and " + row))
    assert match.words == 60_000
    assert indexed("x y z w v u t s " * 5000).matches(Cell("", row)) == []


@given(st.lists(st.lists(WORD, min_size=13, max_size=40), min_size=1, max_size=5), st.lists(WORD, max_size=60))
@settings(max_examples=100, deadline=None)
def test_nothing_is_found_that_a_plain_search_does_not_find(rows: list[list[str]], item: list[str]) -> None:
    index = indexed(*(" ".join(row) for row in rows), n=5)
    there = {tuple(words(" ".join(row))[at : at + 5]) for row in rows for at in range(len(row))}
    mine = words(" ".join(item))
    plain = any(tuple(mine[at : at + 5]) in there for at in range(len(mine) - 4))
    assert bool(index.matches(Cell("", " ".join(item)))) == plain


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_located_words_are_the_words(text: str) -> None:
    located = located_words(text)
    assert [word for word, _, _ in located] == words(text)
    for _, start, end in located:
        assert 0 <= start < end <= len(text)


def test_twelve_words_are_no_run_and_thirteen_are(tmp_path: Path) -> None:
    index = index_of([of_jsonl(tmp_path)])
    said = QUESTION.split()
    assert index.matches(Cell("", "well " + " ".join(said[3:15]) + " or so")) == []
    (match,) = index.matches(Cell("", "well " + " ".join(said[3:16]) + " or so"))
    assert match.words == 13


def test_short_texts_count_as_wholes_but_not_short_answers(tmp_path: Path) -> None:
    index = index_of([of_jsonl(tmp_path)])
    (inside,) = index.matches(Cell("", f"Question: {ROWS[1]['question']} Answer:"))
    assert (inside.kind, inside.row, inside.score) == ("whole", "#2", 1.0)
    for answer in ("monks", "by about one half", "Why?", ROWS[2]["answer"]):
        assert index.matches(Cell("", str(answer))) == []


def test_texts_of_five_to_seven_words_count_only_where_they_are_the_whole_text(tmp_path: Path) -> None:
    index = index_of([lines(tmp_path / "short.jsonl", [{"question": "When was the old mill built?"}])])
    assert index.matches(Cell("", "when was THE OLD mill built"))
    assert index.matches(Cell("", "Tell me, when was the old mill built?")) == []


def test_what_the_rows_of_a_set_share_is_no_evidence(tmp_path: Path) -> None:
    template = "Read the passage below with care and then choose the one option that answers the question best"
    told = [{"prompt": f"{template} number {place} of the river mill case {place * 7}"} for place in range(40)]
    index = index_of([lines(tmp_path / "templated.jsonl", told)])
    assert index.matches(Cell("", f"{template}.")) == []
    assert NgramIndex.of(eval_sets([tmp_path / "templated.jsonl"]), common=40).matches(Cell("", f"{template}."))


def test_a_passage_of_many_questions_is_kept_once_and_found(tmp_path: Path) -> None:
    told = [{"passage": QUESTION * 2, "question": f"question number {place}"} for place in range(60)]
    index = index_of([lines(tmp_path / "reading.jsonl", told)])
    assert {match.row for match in index.matches(Cell("", QUESTION))} == {"#1"}
    index = index_of([lines(tmp_path / "instructed.jsonl", told * 2)])  # 120 rows: what all have is no example
    assert index.matches(Cell("", QUESTION)) == []


def test_unspaced_scripts_count_characters(tmp_path: Path) -> None:
    text = "潮汐磨坊位于河口利用涨潮与落潮之间的水位差推动水轮。"
    index = index_of([lines(tmp_path / "zh.jsonl", [{"q": text}])])
    item = f"请问{text[3:20]}吗"
    (match,) = index.matches(Cell("", item))
    assert item[match.start : match.end] == text[match.row_start : match.row_end]


def test_many_sets_and_one_item_in_many_rows(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    same = [{"q": f"{QUESTION} {place}"} for place in range(15)]
    paths = [lines(tmp_path / "a" / "test.jsonl", same), lines(tmp_path / "b" / "test.jsonl", same[:2])]
    found = contamination_report([QUESTION], paths)
    assert [books.name for books in found.sets] == ["a/test.jsonl", "b/test.jsonl"]
    assert len(found.matches) == 10
    assert found.cut
    assert {figure.name: figure.value for figure in found.figures}["contaminated.b/test.jsonl"] == 1.0
    with pytest.raises(ConfigError, match="given twice"):
        eval_sets([paths[0], f"{paths[0]}:q"])


# items


def test_the_texts_of_an_item_are_those_of_its_messages() -> None:
    draft = Draft(index=0, by="g", messages=(Message(role="user", content="a"), Message(role="assistant", content="b")))
    assert [(cell.place, cell.text) for cell in texts_of(draft)] == [("messages.0", "a"), ("messages.1", "b")]
    fields = Draft(index=0, by="g", messages=(), fields={"q": "x", "list": ["y", {"z": "w"}], "n": 3})
    told = [(cell.place, cell.text) for cell in texts_of(fields)]
    assert told == [("fields.q", "x"), ("fields.list.0", "y"), ("fields.list.1.z", "w")]


def test_chats_are_flattened_and_what_the_model_says_is_an_answer() -> None:
    chat = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
    told = {cell.place: cell.answer for cell in cells_of(chat)}
    assert told["messages.0.content"] is False
    assert told["messages.1.content"] is True
    deep: Any = "bottom"
    for _ in range(100_000):
        deep = [deep]
    assert list(cells_of({"a": deep, "b": "kept"})) == [Cell("b", "kept")]


def test_no_item_and_items_without_text(tmp_path: Path) -> None:
    path = of_jsonl(tmp_path)
    none = contamination_report([], [path])
    assert none.figures[0].value is None
    assert none.figures[0].note == "nothing to measure"
    blank = contamination_report(["", " ", {}, "\ud800 \x00"], [path])
    assert (blank.figures[0].value, blank.figures[0].of) == (0.0, 4)


# bad sets


def test_unknown_columns_are_named_with_those_that_are_there(tmp_path: Path) -> None:
    for path in (of_jsonl(tmp_path), of_parquet(tmp_path), of_csv(tmp_path)):
        with pytest.raises(ConfigError, match=r"'prompt'.*columns are 'id', 'question', 'answer'"):
            index_of([f"{path}:prompt"])


def test_nested_columns_can_be_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "squad.jsonl", [{"answers": {"text": [QUESTION], "start": [3]}, "context": "x " * 30}])
    (match,) = index_of([f"{path}:answers.text"]).matches(Cell("", QUESTION))
    assert match.column == "answers.text.0"
    with pytest.raises(ConfigError, match=r"answers\.texts"):
        index_of([f"{path}:answers.texts"])


def test_broken_rows_are_booked_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    rows = [b'{"question": "cut', b"[1, 2]", b"", b'{"question": "\xff"}', b'{"other": 1}']
    rows.append(json.dumps(ROWS[0]).encode())
    path.write_bytes(b"\n".join(rows))
    books = SetBooks("broken")
    read = list(read_set(EvalSet.of(path), books))
    assert [row.name for row in read] == ["#6"]
    assert dict(books.skipped) == {"malformed": 3, "empty": 1}
    assert [one.row for one in books.unread] == ["#1", "#2", "#4", "#5"]
    notes = contamination_report(["x"], [path]).notes
    assert any("4 rows were not read (1 empty, 3 malformed)" in note for note in notes)


def test_a_row_that_is_too_large_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.evals.contamination.reading.LONGEST", 10_000)
    path = lines(tmp_path / "huge.jsonl", [{"q": "x" * 50_000}, ROWS[0]])
    books = SetBooks("huge")
    assert [row.name for row in read_set(EvalSet.of(path), books)] == ["#2"]
    assert books.skipped == {"too_large": 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jsonl", b"", "is empty: it has no row"),
        ("blank.csv", b"question,answer\n", "is empty: it has no row"),
        ("none.csv", b"", "is empty: it has no row"),
        ("numbers.jsonl", b'{"a": 1}\n{"a": 2}\n', "no row with a text .2 empty.*columns are 'a'"),
        ("bad.parquet", b"PAR1 no", "no Parquet file"),
        ("bad.arrow", b"ARROW1 no", "no Arrow file"),
        ("bad.jsonl.gz", b"no gzip", "cannot be read"),
        ("bad.json", b'{"a": [1,', "is not JSON"),
        ("wide.jsonl", '{"q": "a"}'.encode("utf-16"), "convert it to UTF-8"),
        ("notes.txt", b"text", "kind '.txt' are not read"),
    ],
)
def test_sets_that_cannot_be_read_say_so(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        index_of([tmp_path / name])


def test_sets_that_are_not_there_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.jsonl.*every machine"):
        index_of([tmp_path / "gone.jsonl"])
    with pytest.raises(ConfigError, match="no file with rows"):
        index_of([tmp_path])
    with pytest.raises(ConfigError, match="blank"):
        index_of([f"{of_jsonl(tmp_path)}:question,"])
    with pytest.raises(ConfigError, match="at least one file"):
        index_of([])
    with pytest.raises(ConfigError, match="n is 2"):
        index_of([of_jsonl(tmp_path)], n=2)


def test_hostile_rows_are_text_like_any_other(tmp_path: Path) -> None:
    rows = [
        {"q": "\x00\x1b[31m" * 1000},
        {"q": "a" * 300_000},
        {"q": "-\n" * 20_000},
        {"\u202e": "x y z " * 5000},
        {"q": [[[["deep"] * 3] * 3] * 3] * 3},
        {"role": ["not", "a", "string"], "from": 3},
        ROWS[0],
    ]
    index = index_of([lines(tmp_path / "hostile.jsonl", rows)])
    for row in rows:
        for cell in cells_of(row):
            index.matches(cell)
    assert index.matches(Cell("", QUESTION))


def test_an_index_is_built_once_and_again_when_a_file_changes(tmp_path: Path) -> None:
    path = of_jsonl(tmp_path)
    first, before = index_of([path]), digest_of(eval_sets([path]))
    assert index_of([str(path)]) is first
    with path.open("a") as file:
        file.write(json.dumps({"question": "one more row " * 10}) + "\n")
    assert index_of([path]) is not first
    assert digest_of(eval_sets([path])) != before


def test_a_large_set_agrees_with_a_plain_search(tmp_path: Path) -> None:
    rng = random.Random(5)
    vocabulary = [f"w{number}" for number in range(400)]
    rows = [rng.choices(vocabulary, k=rng.randint(13, 80)) for _ in range(3000)]
    index = index_of([lines(tmp_path / "large.jsonl", [{"q": " ".join(row)} for row in rows])])
    there = {tuple(row[at : at + 13]) for row in rows for at in range(len(row) - 12)}
    for _ in range(300):
        item = rng.choices(vocabulary, k=30)
        if rng.random() < 0.5:
            row = rng.choice(rows)
            at, size = rng.randrange(len(row) - 12), rng.choice([12, 13, 14])
            item[5:5] = row[at : at + size]
        plain = any(tuple(item[at : at + 13]) in there for at in range(len(item) - 12))
        assert bool(index.matches(Cell("", " ".join(item)))) == plain


# rows that an item is like


def changed(text: str, every: int) -> str:
    return " ".join("other" if at % every == every - 1 else word for at, word in enumerate(text.split()))


def test_wording_with_words_changed_is_near_and_no_run(tmp_path: Path) -> None:
    told = " ".join(f"word{number}" for number in range(96))
    path = lines(tmp_path / "near.jsonl", [{"q": told}, {"q": QUESTION}])
    item = changed(told, 12)
    assert contamination_report([item], [path]).figures[0].value == 0.0
    (match,) = contamination_report(
        [item, "nothing like it at all, said the miller of the tide"], [path], near=0.5
    ).matches
    assert (match.kind, match.item, match.row, match.words) == ("near", "0", "#1", 0)
    assert 0.5 <= match.score < 0.8
    assert (match.start, match.end, match.row_end) == (0, len(item), len(told))
    assert "is like near.jsonl #1 q[0:" in match.described
    assert contamination_report([item], [path], near=0.95).matches == ()


async def test_matches_by_vectors_count_in_the_report(tmp_path: Path) -> None:
    path = lines(tmp_path / "semantic.jsonl", [{"q": QUESTION, "answer": "one half"}])
    items = [f"Q: {QUESTION[::-1]}", changed(QUESTION, 6), "", "the sea"]
    found = await semantic_contamination(items, [path], HashedEmbedder(), threshold=0.6)
    assert [(one.item, one.kind, one.row) for one in found] == [("1", "semantic", "#1")]
    report = contamination_report(items, [path], also=found)
    assert report.items == ("1",)
    assert report.figures[0].value == 0.25
    assert await semantic_contamination([], [path], HashedEmbedder()) == []
    with pytest.raises(ValueError, match="threshold is 2"):
        await semantic_contamination(items, [path], HashedEmbedder(), threshold=2)
