"""Campaigns whose model repeats itself, and what their gate made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from write_and_judge import judged

from gristmill.campaigns.campaign import Campaign
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Item
from gristmill.storage.store import RunStore


def rows(folder: Path, count: int) -> str:
    path = folder / "documents.jsonl"
    lines = [
        {"text": f"Passage number {number} tells of the mill, of flour and of the brook."} for number in range(count)
    ]
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    return str(path)


def answering(questions: list[str], seen: list[Any]) -> Scripted:
    """Writes the questions one after the other; notes what each prompt told it."""
    waiting = iter(questions)

    def write(request: Any) -> dict[str, Any]:
        seen.append((request.variables.get("avoid"), request.sample, request.messages[-1].content))
        return {"question": next(waiting), "answer": "Yes.", "evidence": ["tells of the mill, of flour"]}

    return Scripted({"write-question-answer": write, "judge-question-answer": lambda request: judged()})


def items(folder: Path) -> list[Item]:
    store = RunStore.read(folder)
    try:
        return list(store.items())
    finally:
        store.close_reading()


LONG = (
    "What does the old account of the parish say about the mill on the brook, about the flour that it made in the dry "
    "summers before the great flood, and about the four families who lived and worked there until the road was built?"
)


OTHER = "Which of the tools in the wheelwright's yard were sold to the monastery after the great flood of that year?"


def campaign(tmp_path: Path, model: Scripted, documents: int, **given: Any) -> Campaign:
    return Campaign(
        "gate", [rows(tmp_path, documents)], recipe="grounded-qa", options={"kinds": ["fact"], "propose": False},
        models={"default": model}, runs=str(tmp_path / "runs"), concurrency=1, **given,
    )  # fmt: skip
