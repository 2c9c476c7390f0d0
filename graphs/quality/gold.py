"""A graph against a gold annotation: entities and relations by precision, recall and F1, names put together by B³.

What is counted is a document's: an entity that three annotated documents have counts three times. Strict is the same
name (by `agents.names.name_key`, any of the entity's names that the document has) and the same type; lenient is any
type, and a name that the other one contains. A found entity stands for one annotated entity at most, so one thing that
stands twice costs precision.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ...agents.extraction.schema import type_key
from ...agents.names import name_key
from ...errors import ConfigError
from ...evals.clustering import Clustering, compare_clusters
from ...storage.records import Record
from ..knowledge.graph import KnowledgeGraph
from .annotation import GoldDocument
from .matching import Known, annotated_in, known_in, matched, meant_by

TOP = 20


class Score(Record):
    """How many of `found` are among the `gold`: `matched`."""

    found: int = 0
    gold: int = 0
    matched: int = 0

    @property
    def precision(self) -> float:
        """Of what was found the share that is right; 1 when nothing was found."""
        return self.matched / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Of what is there the share that was found; 1 when nothing is there."""
        return self.matched / self.gold if self.gold else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.found + self.gold
        return 2 * self.matched / both if both else 1.0

    def __add__(self, other: Score) -> Score:
        return Score(found=self.found + other.found, gold=self.gold + other.gold, matched=self.matched + other.matched)


class GoldScores(Record):
    """Scores over the annotated documents. Those of relations are None where none is annotated.

    `b_cubed` is over the annotated names that the graph has, `unseen` the count of the others. `missed` are annotated
    names that were not found, `extra` found ones that are not annotated, leniently, some of each.
    """

    documents: int
    entities: Score
    entities_lenient: Score
    relations: Score | None
    relations_lenient: Score | None
    b_cubed: Clustering | None
    unseen: int
    missed: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def shares(self) -> dict[str, float]:
        """The F1 of each."""
        found = {"entity_f1": self.entities.f1, "entity_f1_lenient": self.entities_lenient.f1}
        if self.relations is not None and self.relations_lenient is not None:
            found |= {"relation_f1": self.relations.f1, "relation_f1_lenient": self.relations_lenient.f1}
        return found | ({"b_cubed_f1": self.b_cubed.f1} if self.b_cubed else {})


def score_gold(
    graph: KnowledgeGraph,
    gold: Sequence[GoldDocument],
    documents: Mapping[str, str],
    names: Mapping[str, str],
    starts: Mapping[str, int] | None = None,
) -> GoldScores:
    """Scores a graph. `documents` and `starts` are a chunk's document and where it begins there, by chunk id.

    Raises:
        ConfigError: a document of the gold is not among `names`, which are by document id.
    """
    by_name = {name: id for id, name in names.items()}
    chunks: defaultdict[str, list[str]] = defaultdict(list)
    for chunk, document in documents.items():
        chunks[document].append(chunk)
    tally = _Tally()
    for one in gold:
        if one.document not in by_name:
            near = difflib.get_close_matches(one.document, list(by_name), n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"the gold annotates document '{one.document}', which the run does not have{meant}")
        here = chunks[by_name[one.document]]
        tally.add(graph, one, here, known_in(graph, here, starts or {}))
    return tally.scores(len(gold), relations=any(one.relations for one in gold))


class _Tally:
    """Adds up documents."""

    def __init__(self) -> None:
        self.strict = self.lenient = self.stated = self.joined = Score()
        self.found: dict[str, str] = {}
        self.true: dict[str, str] = {}
        self.missed: list[str] = []
        self.extra: list[str] = []
        self.unseen = 0

    def add(self, graph: KnowledgeGraph, gold: GoldDocument, chunks: Sequence[str], known: Mapping[str, Known]) -> None:
        """Scores one document, of these chunks."""
        annotated = annotated_in(gold)
        pairs = matched(known, annotated, strictly=False)
        exact = len(matched(known, annotated, strictly=True))
        self.strict += Score(found=len(known), gold=len(annotated), matched=exact)
        self.lenient += Score(found=len(known), gold=len(annotated), matched=len(pairs))
        stated, joined = _edges(graph, gold, chunks, known, pairs)
        self.stated += stated
        self.joined += joined
        self.missed += sorted(annotated[key].name for key in annotated.keys() - set(pairs.values()))
        self.extra += sorted(one.entity.name for id, one in known.items() if id not in pairs)
        for mention in gold.mentions:
            element = f"{gold.document}#{name_key(mention.text) if mention.start is None else mention.start}"
            id = meant_by(mention, known)
            if id is None:
                self.unseen += 1
            else:
                self.found[element], self.true[element] = id, mention.entity

    def scores(self, documents: int, *, relations: bool) -> GoldScores:
        """Returns what was added up."""
        return GoldScores(
            documents=documents,
            entities=self.strict,
            entities_lenient=self.lenient,
            relations=self.stated if relations else None,
            relations_lenient=self.joined if relations else None,
            b_cubed=compare_clusters(self.found, self.true) if self.found else None,
            unseen=self.unseen,
            missed=tuple(self.missed[:TOP]),
            extra=tuple(self.extra[:TOP]),
        )


def _edges(
    graph: KnowledgeGraph,
    gold: GoldDocument,
    chunks: Sequence[str],
    known: Mapping[str, Known],
    pairs: Mapping[str, str],
) -> tuple[Score, Score]:
    """Scores a document's relations by ends, direction and type, and by their ends alone."""
    here = set(chunks)
    stated: set[tuple[str, str, str]] = set()
    for id in graph.relations_among(known):
        relation = graph.relations[id]
        if not here.isdisjoint(span.chunk for span in relation.mentions):
            source, target = (pairs.get(end, end) for end in (relation.source, relation.target))
            stated.add((source, target, type_key(relation.type)))
    true = {(one.source, one.target, type_key(one.type)) for one in gold.relations}
    joined, meant = ({frozenset(one[:2]) for one in some} for some in (stated, true))
    return (
        Score(found=len(stated), gold=len(true), matched=len(stated & true)),
        Score(found=len(joined), gold=len(meant), matched=len(joined & meant)),
    )
