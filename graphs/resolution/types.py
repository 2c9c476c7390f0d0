"""Which types may be those of one entity. Homonyms are told apart by this: Mercury the planet and the element.

A type that nobody gave, and a schema's fallback, fit every type. The types of the default schema that models confuse
are near each other; any other two contradict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum

from ...agents.extraction.schema import DEFAULT, GraphSchema, type_key
from ...errors import ConfigError

# Each line: types that extractors give to one and the same thing.
NEAR: tuple[frozenset[str], ...] = tuple(
    frozenset(line.split())
    for line in (
        "organization place",  # a university, an embassy, a state that acts
        "organization person",  # a band, a people
        "organization product",  # a company and what it sells under its name
        "organization event",  # a conference
        "organization work",  # a newspaper
        "event time",
        "event work",  # a treaty
        "time quantity",
        "work product",
        "work method",
        "product method",  # software
        "product substance",
        "method field",
        "organism substance",  # yeast, wheat
        "field event",
    )
)


class Fit(IntEnum):
    """How two types go together."""

    CONFLICT = 0
    OPEN = 1  # one of them says nothing
    NEAR = 2
    SAME = 3


@dataclass(frozen=True)
class Types:
    """The table of a schema. `near` are sets of type keys that may be given to one thing."""

    fallback: str
    near: tuple[frozenset[str], ...] = NEAR

    @staticmethod
    def check_near(schema: GraphSchema, near: Iterable[Sequence[str]]) -> None:
        """Raises `ConfigError` for a line of fewer than two types, or a type that the schema has not."""
        known = {type_key(kind.name): kind.name for kind in schema.entity_types}
        for line in near:
            for name in line:
                if type_key(name) not in known:
                    meant = get_close_matches(type_key(name), known, n=1)
                    mend = f"; did you mean '{known[meant[0]]}'?" if meant else ""
                    raise ConfigError(
                        f"graph.resolution.near_types has '{name:.80}', which is no entity type of this graph{mend} "
                        f"(there are: {', '.join(known.values())})"
                    )
            if len({type_key(name) for name in line}) < 2:
                raise ConfigError(
                    f"graph.resolution.near_types has {list(line)}; a line needs two types that one thing may have"
                )

    @classmethod
    def of(cls, schema: GraphSchema = DEFAULT, near: Iterable[Sequence[str]] = ()) -> Types:
        """Makes the table of a schema; `near` adds to the built-in lines, names in any spelling."""
        added = tuple(frozenset(type_key(name) for name in line) for line in near)
        return cls(type_key(schema.entity_type("")[0]), (*NEAR, *added))

    def fit(self, left: str, right: str) -> Fit:
        """Returns how two types, as keys, go together; "" is the type that nobody gave."""
        if left == right:
            return Fit.SAME
        if self.is_open(left) or self.is_open(right):
            return Fit.OPEN
        if any(left in line and right in line for line in self.near):
            return Fit.NEAR
        return Fit.CONFLICT

    def is_open(self, kind: str) -> bool:
        """Whether a type says nothing: nobody gave it, or it is the fallback."""
        return not kind or kind == self.fallback
