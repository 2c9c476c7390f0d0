"""A population that evolves: seeds and accepted items, by generation and colony, as the books have them.

All is read from what tasks ended with, so a resumed campaign goes on with the same members. Members stand in memory as
numbers, eight bytes each; their texts are read when they are drawn.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...storage.records import Chunk, Item, Status, Task
from .base import PlanView
from .ends import Ends

GENERATION, STEP, COLONY, CHILD, OPERATOR = "generation", "step", "colony", "child", "operator"
Place = tuple[int, str, int]  # step, colony, child: where in its generation a task stands


def place_of(made: Task | Item) -> Place:
    """Returns the place of a task, or of what it ended with."""
    return int(made.attributes[STEP]), str(made.attributes[COLONY]), int(made.attributes[CHILD])


@dataclass(frozen=True)
class Member:
    """What an operator works on: the id of a chunk, for a seed, or of an item; an instruction."""

    id: str
    text: str
    seed: bool = False


@dataclass
class _Born:
    """What ended of one generation: all places, and the survivors as (item id, number) by step, colony."""

    places: set[Place] = field(default_factory=set)
    survivors: dict[tuple[int, str], list[tuple[str, int]]] = field(default_factory=dict)


class Population:
    """The members that operators draw from.

    `text` is the field of an item that is its instruction. Tasks carry `generation` (from 1, as text), `step`,
    `colony` and `child` among their attributes.
    """

    def __init__(self, view: PlanView, seeds: Sequence[Chunk], text: str) -> None:
        self._view, self._seeds, self._text = view, seeds, text
        self._ends = Ends(view)
        self._born: dict[int, _Born] = {}
        self._merged = array("q")  # survivors of all generations that were merged
        self.accepted: Counter[str] = Counter()  # operator → survivors of merged generations
        self._operators: dict[int, Counter[str]] = {}
        self.last = 1  # the last generation of which a task has ended
        self.look()

    def look(self) -> None:
        """Takes in what ended since the last look."""
        for number, item in self._ends.new():
            if isinstance(born := item.attributes.get(GENERATION), str) and born.isdecimal():
                self._take(int(born), number, item)

    def _take(self, generation: int, number: int, item: Item) -> None:
        if generation > self.last:
            self.last = generation
            self.merge(before=generation)
        born = self._born.setdefault(generation, _Born())
        step, colony, _ = place = place_of(item)
        born.places.add(place)
        if item.status is Status.ACCEPTED:
            born.survivors.setdefault((step, colony), []).append((item.id, number))
            self._operators.setdefault(generation, Counter())[str(item.attributes[OPERATOR])] += 1

    def merge(self, before: int) -> None:
        """Makes the survivors of all generations before `before` members for every colony.

        Their order is that of their ids, which hang on their tasks alone, and not on which was ready first.
        """
        for generation in sorted(one for one in self._born if one < before):
            born = self._born.pop(generation)
            found = [one for some in born.survivors.values() for one in some]
            self._merged.extend(number for _, number in sorted(found))
            self.accepted.update(self._operators.pop(generation, {}))

    def has_ended(self, generation: int, place: Place) -> bool:
        """Whether the task at a place of a generation that is not merged has ended."""
        return generation in self._born and place in self._born[generation].places

    def all_ended(self, generation: int, tasks: Mapping[str, Place]) -> bool:
        """Whether the tasks of a generation, by their places, have ended, but for those that were never planned.

        The books may have a task under another id than it was drawn with: what stands at its place is it.
        """
        self.look()
        return all(
            self.has_ended(generation, place) or not self._view.is_planned(task) for task, place in tasks.items()
        )

    def visible(self, generation: int, step: int, colony: str) -> Members:
        """Returns what a colony sees in a step: the seeds, what was merged, and its own survivors of earlier steps."""
        born = self._born.get(generation, _Born())
        own = [one for place, some in born.survivors.items() if place[1] == colony and place[0] < step for one in some]
        return Members(self, self._merged, [number for _, number in sorted(own)])

    def seed(self, place: int) -> Member:
        """Returns the seed at a place, as a member."""
        return Member(self._seeds[place].id, self._seeds[place].text.strip(), seed=True)

    def survivor(self, number: int) -> Member:
        """Returns the item of a number, as a member."""
        item = self._view.ended.at(number)
        return Member(item.id, str(item.fields.get(self._text, "")))

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self._seeds)


@dataclass(frozen=True)
class Members:
    """A sequence of members, read one by one."""

    population: Population
    merged: Sequence[int]
    own: Sequence[int]

    def __len__(self) -> int:
        return self.population.seeds + len(self.merged) + len(self.own)

    def __getitem__(self, place: int) -> Member:
        seeds = self.population.seeds
        if place < seeds:
            return self.population.seed(place)
        place -= seeds
        number = self.merged[place] if place < len(self.merged) else self.own[place - len(self.merged)]
        return self.population.survivor(number)
