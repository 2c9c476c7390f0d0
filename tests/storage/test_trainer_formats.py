"""Formats that trainers read as they are: classes, triples, hard negatives, and each of them as Parquet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from pyarrow import parquet

from gristmill.errors import ConfigError
from gristmill.storage.datasets.columns import TABLES
from gristmill.storage.datasets.export import ExportReport, export
from gristmill.storage.records import Decision, Draft, Item, Message, Status, Verdict

TRIPLE = {"subject": "a mill", "relation": "grinds", "object": "grain"}


def item(name: str, **fields: Any) -> Item:
    said = (Message(role="user", content=str(fields.get("text", "Q"))), Message(role="assistant", content="A"))
    return Item(
        id=f"item-{name}", task=f"task-{name}", kind="text", status=Status.ACCEPTED, messages=said, fields=fields
    )


def run(items: list[Item], out: Path, *formats: str, validation: float = 0.0) -> ExportReport:
    return export(items, documents_of=lambda one: [f"of-{one.id}"], out=out, formats=formats, validation=validation)


def rows(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def table(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return found


def labelled(count: int) -> list[Item]:
    return [item(f"{n:02d}", text=f"text {n}", label=("yes", "no", "3")[n % 3]) for n in range(count)]


def test_a_text_and_its_label_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    odd: list[Any] = [" late ", 3, True, None, "", "  ", ["a"], {"a": 1}]
    items = [item(str(number), text="It is late.", label=one) for number, one in enumerate(odd)]
    items += [item("blank", text=" ", label="late"), item("other", text=["no text"], label="late"), item("none")]
    report = run(items, tmp_path, "classification")
    written = rows(tmp_path / "classification/train.jsonl")
    assert written[0] == {"id": "item-0", "text": "It is late.", "label": "late"}
    assert [row["label"] for row in written] == ["late", "3", "True"]
    assert report.left_out["classification"] == {"no_label": 8}


@pytest.mark.parametrize("name", ["classification", "classification.parquet"])
def test_classes_open_with_datasets_as_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("HF_DATASETS_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(variable, "1")
    datasets = pytest.importorskip("datasets")
    items = labelled(30)
    run(items, tmp_path, name, validation=0.3)
    opened = datasets.load_dataset(str(tmp_path / name), cache_dir=str(tmp_path / "cache"))
    assert set(opened) == {"train", "validation"}
    classes = opened["train"].features["label"]
    assert classes.names == ["3", "no", "yes"]
    assert opened["validation"].features["label"] == classes
    found = {row["id"]: (row["text"], classes.int2str(row["label"])) for side in opened.values() for row in side}
    assert found == {one.id: (one.fields["text"], one.fields["label"]) for one in items}


def test_the_card_of_classes_counts_them_by_side(tmp_path: Path) -> None:
    report = run([*labelled(30), item("x", text="T", label="a|b")], tmp_path, "classification", validation=0.3)
    front, body = (tmp_path / "classification/README.md").read_text().removeprefix("---\n").split("\n---\n", 1)
    header = yaml.safe_load(front)
    assert header["task_categories"] == ["text-classification"]
    assert [one["path"] for one in header["configs"][0]["data_files"]] == ["train.jsonl", "validation.jsonl"]
    counted: dict[str, int] = {}
    for line in body.partition("## Labels")[2].partition("##")[0].splitlines()[4:-1]:
        label, by_side = line.removeprefix("| ").removesuffix(" |").rsplit(" | ", 1)
        counted[label] = sum(map(int, by_side.split(" / ")))
    assert counted == {"yes": 10, "no": 10, "3": 10, "a\\|b": 1}
    assert sum(report.counts["classification"].values()) == 31


def test_labels_without_number_are_text_and_not_classes(tmp_path: Path) -> None:
    items = [item(str(number), text="T", label=f"label {number}") for number in range(1001)]
    run(items, tmp_path, "classification")
    card = (tmp_path / "classification/README.md").read_text()
    header = yaml.safe_load(card.removeprefix("---\n").split("\n---\n", 1)[0])
    assert {"name": "label", "dtype": "string"} in header["dataset_info"]["features"]
    assert "## Labels" not in card
    assert "table above" not in card
    assert len(rows(tmp_path / "classification/train.jsonl")) == 1001


def test_each_hard_negative_is_a_row_of_nothing_but_texts(tmp_path: Path) -> None:
    items = [
        item("two", query="Why?", positive="Because.", negatives=["No.", "So."]),
        item("none", query="When?", positive="Now.", negatives=[]),
        item("no-pair", query="Who?"),
    ]
    report = run(items, tmp_path, "triplets")
    assert rows(tmp_path / "triplets/train.jsonl") == [
        {"anchor": "Why?", "positive": "Because.", "negative": "No."},
        {"anchor": "Why?", "positive": "Because.", "negative": "So."},
    ]
    assert (report.counts["triplets"], report.left_out["triplets"]) == ({"train": 2}, {"no_negative": 1, "no_pair": 1})


def test_a_text_stands_beside_the_triples_that_it_states(tmp_path: Path) -> None:
    items = [
        item("a", text="A mill grinds grain.", triples=[TRIPLE | {"more": 1}, "no triple", {"subject": "a mill"}]),
        item("b", text="A mill.", triples=[]),
        item("c", triples=[TRIPLE]),
    ]
    report = run(items, tmp_path, "extraction")
    assert rows(tmp_path / "extraction/train.jsonl") == [
        {"id": "item-a", "text": "A mill grinds grain.",
         "triples": [TRIPLE, {"subject": "a mill", "relation": "", "object": ""}]}
    ]  # fmt: skip
    assert report.left_out["extraction"] == {"no_triples": 2}


def test_every_format_with_columns_has_the_same_rows_as_parquet(tmp_path: Path) -> None:
    whole = item(
        "whole", text="A mill.", label="x", triples=[TRIPLE], query="Why?", positive="Because.", negatives=["No."]
    )
    asked = whole.messages[:1]
    worse = Draft(index=0, by="g", fields={}, messages=(*asked, Message(role="assistant", content="worse")))
    against = Verdict(by="c", draft=0, decision=Decision.REVISE, reasons=("wrong",))
    paired = whole.model_copy(
        update={"drafts": (worse, worse.model_copy(update={"index": 1, "messages": whole.messages})),
                "verdicts": (against,)}
    )  # fmt: skip
    names = [name for name in TABLES if name != "parquet"]
    report = run([paired], tmp_path, *names, *(f"{name}.parquet" for name in names))
    for name in names:
        written = rows(tmp_path / name / "train.jsonl")
        assert written, name
        assert table(tmp_path / f"{name}.parquet" / "train.parquet") == written, name
        assert list(written[0]) == list(TABLES[name]), name
        assert report.counts[name] == report.counts[f"{name}.parquet"], name
    assert report.left_out["dpo"] == report.left_out["dpo.parquet"]


@pytest.mark.parametrize(
    "name", ["jsonl.parquet", "rejects.parquet", "parquet.parquet", "huggingface.parquet", ".parquet"]
)
def test_what_has_no_columns_of_its_own_is_no_parquet(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no export format .*as Parquet: chat\.parquet"):
        run([item("a")], tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("order", [1, -1])
def test_a_rejected_answer_is_in_one_pair_and_accepted_ones_take_turns(tmp_path: Path, order: int) -> None:
    """A hard prompt of 3 right and 40 wrong answers gives 40 pairs, not 120, and an easy one 1, not 8."""

    def tried(prompt: str, number: int, status: Status) -> Item:
        said = (Message(role="user", content=prompt), Message(role="assistant", content=f"{status} {number}"))
        reasons = () if status is Status.ACCEPTED else ("wrong_answer",)
        return item(f"{prompt}-{status}-{number}").model_copy(
            update={"messages": said, "status": status, "chunks": (prompt,), "reasons": reasons}
        )

    counts = {"hard": (3, 40), "easy": (8, 1), "known": (5, 0), "hopeless": (0, 5)}
    items = [
        tried(prompt, number, status)
        for prompt, (right, wrong) in counts.items()
        for status, count in ((Status.ACCEPTED, right), (Status.REJECTED, wrong))
        for number in range(count)
    ]
    report = run(items[::order], tmp_path, "dpo")
    pairs = rows(tmp_path / "dpo/train.jsonl")
    assert Counter(pair["prompt"][0]["content"] for pair in pairs) == {"hard": 40, "easy": 1}
    assert set(Counter(pair["rejected_from"] for pair in pairs).values()) == {1}
    chosen = Counter(pair["chosen_from"] for pair in pairs)
    assert sorted(chosen.values()) == [1, 13, 13, 14]
    assert report.left_out["dpo"] == {"no_pair": 7 + 5}


def test_a_rejected_answer_is_set_against_one_that_says_something_else(tmp_path: Path) -> None:
    """A right answer in words that were rejected elsewhere is no better half of them, where there is another."""
    said = [("accepted", "4"), ("accepted", "four"), ("rejected", "4")]
    items = [
        item(f"{place}").model_copy(
            update={
                "status": Status(status), "chunks": ("c",), "reasons": ("cut_off",) if status == "rejected" else (),
                "messages": (Message(role="user", content="2 + 2"), Message(role="assistant", content=text)),
            }
        )
        for place, (status, text) in enumerate(said)
    ]  # fmt: skip
    run(items, tmp_path, "dpo")
    (pair,) = rows(tmp_path / "dpo/train.jsonl")
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("four", "4")
