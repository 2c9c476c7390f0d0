"""The packed context: its budget, its sentences, its spans, and the recipes that show it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import CORPUS

from gristmill.agents.context.excerpts import GAP
from gristmill.agents.context.packing import Packed, Packing, pack
from gristmill.agents.extraction.extractor import extractor
from gristmill.agents.state import FlowContext
from gristmill.errors import ConfigError, FlowError
from gristmill.evals.duplicates.exact import ExactPool
from gristmill.evals.segments import segments
from gristmill.graphs.knowledge.build import build
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.planners.base import PlanView
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.models.contract import Reply, Request
from gristmill.models.factory import wrap
from gristmill.models.layers.meter import Meter
from gristmill.models.offline.model import Offline
from gristmill.models.scripted import Scripted
from gristmill.storage.chunking import chunk, count_tokens
from gristmill.storage.documents import read_documents
from gristmill.storage.records import Chunk, Document, Entity, Relation, Span, Task

NAMES = ("Ada", "Babbage", "the Rance", "eelgrass", "Zoë", "日本")
FILLERS = (
    "It rained.",
    "Nothing else is known of {} in that year, and no letter of the time says more.",
    "| {} | 12 |",
    "- {} came first",
    "Was {} there? Nobody knows.",
    "## On {}",
    "{}は川です。",
    "The harbour board wrote “{} stays” in its report of 1887 and in that of 1888.",
    "```\n{} = 1\n```",
)


@st.composite
def documents(draw: st.DrawFn) -> list[Chunk]:
    """Chunks of some documents, with sentences that repeat; some overlap."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        lines = draw(st.lists(st.tuples(st.sampled_from(FILLERS), st.sampled_from(NAMES)), min_size=1, max_size=24))
        joint = draw(st.sampled_from([" ", "\n", "\n\n"]))
        text = joint.join(line.format(name) for line, name in lines)
        size = draw(st.integers(20, 120))
        document = Document.of(f"{number}.md", text, sections=((0, 1, f"Part {number}"),))
        found += chunk(document, max_tokens=size, overlap=draw(st.integers(0, size // 2)))
    return draw(st.permutations(found))


def records_of(chunks: Sequence[Chunk]) -> tuple[list[Entity], list[Relation]]:
    """An entity for each name that the chunks have, with all mentions, and relations where two stand together."""
    mentions: dict[str, list[Span]] = {}
    stated: dict[tuple[str, str], list[Span]] = {}
    for one in chunks:
        for start, end in segments(one.text):
            inside = [name for name in NAMES if name in one.text[start:end]]
            for name in inside:
                at = one.text.index(name, start)
                mentions.setdefault(name, []).append(span(one, at, at + len(name)))
        for (start, _), (_, end) in pairwise(segments(one.text)):
            inside = [name for name in NAMES if name in one.text[start:end]]
            for pair in pairwise(inside):
                stated.setdefault(pair, []).append(span(one, start, end))
    described = "It is often mentioned.\nIt is a thing of some note in many of the documents at hand."
    entities = [
        Entity(id=f"e-{name}", name=name, type="thing", description=described, mentions=tuple(spans))
        for name, spans in mentions.items()
    ]
    relations = [
        Relation(
            id=f"r-{a}-{b}", source=f"e-{a}", target=f"e-{b}", type="near", description="Said so.", mentions=tuple(s)
        )
        for (a, b), s in stated.items()
    ]
    return entities, relations


def span(one: Chunk, start: int, end: int) -> Span:
    return Span(chunk=one.id, start=start, end=end, quote=one.text[start:end])


def measured(packed: Packed) -> int:
    """The tokens of what a prompt would hold, counted anew."""
    parts = [f"{one.title}\n\n{one.text}" if one.title else one.text for one in packed.excerpts]
    for one in packed.entities:
        parts.append(f"- {one['name']} ({one['type']})\n")
        parts += [f": {line}\n" for line in one["description"].splitlines()]
    return sum(count_tokens(part) for part in parts) + sum(count_tokens(f"{line}\n") for line in packed.relations)


@settings(max_examples=150, deadline=None)
@given(documents(), st.integers(60, 900))
def test_a_context_keeps_its_budget_and_shows_whole_sentences_of_its_chunks(chunks: list[Chunk], room: int) -> None:
    entities, relations = records_of(chunks)
    packed = pack(chunks, entities, relations, max_tokens=room)
    assert measured(packed) <= packed.tokens <= room
    by_id = {one.id: one for one in chunks}
    for excerpt in packed.excerpts:
        stored = by_id[excerpt.chunk.id]
        edges = segments(stored.text)
        starts, ends = {start for start, _ in edges} | {0}, {end for _, end in edges} | {len(stored.text)}
        assert excerpt.text == GAP.join(stored.text[start:end] for start, end in excerpt.spans)
        assert all(start in starts and end in ends for start, end in excerpt.spans)
    assert packed == pack(list(chunks), list(entities), list(relations), max_tokens=room)


@settings(max_examples=150, deadline=None)
@given(documents(), st.integers(60, 900), st.randoms(use_true_random=False))
def test_what_is_shown_is_found_in_its_chunk_and_nothing_else(
    chunks: list[Chunk], room: int, chance: random.Random
) -> None:
    entities, relations = records_of(chunks)
    packed = pack(chunks, entities, relations, max_tokens=room)
    texts = {one.id: one.text for one in chunks}
    for excerpt in packed.excerpts:
        for start, end in excerpt.spans:
            inside = [one for one in segments(excerpt.chunk.text) if start <= one[0] and one[1] <= end]
            low, high = chance.choice(inside)
            quote = excerpt.chunk.text[low:high]
            found = packed.locate(quote, ratio=None)
            if found is None:  # nothing but marks is left of it
                assert not any(character.isalnum() for character in quote)
                continue
            assert texts[found.chunk][found.start : found.end] == found.quote
            assert packed.shows(found)
    for one in chunks:
        for start, end in segments(one.text):
            found = packed.locate(one.text[start:end])
            assert found is None or packed.shows(found)


@settings(max_examples=150, deadline=None)
@given(documents(), st.integers(60, 900))
def test_nothing_long_is_shown_twice_and_nothing_is_told_without_a_sentence(chunks: list[Chunk], room: int) -> None:
    entities, relations = records_of(chunks)
    packed = pack(chunks, entities, relations, max_tokens=room)
    long = [
        " ".join(excerpt.chunk.text[start:end].split())
        for excerpt in packed.excerpts
        for low, high in excerpt.spans
        for start, end in segments(excerpt.chunk.text)
        if low <= start and end <= high and end - start >= 60
    ]
    assert len(long) == len(set(long))
    everything = "\n".join(packed.texts)
    for entity, line in zip(entities, packed.entities, strict=True):
        assert (entity.id in packed.evidenced) == (entity.name in everything)
        assert entity.id in packed.evidenced or not line["description"]
    for line in packed.relations:
        quote = line.partition(' ["')[2].removesuffix('"]')
        assert not quote or packed.locate(quote, ratio=None) is not None


@settings(max_examples=60, deadline=None)
@given(documents())
def test_with_room_for_all_chunks_stand_as_they_are(chunks: list[Chunk]) -> None:
    entities, relations = records_of(chunks)
    packed = pack(chunks, entities, relations, max_tokens=50_000)
    assert packed.evidenced == {one.id for one in (*entities, *relations)}
    first = packed.excerpts[0]
    own = [" ".join(first.chunk.text[a:b].split()) for a, b in segments(first.chunk.text)]
    if len(own) == len(set(own)):
        assert first.text == first.chunk.text
    assert all(packed.shows(span(one, *place)) or repeated(one, place, chunks) for one in chunks
               for place in segments(one.text))  # fmt: skip


def repeated(one: Chunk, place: tuple[int, int], chunks: Sequence[Chunk]) -> bool:
    """Whether its words stand in another place too, as a sentence or within a longer one."""
    text = " ".join(one.text[slice(*place)].split())
    return sum(" ".join(other.text.split()).count(text) for other in chunks) > 1


LONG = "Wheel {} turned day and night for the mill at the mouth of the river, as the tide came and went."


def corpus(count: int) -> list[Chunk]:
    """Chunks of one document each; number i names entity i once, in the middle of other sentences."""
    return [
        Chunk.of(f"doc-{number}", 0, 0, len(text), text, headings=("Mills", f"No {number}"))
        for number in range(count)
        for long in [LONG.format(number)]
        for text in [f"It is wheel {number}. {long} The mill of E{number} had wheel W{number}. Later, {long}"]
    ]


def entity_in(chunks: Sequence[Chunk], name: str, description: str = "") -> Entity:
    spans = [span(one, at, at + len(name)) for one in chunks if (at := one.text.find(name)) >= 0]
    return Entity(id=f"entity-{name}", name=name, type="mill", description=description, mentions=tuple(spans))


def test_of_more_chunks_than_fit_each_shows_its_evidence_and_the_first_stands_whole() -> None:
    chunks = corpus(6)
    entities = [entity_in(chunks, f"E{number}") for number in range(6)]
    packed = pack(chunks, entities, max_tokens=260)
    assert packed.evidenced == {entity.id for entity in entities}
    assert packed.excerpts[0].text == chunks[0].text
    assert packed.excerpts[0].title == "Mills > No 0"
    assert packed.excerpts[5].text == "The mill of E5 had wheel W5."
    assert [one.chunk.id for one in packed.excerpts] == [one.id for one in chunks]


def test_a_whole_chunk_is_the_same_text_for_every_group() -> None:
    chunks = corpus(6)
    shown = [
        pack([chunks[0], chunks[number]], [entity_in(chunks, "E0"), entity_in(chunks, f"E{number}")], max_tokens=140)
        for number in range(1, 6)
    ]
    assert {one.excerpts[0].text for one in shown} == {chunks[0].text}
    assert len({one.excerpts[1].text for one in shown}) == 5


def test_overlapping_chunks_show_their_overlap_once_and_a_quote_across_the_seam_is_found() -> None:
    text = "The first wheel was old. The second wheel turned. The third wheel stood still."
    seam = text.index("The third")
    left = Chunk.of("doc", 0, 0, seam - 1, text[: seam - 1])
    start = text.index("The second")
    right = Chunk.of("doc", 1, start, len(text), text[start:])
    packed = pack([left, right])
    assert [one.text for one in packed.excerpts] == [left.text, "The third wheel stood still."]
    found = packed.locate("The second wheel turned. The third wheel stood still.")
    assert found == span(right, 0, len(right.text))


def test_an_equal_sentence_is_shown_once_and_serves_both_chunks() -> None:
    shared = "The mill of Carew has stood on the same dam since the year 1801."
    one = Chunk.of("a", 0, 0, 90, f"{shared} It is dry.")
    two = Chunk.of("b", 0, 0, 90, f"It is wet. {shared}")
    packed = pack([one, two], [entity_in([two], "Carew")])
    assert [excerpt.text for excerpt in packed.excerpts] == [one.text, "It is wet."]
    assert packed.evidenced == {"entity-Carew"}


def test_a_description_is_not_told_when_no_sentence_is_shown_for_it() -> None:
    chunks = corpus(2)
    elsewhere = Entity(id="e", name="Eling", type="mill", description="A mill in Hampshire.")
    packed = pack(chunks, [entity_in(chunks, "E0", "A mill."), elsewhere])
    assert [one["description"] for one in packed.entities] == ["A mill.", ""]


def test_a_relation_tells_the_sentence_that_states_it_unless_nobody_found_one() -> None:
    chunks = corpus(1)
    entities = [entity_in(chunks, "E0"), entity_in(chunks, "W0")]
    at = chunks[0].text.index("The mill")
    said = span(chunks[0], at, at + len("The mill of E0 had wheel W0."))
    ends = {"source": "entity-E0", "target": "entity-W0", "mentions": (said,), "description": "E0 has W0."}
    stated = Relation(id="r", type="has", **ends)
    guessed = Relation(id="s", type="uses", grounded=False, **ends)
    packed = pack(chunks, entities, [stated, guessed])
    assert packed.relations == (
        'E0 - has - W0: E0 has W0. ["The mill of E0 had wheel W0."]',
        "E0 - uses - W0: E0 has W0.",
    )


def test_a_quote_from_what_is_not_shown_is_not_found_though_the_chunk_has_it() -> None:
    chunks = corpus(3)
    entities = [entity_in(chunks, f"E{number}") for number in range(3)]
    packed = pack(chunks, entities, max_tokens=90)
    quote = "The mill of E2 had wheel W2."
    at = chunks[2].text.index(quote)
    assert packed.locate(quote) == span(chunks[2], at, at + len(quote))
    assert packed.locate(LONG.format(2)) is None
    assert LONG.format(2) in chunks[2].text


def test_budgets_that_cannot_work_name_the_mend() -> None:
    chunks = corpus(1)
    with pytest.raises(ConfigError, match="max_tokens is 0"):
        pack(chunks, max_tokens=0)
    names = [Entity(id=f"e{number}", name=f"Entity number {number}", type="thing") for number in range(50)]
    with pytest.raises(FlowError, match=r"names of 50 entities take .* raise context_tokens"):
        pack(chunks, names, max_tokens=100)
    with pytest.raises(ConfigError, match="no variable 'form'"):
        Packing().given("form")


def test_a_state_without_records_packs_to_nothing() -> None:
    packed = Packing(100)({})
    assert packed.excerpts == () == packed.relations
    assert packed.tokens == 0


class Listening:
    """The offline model, and what it was asked."""

    def __init__(self) -> None:
        self._model = wrap(Offline(), calls=None, budget=None, meter=Meter())
        self.name = self._model.name
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        return await self._model.complete(request)

    async def aclose(self) -> None:
        await self._model.aclose()


@pytest.fixture(scope="module")
def built() -> tuple[list[Chunk], KnowledgeGraph]:
    """The example corpus in long chunks, with the graph that the offline model finds in it."""
    documents = [one for one in read_documents([CORPUS]) if isinstance(one, Document)]
    chunks = [one for document in documents for one in chunk(document, max_tokens=400)]
    context = FlowContext(models={"default": Listening()})
    return chunks, asyncio.run(build(chunks, extractor(), context)).graph


@pytest.mark.parametrize("name", ["entigraph", "graph-reasoning"])
@pytest.mark.parametrize("room", [150, 400])
async def test_recipes_keep_their_prompts_within_the_budget(
    name: str, room: int, built: tuple[list[Chunk], KnowledgeGraph]
) -> None:
    chunks, graph = built
    by_id, found = {one.id: one for one in chunks}, recipe(name)
    shares = {"community": 1, "bfs": 1, "hop1": 0, "hop2": 1, "hop3": 0} if name == "graph-reasoning" else {
        "community": 1, "bfs": 1, "distant": 1}  # fmt: skip
    options = found.options.model_validate({"context_tokens": room, "max_chunks": 1, "shares": shares})
    tasks = found.planner(PlanView(chunks, graph), 12, random.Random(3), options)
    assert any(len(task.chunks) > 1 for task in tasks), "more chunks than max_chunks, whose sentences fit"
    assert found.flow is not None
    flow = found.flow(options).compile()
    found_quotes = 0
    for task in tasks:
        model = Listening()
        state = {
            "task": task,
            "chunks": [by_id[id] for id in task.chunks],
            "entities": [graph.entities[id] for id in task.entities],
            "relations": [graph.relations[id] for id in task.relations],
        }
        end = await flow.ainvoke(state, context=FlowContext(models={"default": model}, pool=ExactPool()))
        packed = Packing(room)(state)
        assert packed.evidenced.issuperset(task.entities)
        assert model.requests
        for request in model.requests:
            shown = request.variables["passages"]
            assert shown == [{"title": one.title, "text": one.text} for one in packed.excerpts]
            text = "\n".join(message.content for message in request.messages)
            assert all(one.text in text for one in packed.excerpts)
            assert sum(count_tokens(one["text"]) for one in shown) <= room
        for verdict in end["verdicts"]:
            assert verdict.by != "grounding" or "ungrounded" not in verdict.reasons, verdict.text
            if verdict.by == "grounding":
                found_quotes += len(verdict.evidence)
                assert all(by_id[one.chunk].text[one.start : one.end] == one.quote for one in verdict.evidence)
                assert all(packed.shows(one) for one in verdict.evidence)
    assert found_quotes > 10


async def test_a_quote_that_was_not_shown_is_ungrounded_though_its_chunk_has_it() -> None:
    chunks = corpus(3)
    entities = [entity_in(chunks, f"E{number}") for number in range(3)]
    found = recipe("entigraph")
    text = "Mills with wheels stand by the river and turn as the tide comes and goes, day and night. " * 4
    hidden, shown = LONG.format(2), "The mill of E2 had wheel W2."
    task = Task.of("triple", chunks=tuple(one.id for one in chunks), attributes={"form": "lesson"})
    state = {"task": task, "chunks": chunks, "entities": entities, "relations": []}
    reasons = {}
    assert found.flow is not None
    for room in (120, 4000):
        for quote in (hidden, shown):
            answer = {"title": "Mills", "text": text, "questions": [], "evidence": [quote]}
            model = Scripted({"write-entity-passage": answer, "judge-entity-passage": {"decision": "accept"}})
            options = found.options.model_validate({"context_tokens": room, "max_rounds": 0})
            context = FlowContext(models={"default": model}, pool=ExactPool())
            end = await found.flow(options).compile().ainvoke(state, context=context)
            reasons[room, quote] = end["reasons"]
    assert reasons == {(120, hidden): ("ungrounded", "no_evidence"), (120, shown): (), (4000, hidden): (),
                       (4000, shown): ()}  # fmt: skip
