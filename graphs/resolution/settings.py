"""The settings of resolution, and what it gives: membership, joins with their reasons, refusals, doubts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Self

from pydantic import Field, model_validator

from ...storage.records import Record

RULE = "rule"


class ResolutionSettings(Record):
    """How resolution decides.

    same:            the score from which rules join a pair.
    different:       the score below which a pair is not even doubted; between the two lies the grey zone.
    floor:           the least score of the worst pair of two clusters that are joined for their similarity.
    use_model:       ask the model of the role `resolver` about the grey zone.
    max_model_pairs: how many pairs it is asked about at most, the most likely first.
    near_types:      lists of entity types that may be given to one thing, besides the built-in ones.
    alike:           the cosine from which two names are one by their vectors; 0 asks no embedder.
    embedder:        what makes the vectors: a model's name, `hashed`, or `sentence-transformers:` and a model.
    off:             every name is an entity of its own, but for types that contradict nothing.
    """

    same: float = Field(default=0.85, gt=0, le=1)
    different: float = Field(default=0.55, gt=0, le=1)
    floor: float = Field(default=0.5, ge=0, le=1)
    use_model: bool = False
    max_model_pairs: int = Field(default=200, ge=0)
    near_types: tuple[tuple[str, ...], ...] = ()
    alike: float = Field(default=0.0, ge=0, le=1)
    embedder: str = Field(default="hashed", min_length=1)
    off: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.different > self.same:
            raise ValueError(f"different {self.different} must not be above same {self.same}")
        return self


@dataclass(frozen=True, slots=True, order=True)
class Join:
    """Two references that were put together. `by` is `rule`, `person:NAME`, or a model and the prompt's version."""

    left: str
    right: str
    score: float
    reason: str
    by: str = RULE


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """A join that the scores asked for and a guard refused.

    `reason` is why it was asked for; `why` is what refused it: `types`, `numbers`, `opposites`, `letters`,
    `qualifiers`, `given names`, `ruling` (a decision keeps them apart), `chain` (the worst pair is below the floor),
    or `ambiguous` (the short name could be several).
    """

    left: str
    right: str
    score: float
    reason: str
    why: str


@dataclass(frozen=True, slots=True, order=True)
class Doubt:
    """A pair of the grey zone whose two references are in different entities: for a model, or for a person."""

    left: str
    right: str
    score: float
    reason: str


@dataclass(frozen=True)
class Resolution:
    """Which references are one entity.

    `membership` maps every reference id, and the ids of parts whose division was taken back, to the id of its entity:
    that of its representative. Joins, refusals and doubts are sorted. `counts` are `references` and `entities`.
    """

    membership: Mapping[str, str]
    joins: tuple[Join, ...] = ()
    refused: tuple[Refusal, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def members(self) -> Mapping[str, tuple[str, ...]]:
        """Returns the references of each entity, sorted, by entity id."""
        found: dict[str, list[str]] = {}
        for reference in sorted(self.membership):
            found.setdefault(self.membership[reference], []).append(reference)
        return {entity: tuple(references) for entity, references in sorted(found.items())}

    def as_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values; `membership` without those that are the entity themselves."""
        return {
            "membership": {id: entity for id, entity in self.membership.items() if id != entity},
            "joins": _rows(self.joins),
            "refused": _rows(self.refused),
            "doubts": _rows(self.doubts),
            "counts": dict(self.counts),
        }


def _rows(decisions: Sequence[Join] | Sequence[Refusal] | Sequence[Doubt]) -> list[dict[str, Any]]:
    """What `asdict` gives of each, without its copies: there are tens of thousands."""
    if not decisions:
        return []
    names = [one.name for one in fields(decisions[0])]
    return [dict(zip(names, values, strict=True)) for values in map(attrgetter(*names), decisions)]
