"""The knowledge graph at scale: load, update, communities, samples, resolution; networkx beside it on a tenth.

    python benchmarks/graph.py [--entities 1000000] [--relations 5000000] [--run FOLDER]

The synthetic graph (`synthetic_graph.py`, the same each time) is stored as a run in a temporary folder, or in `--run`,
where a later start finds it. Each measure runs in a process of its own, and its seconds are those of its CPU: other
work on the machine would lengthen the clock's (printed too, as `..._wall`). Samples and resolution are measured by
`graph_samples.py` and `graph_resolve.py`: `samples_per_s_min` is the least rate of bare draws, `complete_per_s_min`
that with ids, relations and chunks worked out. A table, and as the last line one JSON object with all values by name.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter, process_time

import graph_resolve
import graph_samples
from synthetic_graph import CHUNKS_IN_DOCUMENT, fill

from gristmill.graphs.knowledge.communities import community_numbers
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.storage.records import Entity, Relation, Span, content_id
from gristmill.storage.store import RunStore

Figure = tuple[str, float, str]


class Clock:
    """CPU seconds and the wall clock's since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = process_time(), perf_counter()

    def figures(self, name: str) -> list[Figure]:
        return [(name, process_time() - self._cpu, "s CPU"), (f"{name}_wall", perf_counter() - self._wall, "s")]


def gigabytes() -> float:
    """The most memory that this process has had (`ru_maxrss` would count that of the process which started it)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


def load(store: RunStore) -> Iterable[Figure]:
    clock = Clock()
    KnowledgeGraph.load(store)
    return [*clock.figures("load_s"), ("load_gb", gigabytes(), "GB")]


def one_document(graph: KnowledgeGraph) -> tuple[list[Entity], list[Relation]]:
    """What one more document brings: 20 entities that are there already, 10 new ones, 40 relations in new chunks."""
    chunks = [content_id("chunk", "one more", number) for number in range(CHUNKS_IN_DOCUMENT)]

    def spans(number: int) -> tuple[Span, ...]:
        return (Span(chunk=chunks[number % len(chunks)], start=4, end=9, quote="valve"),)

    step = max(1, len(graph.ids) // 20)
    known = [graph.entities[id] for id in (graph.ids[number] for number in range(0, 20 * step, step))]
    nodes = [
        one.model_copy(update={"mentions": (*one.mentions, *spans(number))}) for number, one in enumerate(known)
    ] + [
        Entity(
            id=content_id("entity", "one more", number), name=f"gear {number}", type="product", mentions=spans(number)
        )
        for number in range(10)
    ]
    edges = [
        Relation(
            id=content_id("relation", "one more", number),
            source=nodes[number % 30].id,
            target=nodes[(number * 7 + 3) % 30].id,
            type="part of",
            mentions=spans(number),
        )
        for number in range(40)
    ]
    return nodes, edges


def update(store: RunStore) -> Iterable[Figure]:
    graph = KnowledgeGraph.load(store)
    nodes, edges = one_document(graph)
    clock = Clock()
    changed = graph.updated(entities=nodes, relations=edges)
    found = clock.figures("update_s")
    assert len(changed.relation_ids) == len(graph.relation_ids) + 40
    return found


async def change(folder: Path) -> Iterable[Figure]:
    """The same change in the store, and back."""
    store = RunStore.open(folder)
    ledger = store.mark("graph")
    graph = KnowledgeGraph.load(store)
    nodes, edges = one_document(graph)
    old = [graph.entities[one.id] for one in nodes if one.id in graph.entities]
    new = [one.id for one in (*nodes, *edges) if one.id not in graph.entities]
    clock = Clock()
    await store.change_graph(ledger, entities=nodes, relations=edges)
    found = clock.figures("update_store_s")
    await store.change_graph(ledger, entities=old, removed=new)
    await store.close()
    return found


def communities(store: RunStore) -> Iterable[Figure]:
    graph = KnowledgeGraph.load(store)
    clock = Clock()
    parts = community_numbers(graph, seed=0, method="leiden")
    return [
        *clock.figures("communities_s"),
        ("communities", len(parts), "of 20 at most"),
        ("communities_gb", gigabytes(), "GB"),
    ]


def networkx(store: RunStore) -> Iterable[Figure]:
    """What the same costs as networkx has it: the multigraph of all records, and Louvain's method."""
    import networkx as nx

    clock = Clock()
    graph = nx.MultiDiGraph()
    for entity in store.stored_entities():
        graph.add_node(entity.id, record=entity)
    for relation in store.stored_relations():
        graph.add_edge(relation.source, relation.target, key=relation.id, weight=relation.weight, record=relation)
    found = [*clock.figures("networkx_tenth_load_s"), ("networkx_tenth_load_gb", gigabytes(), "GB")]
    clock = Clock()
    nx.community.louvain_communities(nx.Graph(graph), seed=0)
    return [*found, *clock.figures("networkx_tenth_communities_s")]


def samples(store: RunStore) -> Iterable[Figure]:
    return graph_samples.rows(KnowledgeGraph.load(store))


def resolution(store: RunStore) -> Iterable[Figure]:
    """Of mentions that it makes itself: which is which is known of them."""
    return graph_resolve.rows()


PARTS = {
    "load": load,
    "update": update,
    "communities": communities,
    "networkx": networkx,
    "samples": samples,
    "resolution": resolution,
}


def measured(part: str, folder: Path) -> list[Figure]:
    """Runs one measure in this process."""
    store = RunStore.read(folder)
    found = list(PARTS[part](store))
    if part == "update":
        store.close_reading()
        found += asyncio.run(change(folder))
    return found


def measure(part: str, folder: Path) -> list[Figure]:
    """Runs one measure in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--run", str(folder)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [(name, value, unit) for name, value, unit in json.loads(said.splitlines()[-1])]


def stored(folder: Path, entities: int, relations: int) -> Path:
    """Makes the run where it is not there yet; returns its folder."""

    async def make() -> None:
        store = RunStore.open(folder)
        if store.mark("graph") is None:
            await fill(store, entities, relations)
        await store.close()

    asyncio.run(make())
    return folder


def main(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="graph-") as temporary:
        whole = stored(args.run or Path(temporary) / "whole", args.entities, args.relations)
        tenth = stored(Path(temporary) / "tenth", args.entities // 10, args.relations // 10)
        found: list[Figure] = []
        print(f"{args.entities:,} entities, {args.relations:,} relations; networkx: a tenth of that", flush=True)
        for part in PARTS:
            for figure in measure(part, tenth if part == "networkx" else whole):
                found.append(figure)
                print(f"{figure[0]:<36} {figure[1]:>12,.2f} {figure[2]}", flush=True)
    print(json.dumps({name: round(value, 3) for name, value, _ in found}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--relations", type=int, default=5_000_000)
    parser.add_argument("--run", type=Path, help="where the run is, or is made and kept")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(measured(given.part, given.run)))
    else:
        main(given)
