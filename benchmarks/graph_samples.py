"""Draws of every sampler on a large graph, beside networkx doing the same on a tenth of it.

    python benchmarks/graph_samples.py                                   # 1,000,000 entities, 5,000,000 relations
    python benchmarks/graph_samples.py --entities 50000 --relations 250000 --draws 20000

CPU time of one core, so that what else runs on the machine does not count. `bare` is the draw: which entities.
`complete` adds what is worked out when it is asked for: ids, the relations among them and the chunks that show them.
`start` is the time to the first draw; what a graph makes once for all samplers is made before. The last line is one
JSON object: `samples_per_s_min` is the least bare rate of all strategies with even weights, `samples_per_s_covered_min`
that with weights by coverage on top, `complete_per_s_min` the least complete rate.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
from synthetic_graph import KINDS, TYPES, WORDS, Plan

from gristmill.graphs.knowledge.columns import Columns
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.sampling.catalogue import sampler, samplers
from gristmill.graphs.sampling.numbered import numbered
from gristmill.graphs.sampling.sources import Sources
from gristmill.graphs.sampling.weights import by_inverse_coverage, uniform
from gristmill.storage.graph import EntityRows, RelationRows

BATCH = 50_000
SCORED = 200_000  # facts with a score
STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    "entity": ("entity", {}),
    "pair": ("pair", {}),
    "distant": ("distant", {}),
    "similar by neighbours": ("similar", {}),
    "similar by name": ("similar", {"by": "name"}),
    "triple": ("triple", {}),
    "path of 2": ("path", {}),
    "path of 3, chordless": ("path", {"hops": 3, "chordless": True}),
    "meeting path": ("meeting-path", {}),
    "ego": ("ego", {}),
    "bfs": ("bfs", {}),
    "dfs": ("dfs", {}),
    "community": ("community", {}),
    "star": ("motif", {"shape": "star"}),
    "chain": ("motif", {"shape": "chain"}),
    "triangle": ("motif", {"shape": "triangle"}),
    "anchor": ("anchor", {"types": ["place"]}),
    "long tail": ("long-tail", {}),
    "uncertainty": ("uncertainty", {}),
}
assert {name for name, _ in STRATEGIES.values()} == set(samplers())


def make(entities: int, relations: int) -> tuple[KnowledgeGraph, Sources]:
    """The graph by its columns alone; no sampler looks at a record."""
    plan = Plan.of(entities, relations)
    offsets, numbers = (one.tolist() for one in plan.mentions())
    chunks = [f"chunk-{number:010}" for number in range(plan.chunk_count)]
    groups, stated = plan.groups.tolist(), plan.chunks.tolist()
    sources, targets = plan.sources.tolist(), plan.targets.tolist()
    ids = [f"entity-{number:010}" for number in range(entities)]

    def nodes() -> Iterator[EntityRows]:
        for start in range(0, entities, BATCH):
            some = range(start, min(entities, start + BATCH))
            shown = [[chunks[one] for one in numbers[offsets[number] : offsets[number + 1]]] for number in some]
            yield EntityRows(
                ids=[ids[number] for number in some],
                names=[f"{WORDS[number % len(WORDS)]} {number}" for number in some],
                types=[TYPES[groups[number] % len(TYPES)] for number in some],
                mentions=list(map(len, shown)),
                chunks=shown,
            )

    def edges() -> Iterator[RelationRows]:
        for start in range(0, relations, BATCH):
            some = range(start, min(relations, start + BATCH))
            shown = [sorted({chunks[one] for one in stated[number]}) for number in some]
            yield RelationRows(
                ids=[f"relation-{number:010}" for number in some],
                sources=[ids[sources[number]] for number in some],
                targets=[ids[targets[number]] for number in some],
                types=[KINDS[number % len(KINDS)] for number in some],
                weights=[float(len(one)) for one in shown],
                chunks=shown,
            )

    graph = KnowledgeGraph._made({}, {}, Columns.of(nodes(), edges()))
    documents = {chunk: f"document-{number // 10}" for number, chunk in enumerate(chunks)}
    return graph, Sources(documents, {chunk: 90 + number % 60 for number, chunk in enumerate(chunks)})


def measure(open_: Callable[[], Iterator[Any]], count: int, *, whole: bool = True) -> dict[str, float]:
    """CPU seconds to the first draw, and draws a CPU second: bare and complete."""
    start = time.process_time()
    draws = open_()
    first = next(draws, None)
    begun = time.process_time()
    found = list(islice(draws, count))
    bare = time.process_time() - begun
    told = {"start_s": round(begun - start, 3), "draws": len(found) + (first is not None)}
    told["bare_per_s"] = round(len(found) / max(bare, 1e-9))
    if whole:
        begun = time.process_time()
        for draw in found:
            draw.entities, draw.relations, draw.chunks  # noqa: B018  # each is worked out now
        told["complete_per_s"] = round(len(found) / max(bare + time.process_time() - begun, 1e-9))
    return told


def once(draw: Callable[[], tuple[Any, ...] | None]) -> Iterator[tuple[Any, ...]]:
    """Draws of networkx without repeats, as whoever writes them by hand would."""
    seen = set()
    while True:
        group = draw()
        if group is not None and (key := frozenset(group)) not in seen:
            seen.add(key)
            yield group


def by_networkx(graph: KnowledgeGraph, rng: random.Random) -> dict[str, Callable[[], tuple[Any, ...] | None]]:
    """What networkx's own graph takes for the same, where it can do it."""
    links: nx.Graph[int] = nx.Graph()
    links.add_nodes_from(range(len(graph.ids)))
    ends = np.asarray(graph.links.ends)
    links.add_edges_from(zip(np.asarray(graph.links.keys).tolist(), ends.tolist(), strict=True))
    nodes, edges = list(links), list(links.edges)
    linked = [node for node in nodes if links.degree[node]]

    def walk(length: int) -> tuple[int, ...] | None:
        path = [rng.choice(linked)]
        while len(path) <= length:
            near = [node for node in links[path[-1]] if node not in path]
            if not near:
                return None
            path.append(rng.choice(near))
        return tuple(path)

    def distant() -> tuple[int, ...] | None:
        path = walk(2)
        return None if path is None or links.has_edge(path[0], path[2]) else (path[0], path[2])

    def triangle() -> tuple[int, ...] | None:
        one, other = rng.choice(edges)
        shared = list(nx.common_neighbors(links, one, other))
        return (one, other, rng.choice(shared)) if shared else None

    def star() -> tuple[int, ...] | None:
        centre = rng.choice(linked)
        near = list(links[centre])
        if len(near) < 3:
            return None
        leaves = rng.sample(near, 3)
        return None if links.subgraph(leaves).number_of_edges() else (centre, *leaves)

    return {
        "entity": lambda: (rng.choice(nodes),),
        "pair": lambda: rng.choice(edges),
        "distant": distant,
        "path of 2": lambda: walk(2),
        "ego": lambda: tuple(islice(nx.ego_graph(links, rng.choice(linked), radius=1), 8)),
        "bfs": lambda: tuple(node for _, node in islice(nx.bfs_edges(links, rng.choice(linked)), 10)),
        "dfs": lambda: tuple(node for _, node in islice(nx.dfs_edges(links, rng.choice(linked)), 10)),
        "star": star,
        "triangle": triangle,
    }


def every(
    graph: KnowledgeGraph, sources: Sources, count: int, without: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """Measures every strategy, with even weights and with weights by coverage on top."""
    scores = {one: (place * 2654435761 % 1000) / 300 for place, one in enumerate(islice(graph.relation_ids, SCORED))}
    coverage: Counter[str] = Counter(dict.fromkeys(islice(graph.ids, 0, None, 7), 3))
    made = numbered(graph)
    made.chunk_hashes, made.linked  # noqa: B018  # once a graph, for all samplers
    figures: dict[str, dict[str, float]] = {}
    for label, (name, options) in STRATEGIES.items():
        if label in without:
            continue
        if name == "community":  # found once a graph; `communities_s` of the graph's own benchmark
            next(sampler(name, **options).draws(graph, random.Random(1)))
        for on_top, weight in (("", uniform), (" covered", by_inverse_coverage(coverage))):
            figures[label + on_top] = told = measure(
                lambda name=name, options=options, weight=weight: sampler(name, **options).draws(  # type: ignore[misc]
                    graph, random.Random(1), weight=weight, sources=sources, scores=scores
                ),
                count,
            )
            print(
                f"{label + on_top:32} first after {told['start_s']:6.2f} s, {told['draws']:7,} draws, "
                f"bare {told['bare_per_s']:9,}/s, complete {told['complete_per_s']:8,}/s",
                file=sys.stderr,
                flush=True,
            )
    return figures


def least(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The slowest of all strategies by each figure."""
    even = [told for label, told in figures.items() if not label.endswith(" covered")]
    covered = [told for label, told in figures.items() if label.endswith(" covered")]
    return {
        "samples_per_s_min": min(told["bare_per_s"] for told in even),
        "samples_per_s_covered_min": min(told["bare_per_s"] for told in covered),
        "complete_per_s_min": min(told["complete_per_s"] for told in even),
        "complete_per_s_covered_min": min(told["complete_per_s"] for told in covered),
        "start_s_max": max(told["start_s"] for told in even),
        "start_s_covered_max": max(told["start_s"] for told in covered),
    }


def rows(graph: KnowledgeGraph, count: int = 100_000) -> list[tuple[str, float, str]]:
    """What `graph.py` shows of it: (name, value, unit) of each figure. Chunks are taken ten to a document."""
    chunks = list(graph.chunk_ids)
    documents = {chunk: f"document-{number // 10}" for number, chunk in enumerate(chunks)}
    figures = every(graph, Sources(documents, {chunk: 90 + n % 60 for n, chunk in enumerate(chunks)}), count)
    slowest = [(name, value, "s CPU" if name.startswith("start") else "a CPU second") for name, value in
               least(figures).items()]  # fmt: skip
    each = [(f"{label.replace(' ', '_').replace(',', '')}_per_s", told["bare_per_s"], "a CPU second") for label, told in
            figures.items()]  # fmt: skip
    return [*slowest, ("samples_drawn_min", min(told["draws"] for told in figures.values()), "draws"), *each]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--relations", type=int, default=5_000_000)
    parser.add_argument("--draws", type=int, default=100_000)
    parser.add_argument("--without", nargs="*", default=[], help="strategies to leave out")
    given = parser.parse_args()
    graph, sources = make(given.entities, given.relations)
    print(f"{graph}: {graph.links.count:,} links, {len(graph.chunk_ids):,} chunks", flush=True)
    figures = every(graph, sources, given.draws, given.without)
    tenth, _ = make(given.entities // 10, given.relations // 10)
    beside = {}
    for label, draw in by_networkx(tenth, random.Random(1)).items():
        beside[label] = measure(lambda draw=draw: once(draw), given.draws // 10, whole=False)["bare_per_s"]  # type: ignore[misc]
        print(f"{label:32} networkx on a tenth: {beside[label]:,}/s", flush=True)
    summary = {
        "entities": given.entities,
        "relations": given.relations,
        "draws": given.draws,
        **least(figures),
        "strategies": figures,
        "networkx_on_a_tenth": beside,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
