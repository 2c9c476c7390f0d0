"""Exports: every format read back, the split by document, pairs, and the Hugging Face folder by its own library."""

from __future__ import annotations

import fcntl
import json
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyarrow import parquet

from gristmill.errors import ConfigError, RunLocked, StoreFull
from gristmill.storage.datasets.card import CardInfo
from gristmill.storage.datasets.export import FORMATS, ExportReport, export
from gristmill.storage.datasets.split import Splitter
from gristmill.storage.datasets.writers import JsonLines
from gristmill.storage.records import Decision, Draft, Item, Message, Span, Status, Verdict

HOSTILE = (
    'close ```` the fence | `tick` </details><script>alert(1)</script>\n---\nlicense: mit\n---\n"quoted" \u2028 é 漢'
)


def turns(question: str, answer: str) -> tuple[Message, ...]:
    return (Message(role="user", content=question), Message(role="assistant", content=answer))


def item(name: str, *, status: Status = Status.ACCEPTED, documents: Sequence[str] = (), **fields: Any) -> Item:
    given: dict[str, Any] = {
        "task": f"task-{name}",
        "kind": "qa",
        "messages": turns(f"What is {name}?", f"{name} is a thing."),
        "attributes": {"documents": list(documents)},
    }
    return Item(id=f"item-{name}", status=status, **(given | fields))


def documents_of(one: Item) -> list[str]:
    return list(one.attributes.get("documents", []))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def run(items: Any, out: Path, *formats: str, validation: float = 0.0, card: CardInfo | None = None) -> ExportReport:
    return export(items, documents_of=documents_of, out=out, formats=formats, validation=validation, card=card)


def test_each_format_holds_the_accepted_items_in_its_own_shape(tmp_path: Path) -> None:
    whole = item(
        "a",
        documents=["d1"],
        messages=(Message(role="system", content="Be brief."), *turns("Why?", HOSTILE)),
        evidence=(Span(chunk="chunk-1", start=2, end=5, quote="abc"),),
        models={"critic": "m"},
        fields={"query": "Why?", "positive": HOSTILE, "negatives": ["Not this."], "text": HOSTILE, "label": "mill",
                "triples": [{"subject": "mill", "relation": "grinds", "object": HOSTILE}]},
    )  # fmt: skip
    refused = item("b", status=Status.REJECTED, reasons=("trivial",), documents=["d1"])
    report = run([whole, refused], tmp_path, *FORMATS)

    assert rows(tmp_path / "retrieval/train.jsonl") == [
        {"id": "item-a", "query": "Why?", "positive": HOSTILE, "negatives": ["Not this."]}
    ]

    assert rows(tmp_path / "chat/train.jsonl") == [
        {"id": "item-a", "messages": [message.model_dump() for message in whole.messages]}
    ]
    assert rows(tmp_path / "sharegpt/train.jsonl")[0]["conversations"] == [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "Why?"},
        {"from": "gpt", "value": HOSTILE},
    ]
    assert rows(tmp_path / "alpaca/train.jsonl") == [
        {"id": "item-a", "instruction": "Why?", "input": "", "output": HOSTILE, "system": "Be brief."}
    ]
    assert rows(tmp_path / "text/train.jsonl") == [{"id": "item-a", "text": f"Why?\n\n{HOSTILE}"}]
    (record,) = rows(tmp_path / "jsonl/train.jsonl")
    assert record.pop("documents") == ["d1"]
    assert Item.model_validate(record) == whole
    (reject,) = rows(tmp_path / "rejects/rejects.jsonl")
    assert (reject["id"], reject["reasons"]) == ("item-b", ["trivial"])
    assert {report.counts[name]["train"] for name in FORMATS if name != "dpo"} == {1}
    assert all(report.left_out[name] == {"rejected": 1} for name in ("jsonl", "chat", "text", "parquet", "huggingface"))
    assert all(path.is_file() for path in report.files)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".export.lock", *FORMATS])


def test_what_a_format_cannot_hold_is_counted_by_reason(tmp_path: Path) -> None:
    items = [
        item("text", kind="pretraining", messages=(Message(role="assistant", content="A passage."),)),
        item("long", messages=(*turns("a", "b"), *turns("c", "d"))),
        item("mute", messages=(Message(role="user", content="Hello?"),)),
        item("blank", messages=()),
        item("fine"),
        item("broken", status=Status.FAILED, reasons=("schema_mismatch",), messages=()),
    ]
    report = run(items, tmp_path, "chat", "alpaca", "text")
    assert report.left_out == {
        "chat": {"no_user_turn": 1, "no_answer": 1, "no_messages": 1, "failed": 1},
        "alpaca": {"no_user_turn": 1, "several_turns": 1, "no_answer": 1, "no_messages": 1, "failed": 1},
        "text": {"no_text": 1, "failed": 1},
    }
    for name in report.counts:  # the books balance
        assert sum(report.counts[name].values()) + sum(report.left_out[name].values()) == report.items == len(items)


def test_an_unknown_format_names_the_nearest_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'parquet'"):
        run([item("a")], tmp_path / "out", "chat", "paquet")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match=r"validation is 1\.5"):
        run([item("a")], tmp_path, "chat", validation=1.5)


@pytest.mark.parametrize("as_stream", [False, True])
def test_items_connected_through_documents_stay_on_one_side(tmp_path: Path, as_stream: bool) -> None:
    draw = random.Random(7)
    items = []
    for group in range(40):  # forty groups of documents; within one, items connect them in a chain
        for link in range(draw.randint(1, 6)):
            items.append(item(f"{group}-{link}", documents=[f"d{group}-{link}", f"d{group}-{link + 1}"]))
    draw.shuffle(items)
    source: Iterator[Item] | list[Item] = iter(items) if as_stream else items
    report = run(source, tmp_path, "jsonl", "chat", validation=0.2)

    sides = {side: rows(tmp_path / f"jsonl/{side}.jsonl") for side in ("train", "validation")}
    documents = {side: {name for row in found for name in row["documents"]} for side, found in sides.items()}
    assert not documents["train"] & documents["validation"]
    assert len(sides["train"]) + len(sides["validation"]) == len(items)
    assert 0.15 <= len(sides["validation"]) / len(items) <= 0.25
    assert report.left_out["jsonl"] == {}
    assert {row["id"] for row in rows(tmp_path / "chat/validation.jsonl")} == {row["id"] for row in sides["validation"]}


def test_the_split_does_not_depend_on_the_order_of_items() -> None:
    items = [(f"i{number}", [f"d{number % 30}"]) for number in range(90)]
    decided = []
    for seed in range(3):
        random.Random(seed).shuffle(items)
        splitter = Splitter(0.3)
        for key, documents in items:
            splitter.add(key, documents)
        decided.append(splitter.decide().validation)
    assert decided[0]
    assert decided[0] == decided[1] == decided[2]


def test_one_component_is_cut_by_document_and_the_loss_is_reported(tmp_path: Path) -> None:
    items = [item(f"own-{number}-{copy}", documents=[f"d{number}"]) for number in range(20) for copy in range(5)]
    items += [item(f"link-{number}", documents=[f"d{number}", f"d{(number + 1) % 20}"]) for number in range(20)]
    report = run(items, tmp_path, "jsonl", validation=0.2)
    train, validation = (rows(tmp_path / f"jsonl/{side}.jsonl") for side in ("train", "validation"))
    lost = report.left_out["jsonl"]["spans_both_sides"]
    assert lost > 0
    assert len(train) + len(validation) + lost == len(items)
    assert validation
    assert not {name for row in train for name in row["documents"]} & {
        name for row in validation for name in row["documents"]
    }
    assert f"{lost} items that span both sides were left out" in report.notes[0]


def test_one_document_has_no_validation_part_and_the_report_says_so(tmp_path: Path) -> None:
    report = run([item(str(number), documents=["d"]) for number in range(9)], tmp_path, "chat", validation=0.3)
    assert report.counts["chat"] == {"train": 9}
    assert "one document" in report.notes[0]


def test_an_export_without_rows_says_so(tmp_path: Path) -> None:
    report = run([item("a", status=Status.REJECTED)], tmp_path, "chat", "huggingface", validation=0.1)
    assert report.notes[1:] == ("format 'chat' has no rows", "format 'huggingface' has no rows")
    assert report.counts == {"chat": {"train": 0}, "huggingface": {"train": 0}}


def test_a_validation_file_of_an_earlier_export_does_not_stay(tmp_path: Path) -> None:
    items = [item(str(number), documents=[f"d{number}"]) for number in range(10)]
    run(items, tmp_path, "chat", validation=0.4)
    assert (tmp_path / "chat/validation.jsonl").is_file()
    run(items, tmp_path, "chat")
    assert not (tmp_path / "chat/validation.jsonl").exists()
    assert len(rows(tmp_path / "chat/train.jsonl")) == 10


def refined(*answers: str, against: Sequence[tuple[str, ...]], questions: Sequence[str] = ()) -> Item:
    """An accepted item whose last answer was accepted and whose earlier ones were sent back with the given reasons."""
    asked = list(questions) or ["Why?"] * len(answers)
    drafts = tuple(
        Draft(index=index, by="generator", messages=turns(asked[index], answer)) for index, answer in enumerate(answers)
    )
    verdicts = tuple(
        Verdict(by="critic", draft=index, decision=Decision.REVISE, reasons=reasons, text=f"because {index}")
        for index, reasons in enumerate(against)
    )
    return item("r", documents=["d"], messages=drafts[-1].messages, drafts=drafts, verdicts=verdicts)


def test_refine_rounds_give_pairs_that_say_where_they_came_from(tmp_path: Path) -> None:
    run([refined("bad", "better", "good", against=[("ungrounded",), ("unclear", "trivial")])], tmp_path, "dpo")
    first, second = rows(tmp_path / "dpo/train.jsonl")
    assert first == {
        "prompt": [{"role": "user", "content": "Why?"}],
        "chosen": [{"role": "assistant", "content": "good"}],
        "rejected": [{"role": "assistant", "content": "bad"}],
        "origin": "refinement",
        "chosen_from": "item-r",
        "rejected_from": "item-r/draft/0",
        "reasons": ["ungrounded"],
        "critique": "because 0",
    }
    assert second["rejected"][0]["content"] == "better"


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (refined("bad", "good", against=[("incorrect",)], questions=["Why?", "Why not?"]), "prompt_changed"),
        (refined("same  words", "same words", against=[("incorrect",)]), "same_answer"),
        (refined("fine", "good", against=[("duplicate",)]), "reason_not_about_the_answer"),
        (refined("jo@mill.org", "good", against=[("incorrect", "pii")]), "kept_back"),
        (refined("sk-1", "good", against=[("secret",)]), "kept_back"),
        (refined("a benchmark's words", "good", against=[("contaminated",)]), "kept_back"),
    ],
)
def test_a_draft_that_is_no_worse_answer_to_the_same_prompt_gives_no_pair(
    tmp_path: Path, one: Item, reason: str
) -> None:
    report = run([one], tmp_path, "dpo")
    assert rows(tmp_path / "dpo/train.jsonl") == []
    assert report.left_out["dpo"] == {reason: 1, "no_pair": 1}


@pytest.mark.parametrize("order", [1, -1])
def test_a_reject_pairs_with_an_accepted_item_of_the_same_prompt_and_source_only(tmp_path: Path, order: int) -> None:
    good = item("good", chunks=("c1",), messages=turns("Why?", "good"), documents=["d"])
    bad = {"status": Status.REJECTED, "reasons": ("incorrect",), "documents": ["d"]}
    items = [
        good,
        item("bad", chunks=("c1",), messages=turns("Why?", "bad"), **bad),
        item("other-prompt", chunks=("c1",), messages=turns("How?", "bad"), **bad),
        item("other-chunk", chunks=("c2",), messages=turns("Why?", "worse"), **bad),
        item("other-kind", chunks=("c1",), kind="reasoning", messages=turns("Why?", "worse"), **bad),
        item("twin", chunks=("c1",), messages=turns("Why?", "fine"), **bad | {"reasons": ("duplicate",)}),
    ][::order]
    report = run(iter(items), tmp_path, "dpo")
    (pair,) = rows(tmp_path / "dpo/train.jsonl")
    assert (pair["chosen_from"], pair["rejected_from"], pair["origin"]) == ("item-good", "item-bad", "rejection")
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("good", "bad")
    assert report.left_out["dpo"] == {}


def test_a_reject_with_personal_data_is_no_half_of_a_pair(tmp_path: Path) -> None:
    good = item("good", chunks=("c1",), messages=turns("Why?", "good"))
    kept = {"status": Status.REJECTED, "chunks": ("c1",), "messages": turns("Why?", "Ask jo@mill.org.")}
    report = run([good, item("bad", reasons=("incorrect", "pii"), **kept)], tmp_path, "dpo")
    assert rows(tmp_path / "dpo/train.jsonl") == []
    assert report.left_out["dpo"] == {"kept_back": 1, "no_pair": 1}


def test_a_pair_across_the_split_is_left_out(tmp_path: Path) -> None:
    accepted = [item(str(number), documents=[f"d{number}"], chunks=("c",)) for number in range(10)]
    rejected = [
        one.model_copy(
            update={
                "id": f"{one.id}-reject",
                "status": Status.REJECTED,
                "messages": turns(one.messages[0].content, "no"),
                "attributes": {"documents": [f"d{number}" for number in range(10)]},
            }
        )
        for one in accepted
    ]
    report = run(accepted + rejected, tmp_path, "dpo", validation=0.5)
    assert report.counts["dpo"] == {"train": 0, "validation": 0}
    assert report.left_out["dpo"] == {"spans_both_sides": 10, "no_pair": 10}


def test_the_hugging_face_folder_opens_with_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import datasets  # slow to import, and it reads the variables above when it is

    items = [item(str(number), documents=[f"d{number}"]) for number in range(20)]  # no evidence in the first rows
    span = Span(chunk="c", start=0, end=3, quote=HOSTILE)
    items += [item("last", documents=["d0"], evidence=(span,), fields={"n": 1}, models={"critic": "m|x"})]
    run(items, tmp_path / "out", "huggingface", "parquet", validation=0.3, card=CardInfo(license="cc-by-4.0"))
    opened = datasets.load_dataset(str(tmp_path / "out/huggingface"), cache_dir=str(tmp_path / "cache"))
    assert set(opened) == {"train", "validation"}
    both = {row["id"]: row for side in opened.values() for row in side}
    assert both.keys() == {one.id for one in items}
    assert both["item-last"]["evidence"] == [span.model_dump()]
    assert both["item-3"]["messages"] == [message.model_dump() for message in items[3].messages]
    parquet = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out/parquet/*.parquet"), cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert {row["id"]: row for row in parquet} == both
    assert opened["train"].features == parquet.features
    # Another export, here or elsewhere, must not be answered from what the library kept of the first.
    for folder in ("out", "elsewhere"):
        changed = item("0", documents=["d0"], fields={"in": folder})
        run([changed], tmp_path / folder, "huggingface")
        again = datasets.load_dataset(str(tmp_path / folder / "huggingface"), cache_dir=str(tmp_path / "cache"))
        assert {side: rows["fields"] for side, rows in again.items()} == {"train": [f'{{"in":"{folder}"}}']}


def test_the_card_counts_and_escapes_what_models_wrote(tmp_path: Path) -> None:
    items = [
        item("a", messages=turns("Q", HOSTILE), models={"critic": "evil | `x` <b>"}, prompts={"judge": "v1"}),
        item("b", status=Status.REJECTED, reasons=("trivial",)),
        item("c", status=Status.REJECTED, reasons=("trivial", "unclear")),
        item("d", status=Status.FAILED, reasons=("truncated",)),
    ]
    run(items, tmp_path, "huggingface", card=CardInfo("My [set]", "grounded-qa", "cc-by-4.0", ("en",), pending=5))
    text = (tmp_path / "huggingface/README.md").read_text(encoding="utf-8")
    front, body = text.removeprefix("---\n").split("\n---\n", 1)
    header = yaml.safe_load(front)
    assert (header["license"], header["language"], header["size_categories"]) == ("cc-by-4.0", ["en"], ["n<1K"])
    assert header["configs"][0]["data_files"] == [{"split": "train", "path": "data/train.jsonl"}]
    for line in ("| accepted | 1 |", "| failed | 1 |", "| pending | 5 |", "| rejected | 2 |", "| trivial | 2 |",
                 "| unclear | 1 |", "| critic | evil \\| \\`x\\` &lt;b&gt; |", "recipe grounded-qa"):  # fmt: skip
        assert line in body
    fence = next(line for line in body.splitlines() if line.endswith("json")).removesuffix("json")
    assert len(fence) > max(len(run) for run in HOSTILE.split() if set(run) == {"`"})
    block = body.split(f"{fence}json\n", 1)[1].split(f"\n{fence}\n", 1)[0]
    assert json.loads(block)["messages"][1]["content"] == HOSTILE
    assert "<script>" not in body.replace(block, "")


def test_an_export_that_fails_leaves_the_earlier_one_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run([item("old")], tmp_path, "chat")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))

    def full(self: JsonLines, row: dict[str, Any]) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(JsonLines, "write", full)
    with pytest.raises(StoreFull, match="the disk is full"):
        run([item("new")], tmp_path, "chat")
    assert [row["id"] for row in rows(tmp_path / "chat/train.jsonl")] == ["item-old"]
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_written_and_one_that_is_taken_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot write"):
        run([item("a")], tmp_path / "file" / "out", "chat")
    (tmp_path / "out").mkdir()
    with (tmp_path / "out/.export.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RunLocked, match="another export"):
            run([item("a")], tmp_path / "out", "chat")


@pytest.mark.parametrize("name", ["parquet", "jsonl", "huggingface"])
def test_a_large_export_is_written_in_parts_of_one_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("gristmill.storage.datasets.writers._ROWS_A_GROUP", 10)
    # Empty lists in the first parts, full ones in the last: a guessed type would differ from part to part.
    items = [item(f"{number:03d}", documents=[f"d{number}"]) for number in range(100)]
    items += [
        item(f"x{number}", evidence=(Span(chunk="c", start=0, end=1, quote="q"),), chunks=("c",), documents=["x"])
        for number in range(30)
    ]
    out = tmp_path / "out"
    wide = export(items, documents_of=documents_of, out=out, formats=[name], validation=0.3, part_bytes=3000)
    folder = out / name / "data" if name == "huggingface" else out / name
    parts = sorted(path.name for path in folder.iterdir())
    suffix = "parquet" if name == "parquet" else "jsonl"
    assert {"train-00000", "train-00001", "validation-00000"} <= {part.partition(".")[0] for part in parts}
    assert len(wide.files) == len(parts) + (name == "huggingface")

    read = pyarrow_rows if name == "parquet" else rows
    found = [row["id"] for part in parts for row in read(folder / part)]
    assert sorted(found) == sorted(one.id for one in items)
    assert sum(wide.counts[name].values()) == len(items)
    if name == "parquet":
        schemas = {str(pyarrow_schema(folder / part)) for part in parts}
        assert len(schemas) == 1
        assert "null" not in schemas.pop()

    # A smaller export in the same place leaves no part of the larger one.
    run(items[:3], out, name)
    assert [path.name for path in folder.iterdir()] == [f"train.{suffix}"]
    export(items, documents_of=documents_of, out=out, formats=[name], part_bytes=3000)
    assert not (folder / f"train.{suffix}").exists()


def pyarrow_rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return found


def pyarrow_schema(path: Path) -> Any:
    return parquet.read_schema(path)


def test_the_hugging_face_folder_opens_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    items = [item(f"{number}", documents=[f"d{number}"]) for number in range(40)]
    export(items, documents_of=documents_of, out=tmp_path, formats=["huggingface"], validation=0.25, part_bytes=2000)
    opened = datasets.load_dataset(str(tmp_path / "huggingface"), cache_dir=str(tmp_path / "cache"))
    assert sorted([*opened["train"]["id"], *opened["validation"]["id"]]) == sorted(one.id for one in items)


def test_an_item_without_query_or_passage_is_no_pair(tmp_path: Path) -> None:
    fields: list[dict[str, Any]] = [
        {},
        {"query": "Why?"},
        {"query": " ", "positive": "x"},
        {"query": ["Why?"], "positive": "x"},
        {"query": "Why?", "positive": "x", "negatives": "none"},
        {"query": "Why?", "positive": "x", "negatives": [1, "y"]},
    ]
    report = run([item(str(number), fields=one) for number, one in enumerate(fields)], tmp_path, "retrieval")
    assert report.left_out["retrieval"] == {"no_pair": 4}
    assert [row["negatives"] for row in rows(tmp_path / "retrieval/train.jsonl")] == [[], ["y"]]
