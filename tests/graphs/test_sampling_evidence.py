"""Which chunks show a draw: few, and the same for the same group."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest
from drawing import drawn, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import GRAPHS, span

from gristmill.graphs.knowledge import links
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.knowledge.texts import ERRORS, Texts
from gristmill.graphs.sampling.draws import Draw
from gristmill.graphs.sampling.evidence import LOOKED_AT, MASK, ODD, evidence
from gristmill.graphs.sampling.numbered import Numbered, numbered
from gristmill.graphs.sampling.sources import Sources
from gristmill.storage.records import Chunk, Entity, Relation


def test_evidence_is_few_chunks_and_the_same_for_the_same_group() -> None:
    def mention(*chunks: str):
        return tuple(map(span, chunks))

    entities = [
        Entity(id="a", name="a", type="t", mentions=mention("c1", "c2", "c3", "c4")),
        Entity(id="b", name="b", type="t", mentions=mention("c3", "c4", "c5")),
        Entity(id="none", name="none", type="t"),
    ]
    graph = KnowledgeGraph(entities, [Relation(id="r", source="a", target="b", type="t", mentions=mention("c4"))])
    (pair,) = drawn("pair", graph)
    assert pair.chunks == ("c4",)  # mentions both, and states their relation
    shown = {draw.entities: draw for seed in range(5) for draw in drawn("entity", graph, seed)}
    assert shown["none",].chunks == ()
    assert {shown["a",].evidence(seed) for seed in range(40)} == {("c1",), ("c2",), ("c3",), ("c4",)}
    assert shown["a",].evidence(7) == shown["a",].evidence(7)
    assert shown["a",].evidence() == shown["a",].chunks
    grown = KnowledgeGraph([*entities, Entity(id="aa", name="aa", type="t", mentions=mention("c0"))], [])
    again = {draw.entities: draw.chunks for draw in drawn("entity", grown)}
    assert again["a",] == shown["a",].chunks, "what came in elsewhere changes nothing here"


def test_the_evidence_of_hubs_is_few_chunks_too() -> None:
    """A hub that thousands of chunks mention still shares the chunk that states its relation, or any other."""
    chunks = [f"c{number:04}" for number in range(3000)]
    hubs = [Entity(id=f"h{one}", name="h", type="t", mentions=tuple(map(span, chunks))) for one in range(2)]
    leaf = Entity(id="leaf", name="l", type="t", mentions=(span("c2999"),))
    graph = KnowledgeGraph(
        [*hubs, leaf], [Relation(id="r", source="h0", target="leaf", type="t", mentions=(span("c2999"),))]
    )
    (pair,) = drawn("pair", graph)
    assert pair.chunks == ("c2999",)
    assert len(Draw(next(iter(opened("entity", graph))).graph, "x", (0, 1)).chunks) == 1


def test_tokens_and_documents_are_read_off_chunks() -> None:
    sources = Sources.of([Chunk.of("d", 0, 0, 40, "x" * 40), Chunk.of("d", 1, 40, 44, "word", tokens=3)])
    assert sorted(sources.tokens.values()) == [3, 10]
    assert set(sources.documents.values()) == {"d"}


def plainly(graph: Numbered, entities: list[int], relations: list[int], salt: int) -> tuple[int, ...]:
    """The same choice by looking at every candidate for every step."""
    stated = Counter(chunk for one in relations for chunk in list(graph.stated[one])[:LOOKED_AT])
    windows = []
    for entity in entities:
        row = list(graph.chunks[entity])
        start = salt % (len(row) - LOOKED_AT + 1) if len(row) > LOOKED_AT else 0
        windows.append(row[start : start + LOOKED_AT])
    candidates = {chunk for row in windows for chunk in row} | set(stated)
    shows = {chunk: {one for one in entities if chunk in list(graph.chunks[one])} for chunk in candidates}
    hashes = graph.chunk_hashes

    def rank(chunk: int) -> tuple[int, ...]:
        return -stated[chunk], ((hashes[chunk] ^ salt) * ODD) & MASK, chunk

    left = {one for one in entities if len(graph.chunks[one])}
    chosen = []
    while True:
        best = min(candidates, key=lambda chunk: (-len(shows[chunk] & left), rank(chunk)), default=None)
        if best is None or len(shows[best] & left) < 2:
            break
        chosen.append(best)
        left -= shows[best]
    for place, entity in enumerate(entities):
        if entity in left:
            own = [chunk for chunk in stated if entity in shows[chunk]] or windows[place]
            chosen.append(min(own, key=rank))
            left -= shows[chosen[-1]]
    return tuple(chosen)


@settings(max_examples=300, deadline=None)
@given(graph=GRAPHS, salt=st.integers(0, MASK), data=st.data())
def test_evidence_is_what_a_plain_search_chooses(graph: KnowledgeGraph, salt: int, data: st.DataObject) -> None:
    numbers = numbered(graph)
    entities = sorted(data.draw(st.sets(st.integers(0, len(graph.ids) - 1), min_size=1)))
    relations = numbers.relations_among(entities)
    assert [graph.relation_ids[one] for one in relations] == list(
        graph.relations_among([graph.ids[one] for one in entities])
    )
    assert evidence(numbers, entities, relations, salt) == plainly(numbers, entities, relations, salt)


def test_the_evidence_of_hubs_is_what_a_plain_search_chooses() -> None:
    rng = random.Random(4)
    chunks = [f"c{number:03}" for number in range(400)]
    sizes = (300, 200, 90, 65, 64, 12, 3, 1)
    entities = [
        Entity(id=f"e{number}", name="e", type="t", mentions=tuple(map(span, sorted(rng.sample(chunks, size)))))
        for number, size in enumerate(sizes)
    ]
    relations = [
        Relation(
            id=f"r{one}{other}", source=f"e{one}", target=f"e{other}", type="t",
            mentions=tuple(map(span, sorted(rng.sample(chunks, 1 + 70 * (one == 0))))),
        )
        for one, other in combinations(range(len(sizes)), 2)
    ]  # fmt: skip
    graph = KnowledgeGraph(entities, relations)
    numbers = numbered(graph)
    for _ in range(300):
        some = sorted(rng.sample(range(len(sizes)), rng.randint(1, 5)))
        among = rng.sample(found := numbers.relations_among(some), min(len(found), 2))
        salt = rng.getrandbits(32)
        assert evidence(numbers, some, among, salt) == plainly(numbers, some, among, salt)


@pytest.mark.parametrize("has_numpy", [True, False])
@pytest.mark.parametrize(
    "texts", [(), ("",), ("", ""), ("ab", "cd", "ef"), ("ab", "c"), ("é", "ab"), ("\ud800", "abc")]
)
def test_texts_of_one_width_are_taken_as_others_are(
    texts: tuple[str, ...], has_numpy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "HAS_NUMPY", has_numpy)
    packed = Texts.of(texts)
    numbers = [*range(len(texts)), *reversed(range(len(texts)))]
    assert packed.take(numbers) == tuple(texts[one] for one in numbers)
    assert packed.joined(numbers, b"|") == "|".join(texts[one] for one in numbers).encode("utf-8", ERRORS)
