"""The offline model as a `Model`: the contract, all prompts on one text, hostile text, rates on the examples."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import orjson
import pytest
from offline_variables import VARIABLES
from places import CORPUS

from gristmill.errors import RequestRefused
from gristmill.models.contract import Model, Request, Sampling
from gristmill.models.offline import questions, reading
from gristmill.models.offline.judging import check
from gristmill.models.offline.model import Offline
from gristmill.models.offline.questions import answer_of, candidates
from gristmill.models.offline.reading import read
from gristmill.models.offline.rules import RULES
from gristmill.models.spec import OFFLINE
from gristmill.models.wire import decode
from gristmill.prompts.library import PromptLibrary
from gristmill.prompts.schemas import Answer, ExtractedGraph, Judgement, Proposal
from gristmill.storage.chunking import chunk
from gristmill.storage.documents import read_documents
from gristmill.storage.records import Document


def test_is_a_model() -> None:
    assert isinstance(Offline(), Model)
    assert Offline().name == "offline"


@pytest.mark.parametrize("name", OFFLINE)
@pytest.mark.parametrize("prompt", RULES)
async def test_answers_every_built_in_prompt_in_its_schema(prompt: str, name: str) -> None:
    template = PromptLibrary().get(prompt)
    schema = template.schema
    assert template.variables <= VARIABLES.keys()
    assert RULES[prompt][1] <= template.variables
    variables = {name: VARIABLES[name] for name in template.variables}
    request = Request(
        kind="completion" if template.is_text else "chat",
        messages=() if template.is_text else template.render(variables),
        text=template.render_text(variables) if template.is_text else "",
        schema=schema,
        prompt=prompt,
        variables=variables,
    )
    model = Offline(name)
    reply = await model.complete(request)
    assert schema is None or (issubclass(schema, Answer) and schema.model_validate_json(reply.text))
    assert reply.text.strip()
    assert (reply.model, reply.finish_reason, reply.usage.calls, reply.usage.usd) == (name, "stop", 1, 0.0)
    assert reply.usage.input_tokens > 5
    assert reply.usage.output_tokens > 0
    assert decode(request, reply.raw).text == reply.text
    assert (await model.complete(request)).text == reply.text
    await model.aclose()
    await model.aclose()


def test_every_prompt_that_a_recipe_asks_has_a_rule() -> None:
    """Of all built-in prompts only those have none that no recipe asks."""
    assert set(PromptLibrary().names) - RULES.keys() == {"judge-statement", "show-precedents", "state-fact"}


async def test_n_answers_are_drawn_apart() -> None:
    request = Request(prompt="propose-question", schema=Proposal, variables={**VARIABLES, "kind": "cloze"},
                      sampling=Sampling(n=12, seed=1))  # fmt: skip
    reply = await Offline().complete(request)
    assert len(reply.choices) == 12
    assert len({choice.text for choice in reply.choices}) > 1


async def test_refusals_name_what_is_known_and_the_mend() -> None:
    model = Offline()
    with pytest.raises(RequestRefused, match=r"no rule for prompt 'my-prompt'; bind a real.*docs/offline.md lists"):
        await model.complete(Request(prompt="my-prompt"))
    with pytest.raises(RequestRefused, match=r"\(did you mean 'judge-question-answer'\?\)"):
        await model.complete(Request(prompt="judge-question-answers"))
    with pytest.raises(RequestRefused, match=r"gave the offline model no kind, passage; .*bind a real model"):
        await model.complete(Request(prompt="propose-question"))
    with pytest.raises(RequestRefused, match=r"wants its answer as Judgement.*bind a real model"):
        await model.complete(Request(prompt="propose-question", schema=Judgement, variables=VARIABLES))
    with pytest.raises(RequestRefused, match="this question has none; bind a real model"):
        await model.complete(Request(kind="completion", text="Once upon"))
    with pytest.raises(RequestRefused, match="needs inputs"):
        await model.complete(Request(kind="embedding"))


async def test_embeddings_see_spelling() -> None:
    texts = ("The barrage holds water.", "The barrage held water!", "Quarterly revenue grew.")
    reply = await Offline().complete(Request(kind="embedding", inputs=texts))
    near, far = (sum(a * b for a, b in zip(reply.embeddings[0], other, strict=True)) for other in reply.embeddings[1:])
    assert [len(vector) for vector in reply.embeddings] == [512] * 3
    assert near > 0.6
    assert abs(far) < 0.3
    assert reply.usage.input_tokens > 0


async def ask(prompt: str, **variables: Any) -> dict[str, Any]:
    schema = PromptLibrary().get(prompt).schema
    given = {**VARIABLES, **variables}
    if prompt == "extract-graph" and "passages" not in variables:
        del given["passages"]
    reply = await Offline().complete(Request(prompt=prompt, variables=given, schema=schema))
    assert schema is not None
    parsed = schema.model_validate_json(reply.text)
    if isinstance(parsed, ExtractedGraph):  # on the wire its records are rows
        return {sort: [vars(one) for one in getattr(parsed, sort)] for sort in ("entities", "relations", "claims")}
    answer: dict[str, Any] = orjson.loads(reply.text)
    return answer


GRAPH_TEXT = """The La Rance Station is a tidal barrage in Brittany, France. It was designed by the engineer Robert
Gibrat. The European Marine Energy Centre (EMEC) is a test site in Orkney. EMEC was founded in 2003. Turbidity causes
light limitation in the water column. Light limitation is a lack of light for plants."""


async def test_extracts_known_entities_and_relations_with_verbatim_quotes() -> None:
    types = [{"name": name, "description": ""} for name in ("person", "place", "organization", "concept")]
    relation_types = [
        {"name": n, "description": ""} for n in ("is a", "located in", "causes", "created by", "related to")
    ]
    given = {"passage": GRAPH_TEXT, "entity_types": types, "relation_types": relation_types}
    graph = await ask("extract-graph", found=[], **given)
    found = {entity["name"]: entity["type"] for entity in graph["entities"]}
    assert found["Robert Gibrat"] == "person"
    assert found["Brittany"] == "place"
    assert found["European Marine Energy Centre"] == "organization"
    assert "EMEC" not in found
    assert any("(EMEC)" in e["description"] for e in graph["entities"] if e["name"].startswith("European"))
    triples = {(r["source"], r["type"], r["target"]) for r in graph["relations"]}
    assert ("La Rance Station", "located in", "Brittany") in triples
    assert ("La Rance Station", "created by", "Robert Gibrat") in triples
    assert ("turbidity", "causes", "light limitation") in triples
    assert all(one["quote"] in GRAPH_TEXT for one in [*graph["entities"], *graph["relations"]])
    named = set(found)
    assert all(r["source"] in named and r["target"] in named for r in graph["relations"])
    again = await ask("extract-graph", found=list(found), **given)
    assert not named & {entity["name"] for entity in again["entities"]}


async def test_types_are_the_users_own() -> None:
    graph = await ask(
        "extract-graph",
        passage=GRAPH_TEXT,
        found=[],
        relation_types=[{"name": "linked", "description": "any other"}],
        entity_types=[{"name": "Human", "description": "a person"}, {"name": "Thing", "description": "all else"}],
    )
    types = {entity["name"]: entity["type"] for entity in graph["entities"]}
    assert types["Robert Gibrat"] == "Human"
    assert set(types.values()) == {"Human", "Thing"}
    assert {relation["type"] for relation in graph["relations"]} == {"linked"}


async def test_a_summary_keeps_the_definition_and_the_limit_and_says_nothing_twice() -> None:
    said = [
        "Salt marsh stores carbon.",
        "A salt marsh is an area of plants that is flooded by the tide.",
        "A salt marsh is an area of plants flooded by the tide.",
        "Salt marsh weakens waves and protects walls.",
    ]
    short = (await ask("summarise-entity", name="salt marsh", descriptions=said, max_words=18))["summary"]
    assert short.startswith("A salt marsh is an area of plants that is flooded by the tide.")
    assert len(short.split()) <= 18
    full = (await ask("summarise-entity", name="salt marsh", descriptions=said, max_words=100))["summary"]
    assert full.count("flooded") == 1
    assert "stores carbon" in full
    assert "weakens waves" in full
    assert (await ask("summarise-entity", name="salt marsh", descriptions=said, max_words=3))["summary"]


SOURCES = [
    {
        "title": "Mudflats",
        "text": "A mudflat is a level area of mud that the tide covers. The dunlin is a small wading bird with a "
        "curved bill. Mudflats feed large flocks of birds in winter.",
    },
    {
        "title": "Dunlin",
        "text": "The dunlin feeds on every mudflat of the estuary at low water. The dunlin weighs 50 grams.",
    },
]
PAIR = [
    {"name": "dunlin", "type": "organism", "description": ""},
    {"name": "mudflat", "type": "place", "description": ""},
]


@pytest.mark.parametrize("form", ["article", "explanation", "comparison", "dialogue", "lesson", "report"])
async def test_a_passage_relates_its_entities_in_words_of_the_sources(form: str) -> None:
    given = {"passages": SOURCES, "entities": PAIR, "relations": [], "form": form}
    made = await ask("write-entity-passage", **given)
    assert "The dunlin feeds on every mudflat of the estuary at low water." in made["text"]
    assert "A mudflat is a level area of mud" in made["text"]
    assert 1 <= len(made["questions"]) <= 3
    whole = " ".join(source["text"] for source in SOURCES)
    assert made["evidence"]
    assert all(quote in whole for quote in made["evidence"])
    verdict = await ask("judge-entity-passage", **given, **made)
    assert verdict["decision"] == "accept", verdict
    assert {score["name"] for score in verdict["scores"]} == {"grounded", "relates", "fluent"}


PLANTED = [
    (
        "ungrounded",
        "The dunlin feeds on every mudflat of the estuary. Its lungs produce helium for airship pilots in Peru. "
        "Wizards breed seventeen dragons beside volcanic castles. The king of Norway collects antique violins there.",
    ),
    (
        "misses_entity",
        "The dunlin is a small wading bird with a curved bill. The dunlin weighs 50 grams. It is a bird that "
        "feeds at low water and is small, with a bill that is curved, in flocks in winter, and large flocks feed.",
    ),
    (
        "misses_entity",
        "A mudflat is a level area of mud that the tide covers, and it feeds large flocks of birds in winter. "
        "The dunlin is a small wading bird with a curved bill, and at low water the small bird with its bill feeds.",
    ),
    ("too_short", "The dunlin feeds on every mudflat of the estuary at low water."),
    (
        "duplicate",
        "The dunlin feeds on every mudflat of the estuary at low water. A mudflat is a level area of mud that the "
        "tide covers. The dunlin feeds on every mudflat of the estuary at low water. The dunlin weighs 50 grams.",
    ),
]


@pytest.mark.parametrize(("reason", "text"), PLANTED, ids=[f"{i}-{p[0]}" for i, p in enumerate(PLANTED)])
async def test_faults_planted_in_a_passage_are_found_and_mended(reason: str, text: str) -> None:
    given = {"passages": SOURCES, "entities": PAIR, "relations": [], "form": "article", "title": "", "evidence": []}
    verdict = await ask("judge-entity-passage", **given, text=text, questions=[])
    assert verdict["decision"] != "accept"
    assert reason in verdict["reasons"], verdict
    mended = await ask("revise-entity-passage", **given, text=text, questions=[], reasons=verdict["reasons"])
    after = await ask("judge-entity-passage", **{**given, **mended})
    assert after["decision"] == "accept", (mended, after)


async def solve(
    points: list[str], passages: list[dict[str, str]], sample: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    given = {"points": [{"name": p, "description": ""} for p in points], "path": points, "passages": passages}
    problem = await ask("write-problem", **given)
    solution = await ask("solve-problem", **given, problem=problem["problem"])
    for judge in ("relevance", "correctness", "difficulty"):
        verdict = await ask("judge-problem", **given, **problem, **solution, judge=judge)
        assert verdict["scores"][0]["name"] == judge
        assert verdict["decision"] == "accept", (judge, verdict, problem, solution)
    return problem, solution


async def test_two_figures_for_one_property_make_a_comparison() -> None:
    problem, solution = await solve(["Forth Bridge", "Tay Bridge"], VARIABLES["passages"])
    assert problem["problem"].startswith("Compare the Forth Bridge with the Tay Bridge by length in metres")
    assert solution["answer"] == "the Tay Bridge, by 819 metres"
    assert problem["needs"] == ["Forth Bridge", "Tay Bridge"]


async def test_a_chain_of_two_facts_hides_the_bridge() -> None:
    text = "Sihwa Station uses flood generation. Flood generation is a mode in which turbines run as the tide rises."
    problem, solution = await solve(["Sihwa Station", "flood generation"], [{"title": "", "text": text}])
    assert problem["problem"] == (
        "First find what is missing here: “Sihwa Station uses ____.” Then answer about it: What is it?"
    )
    assert solution["answer"] == "flood generation: a mode in which turbines run as the tide rises"


async def test_the_judges_look_at_different_things() -> None:
    given = {key: VARIABLES[key] for key in ("passages", "points", "path")}
    problem = (
        "Compare the Forth Bridge with the Tay Bridge by length in metres: which of the two has more, and by how much?"
    )
    quotes = ["The Forth Bridge has a length of 2,467 metres.", "The Tay Bridge has a length of 3,286 metres."]
    wrong = {"problem": problem, "reasoning": "", "answer": "the Tay Bridge, by 912 metres", "evidence": quotes}
    verdict = await ask("judge-problem", **given, **wrong, judge="correctness")
    assert (verdict["decision"], verdict["reasons"]) == ("reject", ["incorrect"])
    assert (await ask("judge-problem", **given, **wrong, judge="relevance"))["decision"] == "accept"
    easy = {**wrong, "answer": "the Tay Bridge", "evidence": quotes[:1]}
    assert "too_easy" in (await ask("judge-problem", **given, **easy, judge="difficulty"))["reasons"]
    lost = {**wrong, "problem": "How tall is the tower in London that stands on the square near the park?"}
    assert (
        "misses_entity"
        in (await ask("judge-problem", **given, **{**lost, "answer": "it"}, judge="relevance"))["reasons"]
    )
    apart = {**wrong, "problem": "Explain how the Forth Bridge and the Tay Bridge are connected.", "answer": quotes[0]}
    assert "unanswerable" in (await ask("judge-problem", **given, **apart, judge="correctness"))["reasons"]


HOSTILE = {
    "quotation marks": '"“' * 50_000,
    "brackets": "(" * 100_000,
    "stops": "a. " * 33_000,
    "commas": "a, " * 33_000,
    "capitals": "Alpha Beta " * 9_000,
    "series": "x, y and z, " * 8_300,
    "digits": "1" * 100_000,
    "figures": "1,234.5 " * 12_500,
    "acronyms": "(ABC) " * 16_600,
    "blanks": " " * 50_000 + "\n" * 50_000,
    "unlike facts": "".join(
        f"The Alpha{i} Station{i} is a barrage{i} on the River{i} and has {i} gates. " for i in range(1400)
    ),
    "list": "- Alpha is a beta.\n" * 5_500,
    "surrogate pairs": "é😀ß " * 25_000,
}


# Variables of prompts whose rules read 8,000 characters of each text.
TEXTS = (
    "instruction response source input output query raw description row genre audience agent tables style_description "
    "domain chosen label definition rationale plan so_far aim use_case reference_instruction reference_response "
    "instance_seed source_label topic"
)
LISTS = (
    "facts kinds members responses combination insights sample suggestions requirements columns changes negatives "
    "confusable skills"
)


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_text_of_100_kb_costs_less_than_a_second(name: str) -> None:
    text = HOSTILE[name]
    hostile = {
        **VARIABLES,
        **dict.fromkeys(TEXTS.split(), text[:10_000]),
        **dict.fromkeys(LISTS.split(), (text[:10_000], text[1:10_000])),
        "passage": text,
        "passages": [{"title": "", "text": text}],
        "text": text,
        "answer": text[:20_000],
        "question": text[:20_000],
        "problem": text[:20_000],
        "descriptions": [text],
        "evidence": [text[:1_000], text],
        "quote": text[:5_000],
        "reasoning": text,
        "texts": [text] * 3,
        "first": text,
        "second": text[1:],
        "entries": [
            {"name": text[:500], "type": text[:50], "evidence": [text, text]},
            {"name": text, "descriptions": [text]},
        ],
    }
    for prompt in RULES:
        reading.read.cache_clear()
        questions._of_passage.cache_clear()
        began = time.process_time()
        await Offline().complete(Request(prompt=prompt, variables=hostile))
        assert time.process_time() - began < 1.0, prompt


def test_the_cache_of_readings_is_bounded() -> None:
    for number in range(200):
        candidates(f"Thing{number} is a tool that works.")
    assert reading.read.cache_info().currsize <= 128
    assert questions._of_passage.cache_info().currsize <= 128


def test_rates_on_the_example_corpus() -> None:
    """Every chunk carries questions; the critic passes most of them and turns down answers that were exchanged.

    The critic's rules were tightened on exchanged answers of this corpus, so the rates are no held-out figures; the
    bounds lie below what was measured.
    """
    judged: Counter[tuple[str, bool]] = Counter()
    chunks = [one for found in read_documents([CORPUS]) if isinstance(found, Document) for one in chunk(found)]
    assert len(chunks) >= 10
    for one in chunks:
        text = one.text
        by_kind: dict[str, list[questions.Candidate]] = {}
        for made in candidates(text):
            if made.score > 0.3 and len(by_kind.setdefault(made.kind, [])) < 8:
                by_kind[made.kind].append(made)
        assert len(by_kind) >= 5, one.headings
        for kind, found in by_kind.items():
            for number, made in enumerate(found):
                item = answer_of(read(text), made)
                assert all(quote in text for quote in item.evidence)
                accepted = check(text, item.question, item.answer, item.evidence, kind).decision == "accept"
                judged["own", accepted] += 1
                other = found[(number + len(found) // 2) % len(found)]
                if kind not in {"true-false", "summary"} and not set(other.evidence) & set(made.evidence):
                    exchanged = check(text, item.question, other.answer, item.evidence, kind)
                    judged["exchanged", exchanged.decision == "accept"] += 1
    assert judged["own", True] / (judged["own", True] + judged["own", False]) > 0.9
    assert judged["exchanged", False] > 100
    assert judged["exchanged", True] / (judged["exchanged", True] + judged["exchanged", False]) < 0.05
