"""`uncertainty`: facts by a score each, such as how little of them a model knows (see `judging`)."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ...errors import ConfigError
from .anchors import Begun, check_inner
from .base import Foreseen, Opening, RootByRoot, SamplerKind, Strategy
from .draws import Group
from .judging import read_scores
from .numbered import Numbered
from .roots import NONE, InOrder, Weighted
from .weights import Weigh


class UncertaintyOptions(Begun):
    """Options of `uncertainty`.

    order:  `highest` scores first, `lowest` first, or by chance in proportion to the score (`weighted`).
    draw:   empty for the facts themselves: the two entities of a relation, or an entity; or the name of a sampler that
            begins at the entities of those facts.
    scores: a file of them, as `write_scores` writes it; scores that are given to `draws` win.
    """

    may_be_empty: ClassVar[frozenset[str]] = frozenset({"draw"})

    order: Literal["highest", "lowest", "weighted"] = "highest"
    draw: str = ""
    scores: Path | None = Field(default=None)


class _Facts(RootByRoot):
    """Two entities come once, with the best of their facts."""

    mend = "no fact that has a score is in this graph: make scores of this graph's relations, with `score_facts`"

    def __init__(self, options: UncertaintyOptions, opening: Opening, facts: list[tuple[Group, float]]) -> None:
        super().__init__(opening.graph)
        self._groups = [group for group, _ in facts]
        places = range(len(facts))
        if options.order == "weighted":
            weigh = opening.weight(opening.graph)
            scores = [score for _, score in facts]
            groups = self._groups
            roots = Weighted(
                places, lambda place: scores[place] * max(map(weigh, groups[place])), opening.rng
            )  # fmt: skip
            self._root = roots.pick if opening.repeats else roots.take
        else:
            self._root = InOrder(places).take

    def propose(self) -> Group | None:
        place = self._root()
        return None if place == NONE else self._groups[place]


NO_SCORES = (
    "sampler 'uncertainty' draws facts by their scores and has none; give {where} with a file that `write_scores` "
    "wrote; `score_facts` makes them of a run's graph"
)


def _check(options: UncertaintyOptions, foreseen: Foreseen) -> None:
    if options.scores is None:
        raise ConfigError(NO_SCORES.format(where='the option scores = "scores.jsonl"'))
    if not read_scores(options.scores):
        raise ConfigError(f"sampler 'uncertainty': scores '{options.scores}' has no score; `score_facts` makes them")
    if options.draw:
        check_inner(options, foreseen)


def _open(options: UncertaintyOptions, opening: Opening) -> Strategy:
    scores = opening.scores
    if not scores and options.scores is not None:
        scores = read_scores(options.scores)
    if not scores:
        raise ConfigError(NO_SCORES.format(where="draws(..., scores=...), or the option scores"))
    facts = _facts(opening, scores, chosen=None if opening.chosen is None else frozenset(opening.chosen))
    facts.sort(key=lambda fact: (fact[1] if options.order == "lowest" else -fact[1], fact[0]))
    if not options.draw:
        return _Facts(options, opening, _firsts(facts))
    numbers = dict.fromkeys(number for group, _ in facts for number in group)
    if options.order != "weighted":
        return options.inner().open(replace(opening, chosen=array("i", numbers), ordered=True))
    best: dict[int, float] = {}
    for group, score in facts:
        for number in group:
            best.setdefault(number, score)

    def by_score(graph: Numbered) -> Weigh:
        below = opening.weight(graph)
        return lambda number: best.get(number, 0.0) * below(number)

    return options.inner().open(replace(opening, chosen=array("i", sorted(best)), weight=by_score))


def _facts(opening: Opening, scores: Mapping[str, float], chosen: frozenset[int] | None) -> list[tuple[Group, float]]:
    """Returns the groups of the facts that the graph has, each with its score."""
    graph, found = opening.graph, []
    for fact, score in scores.items():
        if not isfinite(score) or score < 0:
            raise ConfigError(f"the score of fact '{fact}' is {score}; scores are finite and not negative")
        relation, entity = graph.relation_number(fact), graph.number(fact)
        if relation >= 0:
            group: Group = tuple(sorted({graph.sources[relation], graph.targets[relation]}))
        elif entity >= 0:
            group = (entity,)
        else:
            continue
        if chosen is None or not chosen.isdisjoint(group):
            found.append((group, score))
    return found


def _firsts(facts: list[tuple[Group, float]]) -> list[tuple[Group, float]]:
    """Leaves each group once, with its first score."""
    firsts: dict[Group, float] = {}
    for group, score in facts:
        firsts.setdefault(group, score)
    return list(firsts.items())


UNCERTAINTY = SamplerKind("uncertainty", "facts by a score each: those a model knows least", UncertaintyOptions, _open,
                          _check)  # fmt: skip
