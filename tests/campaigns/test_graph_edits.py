"""A person edits a run's graph: what is written equals a graph made anew, and every id leads to an entity of today."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gristmill.agents.extraction.records import Extraction, FoundEntity, FoundRelation
from gristmill.campaigns.editing.applying import Desk
from gristmill.campaigns.editing.asking import Pen, merge, require_chunks, split_name, split_places, undo
from gristmill.campaigns.editing.finding import chosen
from gristmill.campaigns.editing.listing import decisions_of
from gristmill.campaigns.knowledge.merging import Material
from gristmill.campaigns.knowledge.regraph import change_to
from gristmill.campaigns.planning.planning import Plan
from gristmill.campaigns.spec import GraphSpec
from gristmill.errors import ConfigError
from gristmill.graphs.resolution.references import reference_id
from gristmill.storage.changed import changed_of, told
from gristmill.storage.identities import Identities
from gristmill.storage.records import Chunk, Document, Item, Span, Status, Task, content_id
from gristmill.storage.rulings import Ruled, Ruling, Rulings
from gristmill.storage.store import RunStore
from gristmill.storage.versions import Heirs

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
NAMES = ["Kelling Mill", "Kelling windmill", "Holt", "James Stannard", "Jim Stannard", "NATO", "John Smith", "Cley",
         "North Atlantic Treaty Organization", "Sheringham", "Sherringham"]  # fmt: skip


def extraction(chunk: str, names: Sequence[str], kinds: Sequence[str] | None = None) -> Extraction:
    """What a chunk gave: its names, each related to the next."""
    kinds = kinds or ["concept"] * len(names)

    def span(number: int) -> tuple[Span, ...]:
        return (Span(chunk=chunk, start=number, end=number + 1, quote=f"{number}"),)

    return Extraction(
        chunk=chunk,
        entities=tuple(
            FoundEntity(name=name, type=kind, descriptions=(f"{name} is in {chunk[:12]}.",), mentions=span(number))
            for number, (name, kind) in enumerate(zip(names, kinds, strict=True))
        ),
        relations=tuple(
            FoundRelation(source=left, target=right, type="related to", mentions=span(50 + number))
            for number, (left, right) in enumerate(itertools.pairwise(names))
        ),
    )


async def made_run(folder: Path, given: Sequence[Sequence[str]], kinds: Sequence[Sequence[str]] = ()) -> RunStore:
    """A run whose Nth document, of one chunk, has the Nth names; its graph is made as a campaign makes it."""
    store = RunStore.open(folder / "run")
    await store.set_mark("campaign", {"name": "run", "graph": GraphSpec().model_dump(mode="json")})
    for number, names in enumerate(given):
        document = Document.of(f"{number}.txt", f"text {number}")
        chunk = Chunk.of(document.id, 0, 0, len(document.text), document.text)
        await store.add_documents([(document, [chunk])])
        found = extraction(chunk.id, names, kinds[number] if kinds else None)
        await store.add_extraction(chunk.id, found.model_dump_json())
    made = Material(GraphSpec(), store).made([])
    await store.write(*change_to(store, made, made.graph, {"failed": {}}, causes=["refresh:0"]).statements)
    return store


def anew(store: RunStore) -> tuple[list[Any], list[Any]]:
    graph = Material(GraphSpec(), store).made(Rulings(store).all()).graph
    return list(graph.entities.values()), list(graph.relations.values())


def stored(store: RunStore) -> tuple[list[Any], list[Any]]:
    entities, relations = store.graph()
    return sorted(entities, key=lambda one: one.id), sorted(relations, key=lambda one: one.id)


def ref(name: str, kind: str = "concept") -> str:
    from gristmill.agents.names import name_key

    return reference_id(name_key(name), kind)


async def task_of(store: RunStore, entities: Iterable[str], chunk: int, *, seed: int = 0) -> Task:
    task = Task.of("pair", chunks=(store.chunks()[chunk].id,), entities=tuple(entities), seed=seed)
    await store.plan([task])
    return task


async def finished(store: RunStore, task: Task) -> Item:
    item = Item(
        id=content_id("item", task.id, 0), task=task.id, kind="qa", status=Status.ACCEPTED, entities=task.entities,
        chunks=task.chunks,
    )  # fmt: skip
    await store.finish(task.id, Status.ACCEPTED, [item])
    return item


async def edited(store: RunStore, asked: Any, note: str = "") -> Any:
    return await Desk(store).edit("ada", note, asked)


def merging(left: str, right: str) -> Any:
    return lambda desk, pen: merge(pen, chosen(desk.store, left), chosen(desk.store, right))


def by_name(entity: str, name: str) -> Any:
    return lambda desk, pen: split_name(pen, chosen(desk.store, entity), name)


def by_place(entity: str, *, documents: Sequence[int] = (), chunks: Sequence[int] = (), name: str = "") -> Any:
    def asked(desk: Desk, pen: Pen) -> list[Ruling]:
        every = list(desk.store.chunks())
        return split_places(
            pen,
            chosen(desk.store, entity),
            desk.references,
            name=name,
            documents=[every[number].document for number in documents],
            chunks=[every[number].id for number in chunks],
            places=desk.material.documents,
        )

    return asked


def undoing(*ids: str) -> Any:
    return lambda desk, pen: undo(pen, ids)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_decided_the_stored_graph_is_the_one_made_anew(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    given = [rng.sample(NAMES, rng.randrange(2, 6)) for _ in range(8)]
    kinds = [[rng.choice(["concept", "concept", "person", "place"]) for _ in names] for names in given]
    store = await made_run(tmp_path, given, kinds)  # one name has references of several types
    for number in range(20):
        entities, _ = stored(store)
        await task_of(store, [one.id for one in rng.sample(entities, 2)], rng.randrange(8), seed=number)
    done, refused = 0, 0
    every_id = {one.id for one in stored(store)[0]}
    for _ in range(25):
        entities = stored(store)[0]
        one, other = (entity.id for entity in rng.sample(entities, 2))
        members = Identities(store).members(one)
        in_force = [ruling.id for ruling in Rulings(store).all()]
        asked = rng.choice(
            [
                merging(one, other),
                by_name(one, rng.choice(members).id),
                by_place(one, documents=rng.sample(range(8), 2)),
                by_place(one, chunks=[rng.randrange(8)]),
                *([undoing(rng.choice(in_force))] * 2 if in_force else []),
            ]
        )
        before = stored(store)
        try:
            await edited(store, asked)
        except ConfigError:
            refused += 1
            assert stored(store) == before
            continue
        done += 1
        assert stored(store) == anew(store)
        every_id |= {entity.id for entity in stored(store)[0]}
        there = {entity.id for entity in stored(store)[0]}
        assert set(Identities(store).today(every_id).values()) <= there  # nothing is lost while the documents stay
        refs = list(Identities(store).all())
        assert {one.entity for one in refs} == there
        for task, status in store.tasks():
            assert status is Status.PENDING
            for id in task.entities:
                assert store.entity(id).id == Identities(store).today([id])[id]
    assert done > 5
    assert store.books().balanced
    await store.close()


async def test_a_merge_is_logged_applied_and_taken_back(tmp_path: Path) -> None:
    store = await made_run(tmp_path, [["Kelling Mill", "Holt"], ["Cley windmill", "Holt"]])
    before = stored(store)
    task = await task_of(store, [ref("Cley windmill")], 1)
    item = await finished(store, task)
    done = await edited(store, merging("Kelling Mill", "the Cley windmill"), "one mill")
    (one,) = done.became
    assert {one.name, *one.aliases} == {"Kelling Mill", "Cley windmill"}
    assert (done.touched.entities, done.touched.removed) == (1, 2 if len(before[1]) == 2 else 3)
    (ruling,) = Rulings(store).all()
    assert (ruling.action, ruling.by, ruling.reason) == (Ruled.MERGE, "person:ada", "one mill")
    assert store.entity(ref("Cley windmill")) == one
    assert store.entity_names([ref("Cley windmill")]) == {ref("Cley windmill"): one.name}
    (said,) = told(store, item.task)
    assert "Cley windmill" in said.text
    assert "ada" in said.text
    assert "one mill" in said.text
    listed = decisions_of(store, entity=chosen(store, "Kelling Mill"), by="person")
    assert [row["names"] for row in listed.joins] == [["Kelling Mill", "Cley windmill"]] or [
        row["names"] for row in listed.joins
    ] == [["Cley windmill", "Kelling Mill"]]
    assert listed.joins[0]["ruling"] == ruling.id

    await edited(store, undoing(ruling.id[:12]))
    assert stored(store) == before
    assert changed_of(store, task.id) == []  # it is what it was drawn from again
    with pytest.raises(ConfigError, match="was taken back by ada"):
        await edited(store, undoing(ruling.id))
    last = list(Rulings(store).all())[-1]
    await edited(store, undoing(last.id))
    assert len(changed_of(store, task.id)) == 1
    await store.close()


async def test_a_relation_leads_to_the_one_that_it_became(tmp_path: Path) -> None:
    store = await made_run(tmp_path, [["Kelling Mill", "Holt"], ["Cley windmill", "Holt"]])
    old = {one.id: (one.source, one.target) for one in stored(store)[1]}
    await edited(store, merging("Kelling Mill", "Cley windmill"))
    (now,) = stored(store)[1]
    assert {store.relation(id).id for id in old} == {now.id}
    await edited(store, undoing(next(Rulings(store).all()).id))
    assert {id: (store.relation(id).source, store.relation(id).target) for id in old} == old
    await store.close()


async def test_two_of_one_name_are_parted_by_their_documents(tmp_path: Path) -> None:
    store = await made_run(tmp_path, [["John Smith", "Pier"], ["John Smith", "Poetry"], ["John Smith", "Verse"]])
    john = ref("John Smith")
    pier = await task_of(store, [john], 0)
    poem = await task_of(store, [john], 1)
    done = await edited(store, by_place("John Smith", documents=[1, 2]), "the poet")
    assert [len(one.mentions) for one in done.became] in ([2, 1], [1, 2])
    assert store.entity(john).mentions[0].chunk == store.chunks()[0].id
    with pytest.raises(ConfigError, match="2 entities are called 'john smith'") as refused:
        chosen(store, "john smith")
    assert "1.txt" in str(refused.value)
    assert john in str(refused.value)
    # a pending task of what is elsewhere now cannot be done any more; another can, and says so
    assert [task.id for _, task in store.pending()] == [pier.id]
    assert [one.reason for one in changed_of(store, pier.id)] == ["split"]
    assert changed_of(store, poem.id) == []
    (ruling,) = Rulings(store).all()
    part = ruling.part
    await edited(store, undoing(ruling.id))
    assert store.entity(part).id == john  # the part's id leads to what it was a part of
    assert len(store.entity(john).mentions) == 3
    await store.close()


async def test_a_split_takes_what_is_there_of_every_name(tmp_path: Path) -> None:
    store = await made_run(tmp_path, [["Ann Lee", "Pier"], ["Ann Lee", "Ann"], ["Ann", "Ann Lee"], ["Ann Lee", "Holt"]])
    await edited(store, merging(ref("Ann"), ref("Ann Lee"))) if store.entity(ref("Ann")).id != ref("Ann Lee") else None
    await edited(store, by_place(ref("Ann Lee"), documents=[1, 2]))
    refs = Identities(store)
    home = store.entity(ref("Ann Lee"))
    assert {span.chunk for span in home.mentions} == {store.chunks()[0].id, store.chunks()[3].id}
    assert refs.today([ref("Ann")])[ref("Ann")] != home.id
    assert stored(store) == anew(store)
    await store.close()


@pytest.mark.parametrize("first", [0, 1])
async def test_a_mark_stays_until_the_last_ruling_of_its_edit_is_taken_back(tmp_path: Path, first: int) -> None:
    store = await made_run(tmp_path, [["Kelling Mill"], ["Cley windmill", "Weybourne Tower"]])
    for name in ("Cley windmill", "Weybourne Tower"):
        await edited(store, merging("Kelling Mill", name))
    before = stored(store)
    task = await task_of(store, [store.entity(ref("Kelling Mill")).id], 0)
    await finished(store, task)
    done = await edited(store, by_place("Kelling Mill", documents=[1]))
    assert len(done.rulings) == 2
    assert len(told(store, task.id)) == 1
    await edited(store, undoing(done.rulings[first].id))
    assert len(told(store, task.id)) == 1  # one name is still elsewhere
    await edited(store, undoing(done.rulings[1 - first].id))
    assert stored(store) == before
    assert changed_of(store, task.id) == []
    await store.close()


async def test_a_persons_split_stands_against_a_merge_until_it_is_taken_back(tmp_path: Path) -> None:
    store = await made_run(tmp_path, [["Sheringham", "Holt"], ["Sherringham", "Holt"], ["Sheringham", "Cley"]])
    if len(Identities(store).members(store.entity(ref("Sheringham")).id)) == 1:
        await edited(store, merging("Sheringham", "Sherringham"))
    done = await edited(store, by_name("Sheringham", "Sherringham"))
    assert len(done.became) == 2
    with pytest.raises(ConfigError, match=r"ada keeps .* apart; take that back first: `gristmill graph undo"):
        await edited(store, merging("Sheringham", "Sherringham"))
    await edited(store, undoing(done.rulings[0].id))
    assert store.entity(ref("Sheringham")).id == store.entity(ref("Sherringham")).id
    await store.close()


async def test_a_person_overrules_what_a_model_said_of_any_two_names(tmp_path: Path) -> None:
    store = await made_run(tmp_path, [["NATO", "Holt"], ["Atlantic pact", "Holt"], ["Western alliance", "Cley"]])
    home = (await edited(store, merging("NATO", "Atlantic pact"))).became[0].id
    (member,) = {ref("NATO"), ref("Atlantic pact")} - {home}
    said = Ruling(
        id="m1", action=Ruled.SPLIT, left=member, right=ref("Western alliance"), by="gpt: same-entity@1",
        at=datetime.now(UTC) + timedelta(days=1), score=0.9, reason="not the same",
    )  # fmt: skip
    await Rulings(store).add(said)
    done = await edited(store, merging("NATO", "Western alliance"))
    assert len(done.rulings) == 2
    assert len(Identities(store).members(done.became[0].id)) == 3
    assert all(ruling.at > said.at for ruling in done.rulings)  # whatever this machine's clock says
    await store.close()


async def test_tasks_that_relate_what_is_one_by_now_are_withdrawn(tmp_path: Path) -> None:
    store = await made_run(tmp_path, [["Kelling Mill", "Holt", "Cley windmill"]])
    mill, other, holt = ref("Kelling Mill"), ref("Cley windmill"), ref("Holt")
    pair = await task_of(store, [mill, other], 0)
    apart = await task_of(store, [other, holt], 0)
    done = await edited(store, merging(mill, other))
    assert (done.touched.withdrawn, done.touched.marked) == (1, 1)
    assert [task.id for _, task in store.pending()] == [apart.id]
    assert not store.is_planned(pair.id)
    assert store.books().balanced
    await store.close()


async def test_what_cannot_be_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    store = await made_run(tmp_path, [["Kelling Mill", "Holt"], ["Sea", "Holt"]])
    before = stored(store)
    for asked, words in (
        (merging("Kelling Mill", "kelling mills"), "are one entity already"),
        (merging("Kelling Mil", "Holt"), "the nearest names are 'Kelling Mill'"),
        (merging("entity-zzz", "Holt"), "no entity has the name or the id"),
        (merging("", "Holt"), "no entity has the name"),
        (merging(f"{ESCAPE}x", "Holt"), "no entity has the name"),
        (merging("entity-", "Holt"), "more of it"),
        (by_name("Holt", "Holt"), "has no other name"),
        (by_name("Holt", "Sea"), "its names are 'Holt'"),
        (by_place("Kelling Mill", documents=[1]), "is not in what you name"),
        (by_place("Holt", documents=[0, 1]), "nothing would be left"),
        (undoing("ruling-"), "no ruling has an id"),
        (undoing(""), "no ruling has an id"),
        (lambda desk, pen: require_chunks([""], desk.material.documents) and [], "no current chunks"),
    ):
        with pytest.raises(ConfigError, match=words):
            await edited(store, asked)
    assert stored(store) == before
    assert list(Rulings(store).all()) == []
    await store.close()


async def test_an_edit_writes_what_it_touches_and_nothing_else(tmp_path: Path) -> None:
    given = [[f"Village {chr(65 + number)}{chr(75 + number)}", f"Church of {number}"] for number in range(12)]
    store = await made_run(tmp_path, [*given, ["Kelling Mill", "Holt"], ["Cley windmill", "Sea"]])
    rows = dict(store.rows("SELECT id, rowid FROM entities"))
    done = await edited(store, merging("Kelling Mill", "Cley windmill"))
    assert (done.touched.entities, done.touched.relations, done.touched.removed) == (1, 1, 2)
    assert store.mark("graph")["touched"] == {"entities": 1, "relations": 1, "removed": 2}
    now = dict(store.rows("SELECT id, rowid FROM entities"))
    assert now.items() <= rows.items()
    await store.close()


def test_every_order_of_rulings_gives_the_same(tmp_path: Path) -> None:
    async def one() -> None:
        store = await made_run(tmp_path, [["NATO", "Holt"], ["Atlantic pact", "Holt"], ["John Smith", "NATO"]])
        await edited(store, merging("NATO", "Atlantic pact"))
        await edited(store, by_place("NATO", documents=[2]))
        await edited(store, merging("John Smith", "Holt"))
        await edited(store, undoing(next(iter(Rulings(store).all())).id))
        rulings = list(Rulings(store).all())
        material = Material(GraphSpec(), store)
        graphs = []
        for seed in range(5):
            random.Random(seed).shuffle(rulings)
            graph = material.made(rulings).graph
            graphs.append((dict(graph.entities), dict(graph.relations)))
        assert all(graph == graphs[0] for graph in graphs)
        await store.close()

    asyncio.run(one())


async def test_work_that_was_done_before_a_merge_is_not_drawn_again_after_it(tmp_path: Path) -> None:
    """The same pair has another id once an entity of it has: it is known by where its entities lead today."""
    store = await made_run(tmp_path, [["Kelling Mill", "Holt"], ["Cley windmill", "Holt"]])
    mill, other, holt = ref("Kelling Mill"), ref("Cley windmill"), ref("Holt")
    (relation,) = [one.id for one in store.graph()[1] if {one.source, one.target} == {mill, holt}]
    chunk = store.chunks()[0].id

    def about(*entities: str, relations: Sequence[str] = (relation,), seed: int = 0) -> Task:
        return Task.of("pair", chunks=(chunk,), entities=entities, relations=tuple(relations), seed=seed)

    await store.plan([about(mill, holt), about(mill, holt, relations=(), seed=7)])
    await edited(store, merging("Kelling Mill", "Cley windmill"))
    entity = Identities(store).today([mill])[mill]
    assert entity == other
    now = Identities(store).today([relation])[relation]
    heirs = Heirs(store)
    assert heirs.has(about(entity, holt, relations=[now]))
    assert heirs.has(about(holt, entity, relations=[now]))
    assert not heirs.has(about(entity, holt, relations=[now], seed=1))
    assert not heirs.has(about(entity, holt))  # of the relation as it was, which nobody draws any more
    drawn = [about(entity, holt, relations=[now]), about(entity, holt, relations=[now], seed=1)]
    plan = Plan(
        store, lambda view, room, rng, options: drawn, None,
        chunks=store.chunks(), graph=None, seed=1, window=4, max_tasks=None,
    )  # fmt: skip
    given = [task async for task in _all(plan)]
    assert [task.seed for task in given] == [0, 7, 1]
    assert store.books().planned == 3
    await store.close()


async def _all(plan: Plan) -> AsyncIterator[Task]:
    while (task := await plan.next()) is not None:
        yield task
