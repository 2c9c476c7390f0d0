"""Runs a recipe that starts from seeds, labels or nothing on a scripted model that plays its paper's roles.

`CASES` has one small campaign for each recipe: what all of them must do (books, resumes, exports) is one test over it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gristmill import Campaign, Request, RunStore, Scripted, Status
from gristmill.storage.records import Item, Task

Script = Callable[[Request], Any]


@dataclass(frozen=True)
class Case:
    """One campaign: a recipe, its options, the rows of its documents, and a function that plays all roles."""

    recipe: str
    script: Script
    rows: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def campaign(self, folder: Path, model: Scripted, **values: Any) -> Campaign:
        documents = []
        if self.rows:
            documents = [folder / "rows.jsonl"]
            documents[0].write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        return Campaign(
            "t",
            documents,
            recipe=self.recipe,
            options={**self.options, **values.pop("options", {})},
            models={"default": model},
            runs=str(folder / "runs"),
            **{"concurrency": 3, **self.more, **values},
        )

    def run(self, folder: Path, **values: Any) -> Ran:
        """Runs the campaign to its end and reads what it left."""
        model = Scripted(self.script)
        report = self.campaign(folder, model, **values).run()
        return Ran(model.requests, report, *read(folder))


@dataclass(frozen=True)
class Ran:
    """What a campaign asked and left; tasks and items in the order of the store."""

    requests: list[Request]
    report: Any
    tasks: list[Task]
    items: list[Item]

    @property
    def accepted(self) -> list[Item]:
        return [item for item in self.items if item.status is Status.ACCEPTED]

    @property
    def calls(self) -> Counter[str]:
        """How often each prompt was asked: questions that the cache answered are not counted."""
        return Counter(request.prompt for request in self.requests)

    def asked(self, prompt: str) -> list[Request]:
        return [request for request in self.requests if request.prompt == prompt]

    def of(self, task: Task) -> list[str]:
        """The prompts that were asked for a task, in order."""
        return [request.prompt for request in self.requests if request.task == task.id]


def read(folder: Path) -> tuple[list[Task], list[Item]]:
    store = RunStore.read(folder / "runs" / "t")
    try:
        return [task for task, _ in store.tasks()], list(store.items())
    finally:
        store.close_reading()


def shown(request: Request) -> str:
    """All that a model sees of a request."""
    return request.text + "\n".join(message.content for message in request.messages)


def mark(request: Request) -> str:
    """Eight digits of what a model sees, with its seed: an answer that is another for another question."""
    return hashlib.sha256(f"{shown(request)}{request.sampling.seed}".encode()).hexdigest()[:8]


def accepting(**scores: float) -> dict[str, Any]:
    named = [{"name": name, "value": value} for name, value in scores.items()]
    return {"decision": "accept", "scores": named, "reasons": [], "comment": "", "evidence": []}


# genqa


def genqa(request: Request) -> Any:
    said = request.variables
    topics = [f"topic {number} of {said['subject']}" for number in range(1, said["listed"] + 1)]
    topic = topics[said["place"] - 1]
    subtopics = [f"subtopic {number} of {topic}" for number in range(1, said["listed"] + 1)]
    subtopic = subtopics[said["subplace"] - 1]
    answer = {"question": f"Which {mark(request)} follows from {subtopic}?", "answer": f"It is {mark(request)}."}
    return {"topics": topics, "topic": topic, "subtopics": subtopics, "subtopic": subtopic, **answer}


# magpie


def magpie(request: Request) -> Any:
    if request.prompt.startswith("magpie-"):
        return f"Explain {mark(request)} to me."
    if request.prompt == "respond-to-instruction":
        return f"Here is what {request.variables['instruction']} means."
    return accepting(quality=0.9, difficulty=0.5, correct=1.0, safe=1.0)


# bare

SEEDS = [{"text": f"How many {name} fit in {count} carts?", "response": f"{count * 6}."}
         for count, name in enumerate(("sacks", "stones", "wheels", "planks", "barrels"), 2)]  # fmt: skip


def bare(request: Request) -> Any:
    if request.prompt == "bare-draft":
        return f" How many lamps {mark(request)} burn in a hall\nResponse: som"
    found = request.variables["raw"].split()[3]
    return {"instruction": f"How many lamps {found} burn in a hall of nine rows?", "response": "Nine."}


# persona-hub


def persona_hub(request: Request) -> Any:
    if request.prompt == "propose-personas":
        return {"personas": [f"A miller who mends {mark(request)}.", f"A pupil who draws {mark(request)} at school."]}
    if request.prompt == "relate-persona":
        return {"personas": [f"The nurse of {mark(request)}.", f"A lawyer who sues {mark(request)} for rent."]}
    if request.prompt == "persona-write":
        return {"instruction": f"Work out {mark(request)}."}
    return f"That is {mark(request)}."


PASSAGES = [{"text": "The mill stands by the river."}, {"text": "A baker sells bread at dawn."}]

CASES = {
    "genqa": Case("genqa", genqa, options={"tasks": 12, "listed": 6}),
    "magpie": Case("magpie", magpie, options={"tasks": 10}),
    "bare": Case("bare", bare, SEEDS, {"tasks": 10}),
    "persona-hub": Case("persona-hub", persona_hub, PASSAGES, {"personas": 2, "related": 2, "hops": 1}),
}


def cases() -> Iterator[str]:
    yield from CASES
