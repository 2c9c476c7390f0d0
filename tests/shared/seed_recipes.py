"""Runs a recipe on a scripted model that plays its paper's roles; the recipes that start from seeds, labels or nothing.

`CASES` has one small campaign for each recipe: what all of them must do (books, resumes, exports) is one test over it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gristmill import Campaign, Request, RunStore, Scripted, Status
from gristmill.campaigns.progress import Progress
from gristmill.storage.records import Item, Task

Script = Callable[[Request], Any]


@dataclass(frozen=True)
class Case:
    """One campaign: a recipe, its options, what it works from, and a function that plays all roles.

    rows:    the rows of its documents; `sources` writes other documents, or a graph, and gives the campaign's keys.
    others:  roles with a model of their own, which plays by the same script.
    accepts: how many items a whole run has accepted, 0 where that is not held to a number.
    """

    recipe: str
    script: Script
    rows: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    sources: Callable[[Path], dict[str, Any]] | None = None
    accepts: int = 0

    def campaign(self, folder: Path, model: Scripted | None = None, **values: Any) -> Campaign:
        model = model or Scripted(self.script)
        given = self.sources(folder) if self.sources else {}
        if self.rows:
            given["documents"] = [folder / "rows.jsonl"]
            given["documents"][0].write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        return Campaign(
            values.pop("name", "t"),
            recipe=self.recipe,
            options={**self.options, **values.pop("options", {})},
            models={"default": model, **{role: beside(model, role) for role in self.others}},
            roles={role: role for role in self.others},
            runs=str(folder / "runs"),
            **{"concurrency": 3, **given, **self.more, **values},
        )

    def run(self, folder: Path, progress: Progress | None = None, **values: Any) -> Ran:
        """Runs the campaign to its end and reads what it left."""
        model = Scripted(self.script)
        report = self.campaign(folder, model, **values).run(progress)
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

    @property
    def calls_an_item(self) -> float:
        """Calls for an accepted item, to one digit; without those that build a graph, which is there for all items."""
        return round(
            sum(request.role not in ("extractor", "filter") for request in self.requests) / len(self.accepted), 1
        )

    def asked(self, prompt: str) -> list[Request]:
        return [request for request in self.requests if request.prompt == prompt]

    def of(self, task: Task) -> list[str]:
        """The prompts that were asked for a task, in order."""
        return [request.prompt for request in self.requests if request.task == task.id]


def beside(model: Scripted, name: str) -> Scripted:
    """Another model that answers as `model` does and notes its requests in the same list."""
    other = Scripted(model.answer, name=name)
    other.requests = model.requests
    return other


def read(folder: Path) -> tuple[list[Task], list[Item]]:
    store = RunStore.read(folder / "runs" / "t")
    try:
        return [task for task, _ in store.tasks()], list(store.items())
    finally:
        store.close_reading()


def accepted(folder: Path) -> list[Item]:
    return [item for item in read(folder)[1] if item.status is Status.ACCEPTED]


def prompts_asked(model: Scripted) -> list[str]:
    return [request.prompt for request in model.requests]


def rejections(report: Any) -> dict[str, int]:
    """Reason → how many tasks were rejected for it."""
    return {reason: count for (status, reason), count in report.reasons.items() if status == "rejected"}


def playing(answers: Mapping[str, Any]) -> Script:
    """A script of answers by prompt: each a function of the request, or one answer given every time."""

    def play(request: Request) -> Any:
        answer = answers[request.prompt]
        return answer(request) if callable(answer) else answer

    return play


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

# attrprompt

# Two values of each class are its own, one is listed for both, one fits the other by the model's answer.
SUBTOPICS = {
    "hardware": ["broken screens", "noisy fans", "prices of spare parts", "waiting for a reply"],
    "software": ["lost passwords", "slow updates", "Prices of spare parts", "colours of icons"],
}
FITS_BOTH = {"hardware": ["waiting for a reply"], "software": []}


def attrprompt(request: Request) -> Any:
    said = request.variables
    if request.prompt == "list-class-values":
        return {"values": SUBTOPICS[said["class_name"]]}
    if request.prompt == "shared-values":
        return {"values": FITS_BOTH[said["class_name"]]}
    if request.prompt == "label-text":
        return {"reason": "it says so", "label": said["text"].split()[1]}
    return {"text": f"Of {said['class_name']} is {mark(request)}."}


# cotam

LABELLED = [
    {"text": "The soup was cold and late.", "label": "bad"},
    {"text": "The soup was hot and quick.", "label": "good"},
    {"text": "The soup was soup.", "label": "neutral"},
]


def cotam(request: Request) -> Any:
    said = request.variables
    if request.prompt == "cotam-decompose":
        return {"attributes": ["subject: soup", f"length: {len(said['passage'])}"]}
    if request.prompt == "cotam-propose":
        return {"changes": [f"from {said['source_label']} to {said['label']}"]}
    if request.prompt == "cotam-rewrite":
        return {"text": f"{said['passage']} Now {said['label']}"}
    return {"label": said["text"].split()[-1]}


# targen

TASK = {"task": "Whether a message asks for help.", "labels": {"help": "it asks", "none": "it asks for nothing"}}


def targen(request: Request) -> Any:
    said = request.variables
    if request.prompt == "targen-contexts":
        return {"contexts": [f"context {number}" for number in range(said["count"])]}
    if request.prompt == "targen-seeds":
        return {"seeds": [f"seed {number} of {said['context']}" for number in range(said["count"])]}
    if request.prompt == "targen-write":
        return {"text": f"{said['instance_seed']} with {said['label']}"}
    return {"reason": "read anew", "label": said["text"].split()[-1]}


# codeclm

INSTRUCTIONS = [{"text": f"Secret seed {name}: plan a day."} for name in ("one", "two", "three")]


def codeclm(request: Request) -> Any:
    """The target keeps up until an instruction was made harder twice."""
    said = request.variables
    if request.prompt == "codeclm-encode":
        return {"use_case": f"planning {mark(request)}", "skills": ["time management", "clear lists"]}
    if request.prompt == "codeclm-decode":
        return {"instruction": f"Plan {mark(request)}"}
    if request.prompt == "codeclm-rubrics":
        return {"rubrics": ["depth", "limits"], "suggestions": ["go deeper", "add a limit"]}
    if request.prompt == "codeclm-improve":
        return {"instruction": f"{said['instruction']} harder"}
    if request.prompt == "respond-to-instruction":
        return f"{request.role} on {said['instruction']}"
    good = 9 if said["instruction"].count("harder") > 1 else 6
    return {"reason": "", **{place: good if said[place].startswith("strong") else 5 for place in ("first", "second")}}


# refed

REFERENCES = [
    {"text": "Explain how a mill grinds oats.", "response": "By two stones, the upper of which turns."},
    {"text": "Name three uses of a weir.", "response": "Power, fish, and water for fields."},
]


def refed(request: Request) -> Any:
    said = request.variables
    if request.prompt == "refed-feedback":
        number = mark(request)
        return {"instruction_feedback": [f"clear {number}"], "response_feedback": [f"short {number}"]}
    if request.prompt == "refed-instruction":
        return {"instruction": f"Ask of {mark(request)}."}
    if request.prompt == "refed-refine":
        return {"response": f"{said['response']} Made {said['response_feedback'][0]}."}
    return f"Draft for {said['instruction']}"


# datatune

TABLE = [
    {"text": "The valve leaks.", "product": "pump", "stars": 1, "internal": "x1"},
    {"text": "It runs well.", "product": "fan", "stars": 5, "internal": "x2"},
    {"text": "", "product": "belt", "stars": 3, "internal": "x3", "note": "kept out: no text"},
    {"text": "I sent it back.", "product": "saw", "stars": 2, "internal": "x4"},
    {"text": "The best I had.", "product": "drill", "stars": 5, "internal": "x5"},
]


def datatune(request: Request) -> Any:
    said = request.variables
    if request.prompt == "datatune-expand":
        return {"requirements": ["a review", "an answer yes or no"]}
    if request.prompt == "datatune-columns":
        return {"suitable": True, "columns": ["text", "stars", "nonsense"]}
    if request.prompt == "datatune-plan":
        return {"suitable": True, "plan": ["ask whether the review is good", "answer by stars"]}
    row = json.loads(said["row"])
    return {
        "usable": True,
        "instruction": f"Is this good? {row['text']}",
        "response": "yes" if row["stars"] > 3 else "no",
    }


CASES = {
    "genqa": Case("genqa", genqa, options={"tasks": 12, "listed": 6}),
    "magpie": Case("magpie", magpie, options={"tasks": 10}),
    "bare": Case("bare", bare, SEEDS, {"tasks": 10}),
    "attrprompt": Case("attrprompt", attrprompt, options={"classes": list(SUBTOPICS), "per_class": 8}),
    "cotam": Case("cotam", cotam, LABELLED, {"attribute": "sentiment"}),
    "targen": Case("targen", targen, options={**TASK, "contexts": 4, "seeds": 3}),
    "codeclm": Case("codeclm", codeclm, INSTRUCTIONS, {"per_seed": 2}, others=("target",)),
    "refed": Case("refed", refed, REFERENCES, {"per_reference": 3}),
    "datatune": Case("datatune", datatune, TABLE, {"task": "Is a review good?", "labels": ["yes", "no"]}),
    "persona-hub": Case("persona-hub", persona_hub, PASSAGES, {"personas": 2, "related": 2, "hops": 1}),
}
