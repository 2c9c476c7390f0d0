"""Resolution: a pure function of references, rulings and settings, and the structure that brings it up to date.

A component is what likely pairs and rulings hold together, directly or over others. It is decided from its own
references alone, so an update decides anew only the components of the references that changed and of those whose
candidate pairs changed with them. That gives the same as starting from nothing (a property test holds it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence

from ...errors import ConfigError
from ...storage.rulings import Ruled as Action
from ...storage.rulings import Ruling, in_force, ordered
from .blocking import Blocks, Vector
from .clusters import Clusters, Component, Pair, Ruled, holds_together
from .references import Reference
from .scoring import Kind, Score, Scorer
from .settings import Doubt, Join, Refusal, Resolution, ResolutionSettings
from .types import Types


def resolve(
    references: Mapping[str, Reference],
    rulings: Iterable[Ruling] = (),
    settings: ResolutionSettings | None = None,
    *,
    types: Types | None = None,
    vectors: Mapping[str, Vector] | None = None,
) -> Resolution:
    """Decides which references are one entity; all orders of the same input give the same.

    `references` are by id, gathered with the divisions among the rulings in force. `types` is the table of the
    schema's types, that of the default schema when not given. `vectors` are embeddings by reference id, for as many as
    there are: they bring up pairs that no letters do, and those are doubts, never joins.

    To bring a resolution up to date keep a `Resolver` in place of calling this again.
    """
    resolver = Resolver(settings, types=types, vectors=vectors)
    resolver.update(references, rulings)
    return resolver.resolution()


class Resolver:
    """A resolution that can be brought up to date.

    `update` takes the references that are new or changed (None for one that is gone) and all rulings; give it a
    changed document's references, gathered anew. `entity_of` and `membership` then say what is true now. Embeddings of
    different lengths raise `ConfigError`.
    """

    def __init__(
        self,
        settings: ResolutionSettings | None = None,
        *,
        types: Types | None = None,
        vectors: Mapping[str, Vector] | None = None,
    ) -> None:
        self.settings = settings or ResolutionSettings()
        self.membership: dict[str, str] = {}
        self.scored = 0
        self.blocks = Blocks(names_only=self.settings.off)
        self._vectors = vectors
        if len({len(vector) for vector in (vectors or {}).values()}) > 1:
            raise ConfigError("embeddings have different lengths; make all of them with one model")
        self._scorer = Scorer(types or Types.of(near=self.settings.near_types), vectors)
        self.touched: set[str] = set()
        """The references whose pairs were scored anew by the last update."""
        self._references: MutableMapping[str, Reference] = {}
        self._edges: MutableMapping[str, dict[str, Score]] = {}
        self._ruled = Ruled({}, frozenset(), {})
        self._ruled_edges: dict[str, set[str]] = {}
        self._rulings: Sequence[Ruling] = ()
        self._components: dict[str, Component] = {}
        self._component_of: dict[str, str] = {}

    def entity_of(self, id: str) -> str | None:
        """Returns the entity of an id that a reference, an entity or a part ever had; None for one that is unknown."""
        return self.membership.get(id)

    def update(self, changed: Mapping[str, Reference | None], rulings: Iterable[Ruling] | None = None) -> set[str]:
        """Takes in what changed; returns the ids of the references whose entity was decided anew.

        `rulings` are all of them, or None where they are as before.
        """
        seeds = self._take(changed)
        if rulings is not None:
            seeds |= self._rule(rulings)
        old = {self._component_of[id] for id in seeds if id in self._component_of}
        for name in old:
            component = self._components.pop(name)
            for id in (id for cluster in component.clusters for id in cluster):
                del self._component_of[id]
                self.membership.pop(id, None)
                seeds.add(id)
        decided: set[str] = set()
        for id in sorted(seeds):
            if id in self._references and id not in decided:
                decided |= self._decide(id)
        for ruling in self._rulings:
            if ruling.divides and ruling.part not in self._references:
                self._follow(ruling)
        return decided

    def scores(self, id: str) -> Mapping[str, Score]:
        """Returns the pairs of a reference that may be one with it, by the other's id."""
        return self._edges.get(id, {})

    def resolution(self) -> Resolution:
        """Returns all that is decided now, sorted."""
        components = self._components.values()
        refused = {(one.left, one.right): one for component in components for one in component.refused}
        doubts = []
        for pair, score in self._apart():
            told = round(score.value, 4)
            if score.veto:
                refused.setdefault(pair, Refusal(*pair, told, score.kind, score.veto))
            if score.value >= self.settings.different and pair not in self._ruled.sources:
                doubts.append(Doubt(*pair, told, score.kind))
        return Resolution(
            membership=dict(sorted(self.membership.items())),
            joins=tuple(sorted(join for one in components for join in one.joins)),
            refused=tuple(sorted(refused.values())),
            doubts=tuple(sorted(doubts)),
            counts={"references": len(self._references), "entities": sum(len(one.clusters) for one in components)},
        )

    def _apart(self) -> Iterator[tuple[Pair, Score]]:
        """The scored pairs whose references are in different entities."""
        for left, others in self._edges.items():
            for right, score in others.items():
                if left < right and self.membership[left] != self.membership[right]:
                    yield (left, right), score

    def _take(self, changed: Mapping[str, Reference | None]) -> set[str]:
        """Brings references, blocks and edges up to date; returns the ids whose edges may be other than before."""
        present = {id: one for id, one in changed.items() if one is not None}
        if self._is_empty:
            self.touched = set(present)
            self._references.update(present)
            self.blocks.fill(present.values(), self._vectors)
            self._score_all()
            return set(present)
        touched = set(changed)
        for id in sorted(changed):
            self._scorer.forget(id)
            reference = changed[id]
            if reference is None:
                touched |= self.blocks.drop(id)
                self._references.pop(id, None)
            else:
                touched |= self.blocks.put(reference, self._vectors)
                self._references[id] = reference
        self.touched = touched
        around = set(touched)
        for id in sorted(touched):
            around |= self._unlink(id)
        pairs = [
            (id, partner)
            for id in sorted(touched)
            if id in self._references
            for partner in sorted(self.blocks.partners(id))
            if partner > id or partner not in touched
        ]
        self._look_up({id for pair in pairs for id in pair})
        for pair in pairs:
            self._score(*pair)
        return around

    @property
    def _is_empty(self) -> bool:
        return not self._references

    def _look_up(self, ids: Iterable[str]) -> None:
        """Is told which references are compared next."""

    def _score_all(self) -> None:
        seen: dict[str, set[str]] = {}
        for left, right in self.blocks.pairs():
            others = seen.setdefault(left, set())
            if right not in others:
                others.add(right)
                self._score(left, right)

    def _score(self, left: str, right: str) -> None:
        self.scored += 1
        score = self._scorer.score(self._references[left], self._references[right])
        if score.value >= self.settings.different or score.kind is Kind.NAME:
            self._edges.setdefault(left, {})[right] = score
            self._edges.setdefault(right, {})[left] = score

    def _unlink(self, id: str) -> set[str]:
        partners = self._edges.pop(id, {})
        for partner in partners:
            self._edges[partner].pop(id, None)
        return set(partners)

    def _rule(self, rulings: Iterable[Ruling]) -> set[str]:
        """Takes the rulings; returns the ends of the pairs on which another decision stands than before."""
        given = ordered(rulings)
        before = self._ruled
        self._rulings = given
        self._ruled = standing(given)
        pairs = [*self._ruled.merges, *self._ruled.splits]
        self._ruled_edges = {}
        for left, right in pairs:
            self._ruled_edges.setdefault(left, set()).add(right)
            self._ruled_edges.setdefault(right, set()).add(left)
        sources = self._ruled.sources
        changed = {pair for pair in {*sources, *before.sources} if sources.get(pair) != before.sources.get(pair)}
        return {id for pair in changed for id in pair}

    def _decide(self, start: str) -> set[str]:
        members, pending = {start}, [start]
        while pending:
            id = pending.pop()
            strong = (near for near, score in self._edges.get(id, {}).items() if holds_together(score, self.settings))
            for near in (*strong, *self._ruled_edges.get(id, ())):
                if near not in members and near in self._references:
                    members.add(near)
                    pending.append(near)
        for id in members:  # what the members were in before is joined now, or decided anew
            self._components.pop(self._component_of.get(id, ""), None)
        component = self._cluster(sorted(members))
        name = min(members)
        self._components[name] = component
        for cluster in component.clusters:
            entity = min(cluster, key=self._rank)
            for id in cluster:
                self.membership[id] = entity
                self._component_of[id] = name
        return members

    def _rank(self, id: str) -> tuple[int, str, str]:
        reference = self._references[id]
        return -reference.weight, reference.key, id

    def _cluster(self, members: Sequence[str]) -> Component:
        if len(members) == 1:
            return Component(((members[0],),))
        inside = set(members)
        scores = {
            (left, right): score
            for left in members
            for right, score in self._edges.get(left, {}).items()
            if left < right and right in inside and holds_together(score, self.settings)
        }
        ruled = Ruled(
            {pair: join for pair, join in self._ruled.merges.items() if pair[0] in inside and pair[1] in inside},
            frozenset(pair for pair in self._ruled.splits if pair[0] in inside),
            self._ruled.sources,
        )
        return Clusters(members, scores, ruled, self.settings, veto=self._veto, rate=self._rate).resolve()

    def _veto(self, left: str, right: str) -> str:
        return self._scorer.veto(self._references[left], self._references[right])

    def _rate(self, left: str, right: str) -> float:
        return self._scorer.score(self._references[left], self._references[right]).value

    def _follow(self, ruling: Ruling) -> None:
        """A part whose division was taken back, or is found no more, leads to what it was a part of."""
        self.membership.pop(ruling.part, None)
        if ruling.left in self.membership:
            self.membership[ruling.part] = self.membership[ruling.left]


def standing(rulings: Iterable[Ruling]) -> Ruled:
    """Returns what stands on each pair: a person's last decision, else a model's last; and what divisions part.

    People's merges come first, the newest before older: where they contradict by way of a third, the later wins. Those
    of models come by score, for when an answer came says nothing about it.
    """
    last: dict[Pair, Ruling] = {}
    for ruling in in_force(rulings):
        for pair in ruling.pairs:
            if pair not in last or ruling.personal or not last[pair].personal:
                last[pair] = ruling
    merged = [(pair, one) for pair, one in last.items() if one.action is Action.MERGE]
    people = [item for item in merged if item[1].personal]
    people.sort(key=lambda item: (item[1].at, item[1].id), reverse=True)
    models = [item for item in merged if not item[1].personal]
    models.sort(key=lambda item: (-item[1].score, item[0]))
    merges = [*people, *models]
    return Ruled(
        {pair: Join(*pair, one.score, one.reason, one.by) for pair, one in merges},
        frozenset(pair for pair, one in last.items() if one.action is Action.SPLIT),
        {pair: one.id for pair, one in last.items()},
    )
