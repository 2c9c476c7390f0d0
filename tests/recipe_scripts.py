"""What each recipe that starts from documents is run with in tests: sources, options, and a model that plays its roles.

The answers are functions of the request alone, so a campaign that was stopped and goes on is told the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gristmill import Campaign, Request, RunStore, Scripted, Status
from gristmill.storage.records import Item

TOPICS = (
    ("valve", "The brass valve number 12 opens at 40 degrees and closes at 35. Fitters oil it every 6 weeks."),
    ("valve", "A steel valve number 13 opens at 50 degrees and closes at 45. Fitters oil it every 7 weeks."),
    ("valve", "The iron valve number 14 opens at 60 degrees and closes at 55. Fitters oil it every 8 weeks."),
    ("goose", "The brent goose feeds on eelgrass in winter. About 7600 geese rest in the bay each October."),
    ("goose", "The grey goose feeds on clover in winter. About 8100 geese rest on the meadow each October."),
    ("goose", "The snow goose feeds on sedges in summer. About 9300 geese rest on the lake each August."),
    ("bread", "Rye bread rests 18 hours before baking. The baker heats the stone oven to 260 degrees."),
    ("bread", "Wheat bread rests 3 hours before baking. The baker heats the iron oven to 240 degrees."),
)
ACCEPT = {"decision": "accept", "scores": [{"name": name, "value": 0.9} for name in ("consistent", "style", "fluent")]}


def retold(text: str, by: str) -> str:
    """`text` with all its words and no run of them, told otherwise for each `by`."""
    return " ".join(f"{word} {by}" for word in text.split())


@dataclass(frozen=True)
class Script:
    """`answers` play the roles by prompt; `target` is how many items a whole run has accepted."""

    answers: Mapping[str, Any]
    target: int
    options: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)


def documents(folder: Path) -> Path:
    path = folder / "documents"
    path.mkdir(exist_ok=True)
    for number, (topic, text) in enumerate(TOPICS):
        (path / f"{number}-{topic}.md").write_text(f"# {topic.title()} {number}\n\n{text}\n")
    return path


def campaign(recipe: str, script: Script, folder: Path, model: Scripted | None = None, **values: Any) -> Campaign:
    return Campaign(
        recipe,
        [documents(folder)],
        recipe=recipe,
        options=dict(script.options),
        models={"default": model or Scripted(script.answers)},
        runs=str(folder / "runs"),
        **{"concurrency": 2, **script.more, **values},
    )


def accepted(folder: Path, recipe: str) -> list[Item]:
    store = RunStore.read(folder / "runs" / recipe)
    try:
        return list(store.items(Status.ACCEPTED))
    finally:
        store.close_reading()


def _rephrased(request: Request) -> dict[str, Any]:
    return {"text": retold(request.variables["passage"], request.variables["style_description"].split()[0])}


def _audiences(request: Request) -> dict[str, Any]:
    genres = ("a letter.", "a manual.", "A  letter.", "a ballad.")  # one twice: three that differ
    return {"pairs": [{"genre": genre, "audience": "a child."} for genre in genres]}


def _for_audience(request: Request) -> dict[str, Any]:
    return {"text": retold(request.variables["passage"], request.variables["genre"].split()[1])}


SCRIPTS: dict[str, Script] = {
    "wrap": Script(
        {"rephrase-passage": _rephrased, "judge-rewriting": ACCEPT}, target=16, options={"styles": ["easy", "hard"]}
    ),
    "maga": Script(
        {"propose-audiences": _audiences, "rewrite-for-audience": _for_audience, "judge-rewriting": ACCEPT},
        target=24,
    ),
}


def prompts_asked(model: Scripted) -> list[str]:
    return [request.prompt for request in model.requests]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rejections(report: Any) -> dict[str, int]:
    """Reason → how many tasks were rejected for it."""
    return {reason: count for (status, reason), count in report.reasons.items() if status == "rejected"}
