"""The cases of the recipes over a passage or the knowledge graph, and of `rows`, whose flow is the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipes_documents import TRIPLES, retold
from seed_recipes import Case, accepting, mark, playing
from write_and_judge import PROMPTS, flow, judged

from gristmill import Request

FACTS = (*TRIPLES, ("Eider", "feeds on", "Mussels"), ("Clover", "grows in", "Canada"))


def facts(folder: Path) -> dict[str, Any]:
    """Documents of two facts each, of which the graph is extracted by a model that reads exactly these facts."""
    path = folder / "documents"
    path.mkdir(exist_ok=True)
    for number in range(0, len(FACTS), 2):
        text = " ".join(f"{' '.join(fact)}." for fact in FACTS[number : number + 2])
        (path / f"{number}.md").write_text(f"# Notes {number}\n\n{text}\n")
    return {"documents": [path], "graph": {"resolution": {"use_model": False}}}


def extracted(request: Request) -> dict[str, Any]:
    stated = [fact for fact in FACTS if " ".join(fact) in request.variables["passage"]]
    names = dict.fromkeys(name for subject, _, thing in stated for name in (subject, thing))
    return {
        "entities": [] if request.variables["found"] else [[name, "concept", f"{name} as it is"] for name in names],
        "relations": []
        if request.variables["found"]
        else [[a, b, "related to", f"{a} {verb} {b}."] for a, verb, b in stated],
        "claims": [],
    }


def _sentences(request: Request) -> list[str]:
    texts = [passage["text"] for passage in request.variables["passages"]]
    return [f"{one.strip()}." for text in texts for one in text.split("\n")[-1].split(".") if one.strip()]


def _related(request: Request) -> dict[str, Any]:
    names = " and ".join(entity["name"] for entity in request.variables["entities"])
    question = {"question": f"How do {names} belong together?", "answer": "As it is told."}
    text = f"On {names}. {retold(' '.join(_sentences(request)), mark(request))} {names} belong together as told here."
    return {"title": names, "text": text, "questions": [question], "evidence": _sentences(request)}


def _at_length(request: Request) -> dict[str, Any]:
    written = _related(request)
    return {**written, "text": f"{written['text']} {retold(written['text'], 'too')}"}


def _problem(request: Request) -> dict[str, Any]:
    names = [point["name"] for point in request.variables["points"]]
    return {"problem": f"What joins {', '.join(names)} in the case of {mark(request)}?", "needs": names}


def _solved(request: Request) -> dict[str, Any]:
    return {"reasoning": "By what is stated.", "answer": f"It is {mark(request)}.", "evidence": _sentences(request)[:1]}


def _proposed(request: Request) -> dict[str, Any]:
    return {
        "suitable": request.variables["kind"] != "cause",
        "topic": "the notes",
        "quote": "",
        "angle": "what it says",
    }


def _asked(request: Request) -> dict[str, Any]:
    quote = request.variables["passage"].split("\n")[-1].split(".")[0]
    return {"question": f"What of {quote} ({request.variables['kind']})?", "answer": quote, "evidence": [quote]}


def _mended(request: Request) -> dict[str, Any]:
    question = f"{request.variables['question']} {request.variables['suggestions'][0]}"
    return {"question": question, "answer": request.variables["answer"], "evidence": request.variables["evidence"]}


def _strict(request: Request) -> dict[str, Any]:
    """Sends each first draft of a definition back once."""
    plain = request.variables["kind"] == "definition" and "plainly" not in request.variables["question"]
    return judged("revise", "unclear") if plain else accepting(grounded=1.0, answerable=1.0, nontrivial=0.8, clear=1.0)


ANSWERS: dict[str, dict[str, Any]] = {
    "grounded-qa": {
        "propose-question": _proposed,
        "write-question-answer": _asked,
        "judge-question-answer": _strict,
        "suggest-edits": {"suggestions": ["Ask it plainly."]},
        "edit-question-answer": _mended,
    },
    "entigraph": {
        "extract-graph": extracted,
        "write-entity-passage": _related,  # too short for some groups
        "revise-entity-passage": _at_length,
        "judge-entity-passage": accepting(grounded=1.0, relates=1.0, fluent=1.0),
    },
    "graph-reasoning": {
        "extract-graph": extracted,
        "write-problem": _problem,
        "solve-problem": _solved,
        "judge-problem": accepting(relevance=1.0, correctness=1.0, difficulty=1.0),
    },
    "rows": {"row-write": lambda request: f"Ask of {mark(request)}.", "row-judge": judged()},
}
CASES = {
    "grounded-qa": Case(
        "grounded-qa",
        playing(ANSWERS["grounded-qa"]),
        options={"kinds": ["fact", "definition", "cause"]},
        sources=facts,
        accepts=8,
    ),
    "entigraph": Case(
        "entigraph", playing(ANSWERS["entigraph"]), options={"shares": {"pair": 2, "triple": 1}}, sources=facts
    ),
    "graph-reasoning": Case(
        "graph-reasoning",
        playing(ANSWERS["graph-reasoning"]),
        options={"shares": {"hop1": 1, "hop2": 1, "hop3": 0, "community": 0}},
        sources=facts,
    ),
    "rows": Case(
        "rows",
        playing(ANSWERS["rows"]),
        rows=[{"text": f"Row {number}: the valve opens at {number + 20} degrees."} for number in range(6)],
        more={"flow": flow, "prompts": [str(PROMPTS)]},
        accepts=6,
    ),
}
