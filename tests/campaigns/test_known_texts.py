"""What a campaign's texts are held against: each layout in which data sets come, and what is no text."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from gristmill.campaigns.gating.known_texts import known_texts, require_known
from gristmill.errors import ConfigError

MILL, TIDE = "What turns the mill?", "When does the tide turn?"


def read(source: Path | str, *fields: str) -> Sequence[tuple[str, str]]:
    require_known(str(source), fields or ("question",))
    return list(known_texts(str(source), fields or ("question",)))


def lines(path: Path, *rows: Any) -> Path:
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"question": MILL},
        {"question": None, "text": "unread", "answer": 3} | {"question": MILL},
        {"problem": None, "instruction": MILL},
        {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": MILL}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": MILL}, {"type": "image", "url": "x"}]}]},
        {"conversations": [{"from": "human", "value": MILL}, {"from": "gpt", "value": "Water."}]},
    ],
)
def test_a_row_s_text_is_what_is_asked(tmp_path: Path, row: dict[str, Any]) -> None:
    assert read(lines(tmp_path / "set.jsonl", row)) == [(MILL, "set.jsonl:1")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("set.json", orjson.dumps([{"question": MILL}, {"question": TIDE}])),
        ("set.csv", f"id,question\n1,{MILL}\n2,{TIDE}\n".encode()),
        ("set.tsv", f"id\tquestion\n1\t{MILL}\n2\t{TIDE}\n".encode()),
        ("set.jsonl", b"\xef\xbb\xbf" + orjson.dumps({"question": MILL}) + b"\n" + orjson.dumps({"question": TIDE})),
        ("set.jsonl.gz", gzip.compress(orjson.dumps({"question": MILL}) + b"\n" + orjson.dumps({"question": TIDE}))),
    ],
)
def test_each_kind_of_file_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name) == [(MILL, f"{name}:1"), (TIDE, f"{name}:2")]


def test_a_folder_of_files_is_read_whole_and_its_twins_are_told_apart(tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "set"
    one, other = (datasets.Dataset.from_dict({"question": [text]}) for text in (MILL, TIDE))
    datasets.DatasetDict({"train": one, "test": other}).save_to_disk(str(folder))
    (folder / "more.csv").write_text("question\nWhy?\n")
    (folder / "README.txt").write_text("no rows")
    (folder / "train" / "cache-1.arrow").write_bytes(b"of a map that was run on it")
    assert sorted(read(folder)) == [
        (MILL, "train/data-00000-of-00001.arrow:1"),
        (TIDE, "test/data-00000-of-00001.arrow:1"),
        ("Why?", "more.csv:1"),
    ]


def test_columns_that_no_gate_knows_can_be_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "set.jsonl", {"title": MILL, "body": {"first": [TIDE, "?"]}, "question": "unread"})
    assert read(f"{path}:title,body.first") == [(f"{MILL}\n{TIDE}\n?", "set.jsonl:1")]
    with pytest.raises(ConfigError, match=r"row 1 of .*set\.jsonl has no column 'name'; it has body, question, title"):
        read(f"{path}:name")


def test_a_value_that_is_null_is_no_text(tmp_path: Path) -> None:
    path = lines(tmp_path / "set.jsonl", {"question": None}, {"question": TIDE})
    assert read(path) == [("", "set.jsonl:1"), (TIDE, "set.jsonl:2")]


def test_a_set_without_a_row_is_an_error_and_one_empty_file_of_many_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    lines(folder / "a.jsonl")
    for way in (require_known, lambda *given: list(known_texts(*given))):
        with pytest.raises(ConfigError, match="set has no row, and nothing would be held against it"):
            way(str(folder), ("question",))
    lines(folder / "b.jsonl", {"question": MILL})
    assert read(folder) == [(MILL, "b.jsonl:1")]
