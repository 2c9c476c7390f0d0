"""A stored graph that is brought up to documents and rulings as they come and go is the one made of all of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from labelled import read as labelled

from gristmill.agents.extraction.records import Extraction, FoundEntity, FoundRelation
from gristmill.campaigns.knowledge import renewing
from gristmill.campaigns.knowledge.merging import Made, Material
from gristmill.campaigns.knowledge.regraph import change_to
from gristmill.campaigns.knowledge.renewing import taken
from gristmill.campaigns.spec import GraphSpec
from gristmill.graphs.knowledge.merge import assemble
from gristmill.graphs.resolution import blocking, references
from gristmill.graphs.resolution.kept import block_rows, found_rows, likely_rows, stated_rows
from gristmill.graphs.resolution.references import gather
from gristmill.graphs.resolution.resolve import Resolver
from gristmill.storage.identities import Identities
from gristmill.storage.kept import KEPT
from gristmill.storage.records import Chunk, Claim, Document, Span, Status, Task, content_id
from gristmill.storage.rulings import RESOLUTION, Ruled, Ruling, Rulings
from gristmill.storage.store import RunStore
from gristmill.storage.versions import Versions, keep_documents, make_current

NAMES = [
    *("Kelling Mill", "Kelling Mills", "Kelling Mil", "kelling mill", "Holt", "James Stannard", "J. Stannard", "NATO"),
    *("North Atlantic Treaty Organization", "Sheringham Museum", "Sherringham Museum", "Sheringham Musuem", "Cley"),
    *("Stannard", "James Stanard", "Mercury", "Fluid Mechanics", "Fluid Mechanic", "—"),
]
SPEC = GraphSpec()
TABLES = {
    "found": "id, card, rest",
    "stated": "source, target, type, relation, records, body",
    "blocks": "key, ref",
    "likely": "one, other, value, kind, veto, short",
    "taken": "chunk, keys",
}
MOVED = "SELECT id, now FROM moved"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def read(chunk: str, rng: random.Random) -> Extraction:
    """What a chunk gave: names with errors in them, of several types, some with aliases, claims and attributes."""
    names = rng.choices(NAMES, k=rng.randrange(1, 6))

    def span(at: int) -> Span:
        return Span(chunk=chunk, start=at, end=at + 1, quote=str(at))

    entities = [
        FoundEntity(
            name=name,
            type=rng.choice(["concept", "concept", "person", "place", "organization"]),
            typed=rng.random() < 0.9,
            descriptions=tuple(rng.sample([f"{name} is old.", f"{name} stands by the sea.", "It is known."], 2)),
            aliases=("NATO",) if name.startswith("North") and rng.random() < 0.5 else (),
            mentions=(span(at),),
            attributes={"built": (rng.choice(["1820", "1901"]),)} if rng.random() < 0.4 else {},
            claims=(Claim(text=f"{name} is tall.", qualifiers={"by": "far"}, mentions=(span(at + 20),)),)
            if rng.random() < 0.4
            else (),
        )
        for at, name in enumerate(names)
    ]
    ends = [*names, "Cley", "Nobody at all"]  # of which an extraction may list none
    relations = [
        FoundRelation(
            source=left, target=right, type=rng.choice(["part of", "near"]), mentions=(span(40 + at),),
            descriptions=("They are near.",), grounded=rng.random() < 0.5, qualifiers={"time": ("1998",)},
        )
        for at, (left, right) in enumerate([*pairwise(names), *(rng.sample(ends, 2) for _ in range(2))])
    ]  # fmt: skip
    return Extraction(chunk=chunk, entities=tuple(entities), relations=tuple(relations))


class World:
    """A run whose documents come and go, each with chunks that say the same whenever they are there."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.there: list[str] = []
        self.times = 0

    async def show(self, names: Sequence[str]) -> None:
        """Makes these the documents; `name@version` is another text under the same name."""
        self.there = list(names)
        known = {id for (id,) in self.store.rows("SELECT id FROM documents")}
        documents = []
        for one in names:
            document = Document.of(f"{one.split('@')[0]}.txt", f"text of {one}")
            documents.append((document.id, document.name))
            if document.id not in known:
                chunks = [Chunk.of(document.id, at, at, at + 4, document.text[at : at + 4]) for at in range(2)]
                await keep_documents(self.store, [(document, chunks)])
                for chunk in chunks:
                    found = read(chunk.id, random.Random(f"{one} {chunk.index}"))
                    failed = "truncated" if random.Random(chunk.id).random() < 0.1 else ""
                    await self.store.add_extraction(
                        chunk.id, "{}" if failed else found.model_dump_json(), reason=failed
                    )
        await make_current(self.store, Versions(documents=documents))

    async def bring_up(self) -> Made:
        self.times += 1
        made = Material(SPEC, self.store).brought_up(list(Rulings(self.store).all()))
        ledger = {"times": self.times, **made.books}
        await self.store.write(
            *change_to(self.store, made, made.graph, ledger, causes=[f"refresh:{self.times}"]).statements
        )
        return made

    def decide(self, rng: random.Random, number: int) -> Ruling | None:
        """Some decision on what is there."""
        refs = [id for (id,) in self.store.rows("SELECT id FROM refs ORDER BY id")]
        every = list(Rulings(self.store).all())
        given: dict[str, Any] = {"by": rng.choice(["person:ada", "model@1"])}
        action = rng.choice([Ruled.MERGE, Ruled.SPLIT, Ruled.SPLIT, Ruled.UNDO, Ruled.UNSURE])
        if action is Ruled.UNDO:
            if not every:
                return None
            given["undoes"] = rng.choice(every).id
        elif action is Ruled.SPLIT and rng.random() < 0.6:
            chunk = rng.choice(self.store.chunks())
            place = {"chunks": (chunk.id,)} if rng.random() < 0.5 else {"documents": (chunk.document,)}
            given |= {"left": rng.choice(refs), "by": "person:ada", **place}
        else:
            left, right = rng.choice(list(combinations(refs, 2)))
            given |= {"left": left, "right": right}
        return Ruling(
            id=content_id("ruling", number, action), action=action, at=EPOCH + timedelta(minutes=number), **given
        )


def stored(store: RunStore) -> tuple[dict[str, Any], dict[str, Any]]:
    entities, relations = store.graph()
    return {one.id: one for one in entities}, {one.id: one for one in relations}


def membership(store: RunStore) -> list[tuple[Any, ...]]:
    return sorted(store.rows("SELECT id, key, name, type, chunks, entity FROM refs"))


def without_zeros(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: kept for name, one in value.items() if (kept := without_zeros(one)) not in (0, {})}
    return value


def assert_as_made_anew(store: RunStore) -> None:
    """Graph, decisions, books, and every row that the next change starts from."""
    anew = Material(SPEC, store).made(list(Rulings(store).all()))
    entities, relations = stored(store)
    assert entities == dict(anew.graph.entities)
    assert relations == dict(anew.graph.relations)
    assert {row[0]: row[5] for row in membership(store)} == {
        id: anew.resolution.membership[id] for id in anew.references
    }
    decisions = anew.resolution.as_json()
    assert store.mark(RESOLUTION) == {name: value for name, value in decisions.items() if name != "membership"}
    assert without_zeros(store.mark(KEPT)["books"]) == without_zeros(anew.books)
    written: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
    for sql, rows in anew.kept:
        if sql.startswith("INSERT INTO") and (table := sql.split()[2]) in TABLES:
            written[table] += [tuple(row) for row in rows]
    for table, columns in TABLES.items():
        assert sorted(store.rows(f"SELECT {columns} FROM {table}")) == sorted(written[table]), table  # mine


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.mark.parametrize("block", [2, 40])
@pytest.mark.parametrize("seed", range(3))
async def test_what_is_brought_up_step_by_step_is_what_is_made_of_all(
    tmp_path: Path, url: str, seed: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents come, change and go, rulings are made and taken back, with blocks that overflow or do not.

    Beside it goes a run whose graph is made anew at every step: ids of what went lead to the same in both.
    """
    monkeypatch.setattr(renewing, "MOST", 5.0)
    monkeypatch.setattr(blocking, "MAX_BLOCK", block)
    monkeypatch.setattr(blocking, "WINDOW", 1)
    rng = random.Random(seed)
    store = RunStore.open(tmp_path / f"run-{seed}-{block}", url)
    world = World(store)
    await world.show([f"d{number}" for number in range(6)])
    assert (await world.bring_up()).scope is None
    whole = World(RunStore.open(tmp_path / "whole"))
    await whole.show(world.there)
    await whole.bring_up()
    every_id: set[str] = set()
    for number in range(14):
        every_id |= stored(store)[0].keys()
        here = world.there
        if number % 2:
            for at in range(rng.randrange(1, 3)):
                ruling = world.decide(rng, 10 * number + at)
                for each in (store, whole.store):
                    await Rulings(each).add(*([ruling] if ruling else []))
        else:
            gone = rng.sample(here, min(2, len(here) - 3)) if len(here) > 4 else []
            left = [one for one in here if one not in gone]
            changed = [f"{one.split('@')[0]}@{number}" if rng.random() < 0.2 else one for one in left]
            rng.shuffle(changed)
            await world.show([*changed, f"new{number}", *rng.sample(gone, rng.randrange(len(gone) + 1))])
            await whole.show(world.there)
        await whole.store.set_mark(KEPT, None)
        assert (await whole.bring_up()).scope is None
        assert (await world.bring_up()).scope is not None
        assert_as_made_anew(store)
        assert sorted(store.rows(MOVED)) == sorted(whole.store.rows(MOVED))
        now = stored(store)[0].keys()
        assert {one for one in Identities(store).today(every_id).values() if one} <= now
    for each in (store, whole.store):
        await each.close()


@pytest.mark.parametrize("seed", range(3))
async def test_the_order_in_which_documents_and_rulings_came_makes_no_difference(tmp_path: Path, seed: int) -> None:
    """Names with typing errors join by their letters, people merge, split and take back: in any order the same."""
    rng = random.Random(seed)
    names = [f"d{number}" for number in range(9)]
    first = World(RunStore.open(tmp_path / "first"))
    await first.show(names)
    await first.bring_up()
    for number in range(8):
        ruling = first.decide(rng, number)
        await Rulings(first.store).add(*([ruling] if ruling else []))
        await first.bring_up()
    rulings = list(Rulings(first.store).all())
    assert len({one.action for one in rulings}) > 2
    other = World(RunStore.open(tmp_path / "other"))
    rng.shuffle(names)
    await other.show(names[:6])
    await other.bring_up()
    shuffled = list(rulings)
    rng.shuffle(shuffled)
    for place, name in enumerate(names[6:]):
        await other.show([*other.there, name])
        await Rulings(other.store).add(*shuffled[place * 3 : place * 3 + 3])
        await other.bring_up()
    assert stored(other.store) == stored(first.store)
    assert membership(other.store) == membership(first.store)
    assert other.store.mark(RESOLUTION) == first.store.mark(RESOLUTION)
    for world in (first, other):
        await world.store.close()


async def test_one_document_more_reads_its_own_extractions_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore.open(tmp_path / "run")
    world = World(store)
    await world.show([f"d{number}" for number in range(20)])
    await world.bring_up()
    asked: list[str] = []
    real = Extraction.model_validate_json
    monkeypatch.setattr(Extraction, "model_validate_json", lambda body: asked.append(body) or real(body))
    monkeypatch.setattr(store, "extractions", None)  # the way to all of them
    await world.show([*world.there[1:], "one more"])
    made = await world.bring_up()
    assert made.scope is not None
    assert len(asked) <= 4  # two chunks that came, two that went
    await store.close()


async def test_an_edit_reads_no_extraction_that_it_does_not_divide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore.open(tmp_path / "run")
    world = World(store)
    await world.show([f"d{number}" for number in range(20)])
    await world.bring_up()
    left, right = [id for (id,) in store.rows("SELECT id FROM refs ORDER BY id LIMIT 2")]
    await Rulings(store).add(
        Ruling(id="ruling-1", action=Ruled.MERGE, left=left, right=right, by="person:ada", at=EPOCH)
    )
    monkeypatch.setattr(Extraction, "model_validate_json", None)
    monkeypatch.setattr(store, "extractions", None)
    made = await world.bring_up()
    assert made.scope is not None
    assert (
        dict(store.rows("SELECT id, entity FROM refs"))[left] == dict(store.rows("SELECT id, entity FROM refs"))[right]
    )
    await store.close()


@pytest.mark.parametrize("what", ["settings", "extraction", "much"])
async def test_what_cannot_be_brought_up_is_made_anew(tmp_path: Path, what: str, monkeypatch: Any) -> None:
    store = RunStore.open(tmp_path / "run")
    world = World(store)
    await world.show([f"d{number}" for number in range(8)])
    await world.bring_up()
    if what == "settings":
        monkeypatch.setattr(renewing, "FORMAT", -1)
    elif what == "extraction":
        chunk = store.chunks()[3].id
        await store.add_extraction(chunk, Extraction(chunk=chunk).model_dump_json())
    else:
        await world.show([f"e{number}" for number in range(8)])
    assert (await world.bring_up()).scope is None
    assert_as_made_anew(store)
    assert (await world.bring_up()).scope is not None
    await store.close()


async def test_tasks_of_what_a_document_took_away_are_withdrawn_or_marked(tmp_path: Path) -> None:
    """Of a part of the graph that was made anew the same becomes of tasks as of the whole."""
    outcomes = []
    for part in (True, False):
        store = RunStore.open(tmp_path / f"run-{part}")
        world = World(store)
        await world.show([f"d{number}" for number in range(12)])
        await world.bring_up()
        rng = random.Random(4)
        entities, relations = (sorted(table) for table in stored(store))
        chunks = [one.id for one in store.chunks()]
        tasks = [
            Task.of(
                "pair",
                chunks=(rng.choice(chunks),),
                entities=tuple(rng.sample(entities, 2)),
                relations=tuple(rng.sample(relations, rng.randrange(2))),
                seed=number,
            )
            for number in range(60)
        ]
        await store.plan(tasks)
        for task in tasks[:20]:
            await store.finish(task.id, Status.ACCEPTED, [])
        await world.show(world.there[3:])
        left, right = [id for (id,) in store.rows("SELECT id FROM refs ORDER BY id LIMIT 2")]
        await Rulings(store).add(
            Ruling(id="ruling-1", action=Ruled.MERGE, left=left, right=right, by="person:ada", at=EPOCH)
        )
        if not part:
            await store.set_mark(KEPT, None)
        made = await world.bring_up()
        assert (made.scope is not None) is part
        marks = sorted(store.rows("SELECT task, entity, cause, reason FROM changed"))
        left_over = sorted(store.rows("SELECT id, status FROM tasks"))
        moved = sorted(store.rows(MOVED))
        outcomes.append((marks, left_over, moved))
        assert marks
        assert len(left_over) < 60
        await store.close()
    assert outcomes[0] == outcomes[1]


KEPT_AS = {
    1: "kept-c4f9c2223b555dbe166e420e"
}  # by `renewing.FORMAT`, what is kept of the same extractions: a line for each that there was


def test_whoever_changes_what_is_kept_raises_its_format() -> None:
    """Kept pairs and blocks are used beside new ones: where other rules made them, a refresh must start anew."""
    given = [
        *labelled("tuned.txt", "held_out.txt").extractions,
        *(read(f"c{at}", random.Random(at)) for at in range(40)),
    ]
    gathering = gather(given)
    resolver = Resolver()
    resolver.update(gathering.references)
    rows = [
        *found_rows(gathering, gathering.references),
        *stated_rows(gathering, assemble(gathering, resolver.resolution()).places),
        *block_rows(resolver.blocks, gathering.references),
        *(
            (sql, [(*row[:2], round(row[2], 6), *row[3:]) for row in some if len(row) > 2])
            for sql, some in likely_rows(resolver)
        ),
        taken([one.chunk for one in given], gathering),
    ]
    limits = (blocking.MAX_BLOCK, blocking.WINDOW, references.MAX_CONTEXT)  # what so small a set does not reach
    digest = content_id("kept", limits, *(sorted(some) for _, some in rows))
    assert KEPT_AS.get(renewing.FORMAT) == digest, (
        f"what a run keeps of its graph is made otherwise than FORMAT {renewing.FORMAT} says: keys of blocks, scores "
        f"of pairs, or the rows' bodies. Raise FORMAT in campaigns/knowledge/renewing.py and add its number with "
        f"{digest!r} to KEPT_AS; graphs that were made before are then made anew once"
    )
