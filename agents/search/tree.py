"""TOA's policy: a Monte Carlo tree search over which model writes next, and by which response. It makes no call.

A node is a response, the root is the prompt. At a node UCB1 (Auer et al. 2002) chooses the writer: the mean reward of
what came of choosing it there, and `exploration` times the root of ln N / n. Where the writer has fewer than
`widening` times the root of n responses under the node, it writes another (progressive widening, Coulom 2007); else
UCB1 chooses one of them, and the search goes on there. The mean counts a response and all that came of it.

Three choices make this work with few responses and with judges whose scores crowd: rewards are stretched between the
lowest and the highest of the tree (as Schrittwieser et al. 2020 do); a writer that was never chosen at a node is worth
there what UCB1 says of it over the whole tree, and at least its mean there as of one choice here, since to try each at
each node would be a blind search (first-play urgency, Gelly and Wang 2006); what failed, or is on its way, counts as
the lowest reward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...errors import ConfigError
from .policies import Policy, Step, Tried, require_writers, shuffled

ROOT = -1


@dataclass(slots=True)
class Count:
    """What came of a choice so far: `visits` responses, of which `scored` have rewards, `total` their sum."""

    visits: int = 0
    scored: int = 0
    total: float = 0.0

    def add(self, reward: float | None) -> None:
        self.visits += 1
        if reward is not None:
            self.scored += 1
            self.total += reward


@dataclass(slots=True)
class Tree:
    """The responses so far with their counts; `order` is the pool of writers, of whom the first wins a tie."""

    order: Sequence[str]
    exploration: float
    widening: float
    depth: int
    tried: list[Tried] = field(default_factory=list)
    nodes: dict[int, Count] = field(default_factory=lambda: {ROOT: Count()})
    choices: dict[tuple[int, str], Count] = field(default_factory=dict)
    children: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    writers: dict[str, Count] = field(default_factory=dict)
    low: float = math.inf
    high: float = -math.inf

    def add(self, one: Tried) -> None:
        """Takes a step with its reward, None while it is on its way, and back-propagates it to the root."""
        number, writer = len(self.tried), one.step.writer
        self.tried.append(one)
        self.nodes[number] = Count()
        self.children.setdefault((self.parent(number), writer), []).append(number)
        self.writers.setdefault(writer, Count()).add(one.reward)
        if one.reward is not None:
            self.low, self.high = min(self.low, one.reward), max(self.high, one.reward)
        node = number
        while node != ROOT:
            self.nodes[node].add(one.reward)
            place = (self.parent(node), self.tried[node].step.writer)
            self.choices.setdefault(place, Count()).add(one.reward)
            node = place[0]
        self.nodes[ROOT].add(one.reward)

    def parent(self, number: int) -> int:
        """The response that `number` was written by, or the root."""
        shown = self.tried[number].step.shown
        return shown[0] if shown else ROOT

    def level(self, node: int) -> int:
        """How many responses stand between a node and the root, itself included."""
        return 0 if node == ROOT else 1 + self.level(self.parent(node))

    def select(self) -> Step:
        """Walks down from the root to where the next response is worth most."""
        node = ROOT
        while True:
            writer = max(self.order, key=lambda one: self.worth_of_writer(node, one))
            child = self.down((node, writer))
            if child is None:
                return Step(writer, () if node == ROOT else (node,))
            node = child

    def down(self, place: tuple[int, str]) -> int | None:
        """The child to go on from where a writer was chosen at a node; None where it is to write another response."""
        children = self.children.get(place, [])
        visits = self.choices[place].visits if children else 0
        if len(children) ** 2 < self.widening**2 * visits:
            return None
        able = [one for one in children if self.tried[one].reward is not None and self.level(one) < self.depth]
        return max(able, key=lambda one: self.ucb(self.nodes[one], visits), default=None)

    def worth_of_writer(self, node: int, writer: str) -> float:
        """The UCB1 value of choosing a writer at a node; infinite for one that has written nothing anywhere."""
        here = sum(self.choices[place].visits for one in self.order if (place := (node, one)) in self.choices)
        found = self.choices.get((node, writer))
        if found is not None:
            return self.ucb(found, here)
        anywhere = self.writers.get(writer)
        if anywhere is None:
            return math.inf
        return self.value(anywhere) + max(self.bonus(here, 1), self.bonus(len(self.tried), anywhere.visits))

    def ucb(self, count: Count, visits: int) -> float:
        """The UCB1 value of a choice, of the `visits` that its alternatives and it had."""
        return self.value(count) + self.bonus(visits, count.visits)

    def bonus(self, visits: int, own: int) -> float:
        return self.exploration * math.sqrt(math.log(max(1, visits)) / own)

    def value(self, count: Count) -> float:
        """The mean reward in [0, 1], stretched between the tree's lowest and highest; 1/2 where these are equal."""
        if self.high > self.low:
            return (count.total - count.scored * self.low) / (self.high - self.low) / count.visits
        return count.scored / count.visits / 2


def tree_search(
    writers: Sequence[str],
    responses: int,
    *,
    exploration: float = 0.2,
    widening: float = 2.0,
    depth: int = 4,
    width: int = 1,
) -> Policy:
    """Returns the policy of a search that writes `responses` responses.

    Args:
        exploration: the constant of UCB1, for rewards stretched to [0, 1]; the root of 2 is the one of its proof.
        widening: how many responses a writer writes by the same one: so many times the root of how often it was chosen
            there, and 1 at least. With 0 it is always 1, until the depth is reached: the textbook's tree.
        depth: most responses that build on each other, the first included.
        width: how many steps are taken at once. Each counts as the lowest reward until it has its own (virtual loss),
            so the others go elsewhere. With more than 1 a search is faster and less informed.

    Raises:
        ConfigError: fewer than two writers, or a number out of its range.
    """
    pool = require_writers(writers, 2)
    for name, value in (("responses", responses), ("depth", depth), ("width", width)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; give 1 or more")
    for name, number, usual in (("exploration", exploration, "0.2 to 1.5"), ("widening", widening, "1 to 3")):
        if not 0 <= number < math.inf:
            raise ConfigError(f"{name} is {number}; give 0 or more, usually {usual}")

    def plan(tried: Sequence[Tried], seed: str) -> Sequence[Step]:
        tree = Tree(shuffled(pool, seed), exploration, widening, depth)
        for one in tried:
            tree.add(one)
        steps = []
        for _ in range(min(width, responses - len(tried))):
            steps.append(tree.select())
            tree.add(Tried(steps[-1], None))
        return steps

    return plan
