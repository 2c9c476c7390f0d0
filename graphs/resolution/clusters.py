"""Clusters of one component of pairs: union-find with cannot-links, and guards against chaining.

Joins come in four steps: what was ruled; equal names; similar names, the best first, where the worst pair of the two
clusters is not below the floor (complete linkage, with equal names as one point); short names, where only one cluster
claims them. No join brings together what a ruling keeps apart, or a veto: of clusters with more than `MOST` references
the first `MOST` by id are looked at for vetoes and for the worst pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...storage.rulings import PERSON
from .scoring import EQUAL, SHORT, Score
from .settings import Join, Refusal, ResolutionSettings

MARGIN = 0.05  # by which the best claim on a short name must be ahead of the next
MOST = 40  # references of a cluster that are compared with another's; more are only found in degenerate graphs

Pair = tuple[str, str]


@dataclass(frozen=True)
class Ruled:
    """What rulings say of pairs: the merges in the order in which they are tried, what is kept apart, and by which."""

    merges: Mapping[Pair, Join]
    splits: frozenset[Pair]
    sources: Mapping[Pair, str]


@dataclass(frozen=True)
class Component:
    """What became of a component: the members of each cluster, the joins, and what was refused and stayed apart."""

    clusters: tuple[tuple[str, ...], ...]
    joins: tuple[Join, ...] = ()
    refused: tuple[Refusal, ...] = ()


def holds_together(score: Score, settings: ResolutionSettings) -> bool:
    """Whether a pair can bear on a join: it is one, or a rival to one. All weaker pairs are doubts and nothing else."""
    return not score.veto and score.value > settings.same - MARGIN


class Clusters:
    """The clusters of one component, from its pairs alone."""

    def __init__(
        self,
        ids: Iterable[str],
        scores: Mapping[Pair, Score],
        ruled: Ruled,
        settings: ResolutionSettings,
        *,
        veto: Callable[[str, str], str],
        rate: Callable[[str, str], float],
    ) -> None:
        """`veto` and `rate` judge pairs that were no candidates: what forbids them, and their score."""
        self._members: dict[str, tuple[str, ...]] = {id: (id,) for id in sorted(ids)}
        self._home = {id: id for id in self._members}
        self._point = dict(self._home)  # equal names and what was ruled equal: one point to the similarity of others
        self._bond = self._point
        self._scores, self._ruled, self._settings = scores, ruled, settings
        self._veto, self._rate = veto, rate
        self._rates: dict[Pair, float] = {}
        self._joins: list[Join] = []
        self._refused: dict[Pair, Refusal] = {}

    def resolve(self) -> Component:
        """Decides the component."""
        for pair, join in self._ruled.merges.items():
            self._join(pair, join, point=True)
        self._bond = dict(self._point)
        wanted = [(pair, one) for pair, one in self._ranked() if one.value >= self._settings.same and not one.veto]
        for pair, score in wanted:
            if score.kind in EQUAL:
                self._join(pair, _rule(pair, score), point=True)
        for pair, score in wanted:
            if score.kind not in EQUAL | SHORT:
                self._join(pair, _rule(pair, score), point=False)
        self._join_short_names()
        clusters = tuple(sorted(self._members.values()))
        apart = [one for pair, one in self._refused.items() if self._home[pair[0]] != self._home[pair[1]]]
        return Component(clusters, tuple(sorted(self._joins)), tuple(sorted(apart)))

    def _ranked(self) -> Sequence[tuple[Pair, Score]]:
        return sorted(self._scores.items(), key=lambda item: (-item[1].value, item[0]))

    def _join(self, pair: Pair, join: Join, *, point: bool, short: bool = False) -> None:
        left, right = self._home[pair[0]], self._home[pair[1]]
        if left != right:
            if why := self._against(pair, point=point or short, personal=join.by.startswith(PERSON)):
                self._refused[pair] = Refusal(*pair, join.score, join.reason, why)
                return
            self._unite(left, right)
            self._joins.append(join)
        if point and self._point[pair[0]] != self._point[pair[1]]:
            one, other = sorted((self._point[pair[0]], self._point[pair[1]]))
            for id in self._members[self._home[pair[0]]]:
                if self._point[id] == other:
                    self._point[id] = one

    def _unite(self, left: str, right: str) -> None:
        keep, lose = sorted((left, right))
        self._members[keep] = tuple(sorted(self._members[keep] + self._members.pop(lose)))
        for id in self._members[keep]:
            self._home[id] = keep

    def _against(self, pair: Pair, *, point: bool, personal: bool) -> str:
        """What refuses the join of the clusters of a pair, "" for nothing."""
        lefts, rights = (self._members[self._home[id]] for id in pair)
        if self._ruled.splits and any(_pair(left, right) in self._ruled.splits for left in lefts for right in rights):
            return "ruling"
        if personal:
            return ""
        if why := self._forbidden(lefts[:MOST], rights[:MOST]):
            return why
        if point:
            return ""
        return "chain" if self._too_far(lefts[:MOST], rights[:MOST]) else ""

    def _forbidden(self, lefts: Sequence[str], rights: Sequence[str]) -> str:
        """A veto between the two clusters. Of references that were ruled to be one, one that fits is enough."""
        found: dict[Pair, str] = {}
        for left in lefts:
            for right in rights:
                bonds = self._bond[left], self._bond[right]
                if found.get(bonds, "?"):
                    ruled = _pair(left, right) in self._ruled.merges
                    found[bonds] = "" if ruled else self._veto(left, right)
        return next(filter(None, found.values()), "")

    def _too_far(self, lefts: Sequence[str], rights: Sequence[str]) -> bool:
        """Whether a pair of points is below the floor; a point's score with another is that of its best pair."""
        floor, others = self._settings.floor, list(self._by_point(rights))
        return any(
            all(self._rated(left, right) < floor for left in one for right in other)
            for one in self._by_point(lefts)
            for other in others
        )

    def _by_point(self, ids: Sequence[str]) -> Iterable[list[str]]:
        found: dict[str, list[str]] = {}
        for id in ids:
            found.setdefault(self._point[id], []).append(id)
        return found.values()

    def _rated(self, left: str, right: str) -> float:
        pair = _pair(left, right)
        if (known := self._scores.get(pair)) is not None:
            return known.value
        if pair not in self._rates:
            self._rates[pair] = self._rate(left, right)
        return self._rates[pair]

    def _join_short_names(self) -> None:
        """Joins each short name with the cluster that claims it, if no other does; until nothing changes."""
        claims: dict[str, list[tuple[Pair, Score]]] = {}
        for pair, score in self._ranked():
            if score.kind in SHORT and not score.veto:
                claims.setdefault(self._point[score.short], []).append((pair, score))
        changed = True
        while changed:
            before = len(self._joins)
            for point in sorted(claims, key=lambda id: (-claims[id][0][1].value, id)):
                self._join_short(claims[point])
            changed = len(self._joins) > before

    def _join_short(self, claims: Sequence[tuple[Pair, Score]]) -> None:
        apart = [(pair, score) for pair, score in claims if self._home[pair[0]] != self._home[pair[1]]]
        if not apart or apart[0][1].value < self._settings.same:
            return
        pair, score = apart[0]
        home = self._claimant(pair, score)
        rivals = (one.value for other, one in claims if self._claimant(other, one) != home)
        if score.value - max(rivals, default=0.0) < MARGIN:
            self._refused[pair] = Refusal(*pair, round(score.value, 4), score.kind, "ambiguous")
        else:
            self._refused.pop(pair, None)
            self._join(pair, _rule(pair, score), point=False, short=True)

    def _claimant(self, pair: Pair, score: Score) -> str:
        return self._home[pair[1] if pair[0] == score.short else pair[0]]


def _rule(pair: Pair, score: Score) -> Join:
    return Join(*pair, round(score.value, 4), score.kind)


def _pair(left: str, right: str) -> Pair:
    return (left, right) if left < right else (right, left)
