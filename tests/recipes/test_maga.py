"""`maga`: pairs of genre and audience proposed once a document, bounded; a text is neither a copy nor astray."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from recipes_documents import ANSWERS, CASES, TOPICS, retold
from seed_recipes import accepted, prompts_asked, rejections

from gristmill import Request, Scripted

SOURCES, DIFFERENT = len(TOPICS), 3  # pairs that differ, of the four that the script proposes


async def test_pairs_are_proposed_once_a_document_and_each_is_written_for_once(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["maga"])
    report = await CASES["maga"].campaign(tmp_path, model).execute()
    asked = Counter(prompts_asked(model))
    assert asked == {
        "propose-audiences": SOURCES,
        "rewrite-for-audience": SOURCES * DIFFERENT,
        "judge-rewriting": SOURCES * DIFFERENT,
    }
    assert rejections(report) == {"unsuitable": SOURCES * 2}, "the fourth and fifth pair, for no call"
    pairs = Counter((item.chunks, item.fields["genre"]) for item in accepted(tmp_path))
    assert len(pairs) == SOURCES * DIFFERENT
    assert set(pairs.values()) == {1}


async def test_a_text_is_written_for_its_pair_and_judged_against_its_document(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["maga"])
    await CASES["maga"].campaign(tmp_path, model, concurrency=1, max_tasks=2 * SOURCES).execute()
    steps = ["rewrite-for-audience", "judge-rewriting"]
    assert prompts_asked(model) == ["propose-audiences", *steps] * SOURCES + steps * SOURCES, (
        "proposed before the first"
    )
    writers, judges = ([one for one in model.requests if one.prompt == prompt] for prompt in steps)
    for number, (writer, judge) in enumerate(zip(writers, judges, strict=True)):
        pair = ANSWERS["maga"]["propose-audiences"](writer)["pairs"][number // SOURCES]
        assert {name: writer.variables[name] for name in pair} == pair
        assert judge.variables["style_description"] == f"{pair['genre']} Written for: {pair['audience']}"
        assert judge.variables["passage"] == writer.variables["passage"]
        assert judge.variables["text"] == ANSWERS["maga"]["rewrite-for-audience"](writer)["text"]


async def test_no_more_pairs_than_asked_for_however_many_are_proposed(tmp_path: Path) -> None:
    def many(request: Request) -> dict[str, Any]:
        return {"pairs": [{"genre": f"genre {number}", "audience": "all."} for number in range(40)]}

    model = Scripted({**ANSWERS["maga"], "propose-audiences": many})
    report = await CASES["maga"].campaign(tmp_path, model, options={"pairs": 2}).execute()
    assert report.books.planned == report.books.accepted == 2 * SOURCES
    assert model.requests[0].variables["count"] == 2
    assert {item.fields["genre"] for item in accepted(tmp_path)} == {"genre 0", "genre 1"}


async def test_every_document_is_written_once_before_any_is_twice(tmp_path: Path) -> None:
    await CASES["maga"].campaign(tmp_path, concurrency=1, max_tasks=SOURCES).execute()
    assert len({item.chunks for item in accepted(tmp_path)}) == SOURCES


async def test_a_copy_and_a_text_that_strayed_are_both_dropped(tmp_path: Path) -> None:
    def write(request: Request) -> dict[str, Any]:
        passage, genre = request.variables["passage"], request.variables["genre"]
        return {"text": passage if genre == "a letter." else retold(passage, genre.split()[1])}

    def judge(request: Request) -> dict[str, Any]:
        astray = "a ballad." in request.variables["style_description"]
        return {"decision": "accept", "scores": [{"name": "consistent", "value": 0.2 if astray else 0.8}]}

    answers = {**ANSWERS["maga"], "rewrite-for-audience": write, "judge-rewriting": judge}
    report = await CASES["maga"].campaign(tmp_path, Scripted(answers)).execute()
    assert report.books.accepted == SOURCES
    assert {item.fields["genre"] for item in accepted(tmp_path)} == {"a manual."}
    assert rejections(report) == {"copied": SOURCES, "low_consistent": SOURCES, "unsuitable": 2 * SOURCES}
