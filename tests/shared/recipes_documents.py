"""The cases of the recipes that start from documents: sources, options, and answers that play their roles.

The answers are functions of the request alone, so a campaign that was stopped and goes on is told the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seed_recipes import Case, playing

from gristmill import Request

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
TRIPLES = (
    ("Brent goose", "feeds on", "Eelgrass"),
    ("Grey goose", "feeds on", "Clover"),
    ("Eelgrass", "grows in", "Bay of Fundy"),
    ("Bay of Fundy", "lies in", "Canada"),
    ("Eider", "nests at", "Bay of Fundy"),
    ("Snow goose", "winters in", "Canada"),
)
SCORES = ("consistent", "style", "fluent", "answered", "natural", "contrast", "correct")
ACCEPT = {"decision": "accept", "scores": [{"name": name, "value": 0.9} for name in SCORES]}


def retold(text: str, by: str) -> str:
    """`text` with all its words and no run of them, told otherwise for each `by`."""
    return " ".join(f"{word} {by}" for word in text.split())


def documents(folder: Path) -> dict[str, Any]:
    path = folder / "documents"
    path.mkdir(exist_ok=True)
    for number, (topic, text) in enumerate(TOPICS):
        (path / f"{number}-{topic}.md").write_text(f"# {topic.title()} {number}\n\n{text}\n")
    return {"documents": [path]}


def _rephrased(request: Request) -> dict[str, Any]:
    return {"text": retold(request.variables["passage"], request.variables["style_description"].split()[0])}


def _audiences(request: Request) -> dict[str, Any]:
    genres = ("a letter.", "a manual.", "A  letter.", "a ballad.")  # one twice: three that differ
    return {"pairs": [{"genre": genre, "audience": "a child."} for genre in genres]}


def _for_audience(request: Request) -> dict[str, Any]:
    return {"text": retold(request.variables["passage"], request.variables["genre"].split()[1])}


def seed_graph(folder: Path) -> dict[str, Any]:
    path = folder / "triples.csv"
    path.write_text("subject,predicate,object\n" + "".join(",".join(triple) + "\n" for triple in TRIPLES))
    return {"graph": {"seed": str(path)}}


def _asked(request: Request) -> dict[str, Any]:
    first = _asked_of(request)
    return {"summary": first, "query": f"what about {first} {request.variables['language']}"}


def _query(request: Request) -> dict[str, Any]:
    return {"query": f"what about {_asked_of(request)}"}


def _asked_of(request: Request) -> str:
    return str(request.variables["passage"]).split("\n\n")[-1].split(".")[0]


def _stated(request: Request) -> dict[str, Any]:
    """A text that is its facts, so that they can be read back without any model."""
    return {"text": "It is said: " + "; ".join(request.variables["facts"]) + "."}


def read_back(request: Request) -> dict[str, Any]:
    facts = request.variables["text"].removeprefix("It is said: ").removesuffix(".").split("; ")
    return {"triples": [dict(zip(("subject", "relation", "object"), fact.split(" - "), strict=True)) for fact in facts]}


def _tasks(request: Request) -> dict[str, Any]:
    return {"tasks": [f"Given {noun}, find its page." for noun in ("a valve", "a goose", "a loaf")]}


def _triple(request: Request) -> dict[str, Any]:
    drawn = [str(request.variables[name]) for name in ("chosen", "query_type", "query_length", "length", "clarity")]
    about = f"{' '.join(drawn)} {request.task[-6:]}"
    return {"query": f"seek {about}", "positive": f"found {about}", "negatives": [f"near {about}"]}


def _facets(request: Request) -> dict[str, Any]:
    asked = ("Count the figures.", "Name the subject.", "count the  figures.", "Shorten it to a line.")
    return {"facets": [{"facet": one.split()[-1].lower(), "instruction": one} for one in asked]}


def _matched(request: Request) -> dict[str, Any]:
    return {"suitable": "goose" in request.variables["passage"] or "subject" in request.variables["instruction"]}


def _carried_out(request: Request) -> dict[str, Any]:
    return {"output": f"{request.variables['instruction']} done for {_asked_of(request)}"}


def _sample(request: Request) -> dict[str, Any]:
    first = _asked_of(request)
    if "bread" in first.lower():
        return {"suitable": False}
    return {"instruction": f"Say what is stated. {first}", "output": f"It is stated: {first}"}


def _harder(request: Request) -> dict[str, Any]:
    return {"instruction": f"{request.variables['instruction']} ({request.variables['suggestions'][0]})"}


SHOTS = [
    {"instruction": "At which heat does the steel valve open?", "output": "The valve opens at 80 degrees."},
    {"instruction": "How often do fitters oil it?", "output": "Fitters oil the valve every 6 weeks."},
    {"instruction": "Where does the goose rest in October?", "output": "About 900 geese rest in the bay."},
]
ANSWERS: dict[str, dict[str, Any]] = {
    "wrap": {"rephrase-passage": _rephrased, "judge-rewriting": ACCEPT},
    "maga": {"propose-audiences": _audiences, "rewrite-for-audience": _for_audience, "judge-rewriting": ACCEPT},
    "swim-ir": {"summarise-then-ask": _asked, "judge-query": ACCEPT},
    "duqgen": {"write-query": _query, "judge-query": ACCEPT},
    "synth-ie": {"state-triples": _stated, "read-triples": read_back},
    "e5": {"brainstorm-retrieval-tasks": _tasks, "write-retrieval-triple": _triple, "judge-query": ACCEPT},
    "muffin": {
        "name-facets": _facets,
        "match-instruction": _matched,
        "carry-out-instruction": _carried_out,
        "judge-instruction": ACCEPT,
    },
    "craft": {"write-from-shots": _sample, "judge-instruction": ACCEPT},
    "agent-instruct": {
        "transform-text": lambda request: {"text": f"As {request.variables['form']}: {_asked_of(request)}"},
        "write-instruction": lambda request: {"instruction": retold(request.variables["agent"], request.task[-6:])},
        "suggest-harder": {"suggestions": ["harder", "trickier"]},
        "edit-instruction": _harder,
        "answer-instruction": lambda request: {"output": f"Done: {request.variables['instruction']}"},
        "judge-instruction": ACCEPT,
    },
}


def _case(recipe: str, accepts: int, sources: Any = documents, **options: Any) -> Case:
    return Case(recipe, playing(ANSWERS[recipe]), options=options, sources=sources, accepts=accepts)


E5 = {"lists": 2, "tasks": 3, "families": ["short-long", "long-short"], "judge": True}
CASES = {
    "wrap": _case("wrap", 16, styles=["easy", "hard"]),
    "maga": _case("maga", 24),
    "swim-ir": _case("swim-ir", 16, languages=["en", "sw"]),
    "duqgen": _case("duqgen", 6, samples=6, clusters=3, least_characters=20, negatives=2, pool=4),
    "synth-ie": _case("synth-ie", 12, seed_graph),
    "e5": _case("e5", 12, None, **E5),
    "muffin": _case("muffin", 8 * 3 + 3, instructions=["Translate it to Latin."], facets=4),
    "craft": _case("craft", 6, shots=SHOTS, least_characters=20, shown=2),
    "agent-instruct": _case("agent-instruct", 16, skills=["reading-comprehension", "creative-writing"]),
}
