"""The quality report of a graph: its numbers, and which of them give cause to worry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...storage.records import Record, Span
from ..knowledge.components import component_sizes
from ..knowledge.graph import GraphStats, KnowledgeGraph
from .annotation import GoldDocument
from .degrees import LEAST_LINKED, DegreeLaw, degree_law
from .gold import GoldScores, score_gold
from .limits import LIMITS
from .suspects import Homonym, Suspect, homonyms_of, suspects_of
from .votes import TypeVotes, type_votes

TOP = 20  # of each list that a report keeps


class Coverage(Record):
    """What of the corpus the graph has. `bare` are names of documents in which no entity was found, some of them."""

    documents: int = 0
    documents_without: int = 0
    chunks: int = 0
    chunks_without: int = 0
    bare: tuple[str, ...] = ()


class Quality(Record):
    """A graph's quality report; docs/graph-quality.md explains each number.

    `shares` are those numbers that have a limit, by its name, and `worries` the names of those beyond it. Lists hold at
    most 20; `duplicate_pairs` and `homonym_names` are their true lengths, None where a graph is too large to compare.
    """

    stats: GraphStats
    component_sizes: tuple[int, ...]
    max_degree: int
    degrees: DegreeLaw
    claims: int
    entities_with_claims: int
    entities_with_attributes: int
    duplicate_pairs: int | None
    duplicates: tuple[Suspect, ...]
    homonym_names: int
    homonyms: tuple[Homonym, ...]
    types: TypeVotes | None
    coverage: Coverage | None
    gold: GoldScores | None
    shares: dict[str, float]
    worries: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """What a report knows of the documents: the document by chunk id and where the chunk begins there, their names."""

    documents: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    starts: Mapping[str, int] = field(default_factory=dict)


def quality_of(
    graph: KnowledgeGraph,
    corpus: Corpus | None = None,
    *,
    votes: Mapping[str, Counter[str]] | None = None,
    resolution: Mapping[str, Any] | None = None,
    gold: Sequence[GoldDocument] = (),
) -> Quality:
    """Reports on a graph. What is not given is left out of the report.

    Args:
        corpus: all documents and chunks, also those in which nothing was found.
        votes: the types that extraction gave, by name; see `votes_of`.
        resolution: what the store keeps of how the graph was resolved; without it names are compared anew.
        gold: an annotation of some of the documents.

    Raises:
        ConfigError: the gold annotates a document that the corpus lacks.
    """
    corpus = corpus or Corpus()
    stats, links = graph.stats(), graph.links
    sizes = sorted((size for size in component_sizes(links) if size > 1), reverse=True)
    degrees = [size for size in links.sizes if size]
    suspects = suspects_of(graph, resolution)
    homonyms = homonyms_of(graph, corpus.documents)
    coverage = _coverage(graph, corpus) if corpus.documents else None
    types = None if votes is None else type_votes(votes, top=TOP)
    scores = score_gold(graph, gold, corpus.documents, corpus.names, corpus.starts) if gold else None
    facts = [(len(one.claims), bool(one.attributes), places(one.mentions)) for one in graph.entities.values()]
    shares = {
        **_shape(graph, stats, sizes, degrees),
        "single_mention": _share(sum(1 for _, _, count in facts if count == 1), stats.entities),
        **_doubts(stats, suspects, homonyms),
        **({} if types is None else {"confused_types": types.share}),
        **({} if coverage is None else _missing(coverage)),
        **({} if scores is None else scores.shares),
    }
    shares = {name: round(value, 4) for name, value in shares.items()}
    return Quality(
        stats=stats,
        component_sizes=tuple(sizes[:TOP]),
        max_degree=max(degrees, default=0),
        degrees=degree_law(degrees),
        claims=sum(count for count, _, _ in facts),
        entities_with_claims=sum(1 for count, _, _ in facts if count),
        entities_with_attributes=sum(attributes for _, attributes, _ in facts),
        duplicate_pairs=None if suspects is None else len(suspects),
        duplicates=tuple((suspects or [])[:TOP]),
        homonym_names=len(homonyms),
        homonyms=tuple(homonyms[:TOP]),
        types=types,
        coverage=coverage,
        gold=scores,
        shares=shares,
        worries=tuple(name for name, value in shares.items() if LIMITS[name].broken(value)),
    )


def places(mentions: Iterable[Span]) -> int:
    """Returns in how many places an entity is mentioned; a quote around a mention is no place of its own."""
    count, chunk, furthest = 0, "", -1
    for span in sorted(mentions, key=lambda span: (span.chunk, -span.start, span.end)):
        if span.chunk != chunk:
            chunk, furthest = span.chunk, 1 << 62
        if span.end <= furthest:  # from behind: what lies wholly before the place last counted is another one
            count, furthest = count + 1, span.start
    return count


def _shape(graph: KnowledgeGraph, stats: GraphStats, sizes: Sequence[int], degrees: Sequence[int]) -> dict[str, float]:
    ungrounded = sum(1 for relation in graph.relations.values() if not relation.grounded)
    return {
        "isolated": _share(stats.isolated, stats.entities),
        "fragments": _share(len(degrees) - (sizes[0] if sizes else 0), len(degrees)),
        "hub": _share(max(degrees, default=0), len(degrees) - 1) if len(degrees) >= LEAST_LINKED else 0.0,
        "ungrounded": _share(ungrounded, stats.relations),
    }


def _doubts(stats: GraphStats, suspects: Sequence[Suspect] | None, homonyms: Sequence[Homonym]) -> dict[str, float]:
    shared = {id for one in homonyms if len(one.entities) > 1 for id in one.entities}
    found = {} if suspects is None else {"duplicates": _share(_too_many(suspects), stats.entities)}
    return {**found, "homonyms": _share(len(shared), stats.entities)}


def _too_many(suspects: Sequence[Suspect]) -> int:
    """How many entities would go if all suspects were one: of each group that hangs together all but one."""
    home: dict[str, str] = {}

    def root(id: str) -> str:
        while (above := home.setdefault(id, id)) != id:
            id = above
        return id

    gone = 0
    for one in suspects:
        left, right = root(one.left), root(one.right)
        if left != right:
            home[left] = right
            gone += 1
    return gone


def _coverage(graph: KnowledgeGraph, corpus: Corpus) -> Coverage:
    full = {graph.chunk_ids[number] for number, size in enumerate(graph.entities_by_chunk_number.sizes) if size}
    told = {corpus.documents[chunk] for chunk in full if chunk in corpus.documents}
    every = corpus.names.keys() | set(corpus.documents.values())
    bare = sorted(corpus.names.get(document, document) for document in every - told)
    return Coverage(
        documents=len(every),
        documents_without=len(bare),
        chunks=len(corpus.documents),
        chunks_without=sum(1 for chunk in corpus.documents if chunk not in full),
        bare=tuple(bare[:TOP]),
    )


def _missing(coverage: Coverage) -> dict[str, float]:
    return {
        "documents_without": _share(coverage.documents_without, coverage.documents),
        "chunks_without": _share(coverage.chunks_without, coverage.chunks),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 0.0
