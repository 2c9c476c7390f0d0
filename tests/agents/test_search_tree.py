"""The policies of searches, without a model: UCB by hand and by brute force, what is steered to, and the baselines."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import pytest

from gristmill.agents.search.policies import (
    Pick,
    Policy,
    Step,
    Tried,
    best,
    best_of,
    in_layers,
    in_sequence,
    last,
    shuffled,
)
from gristmill.agents.search.tree import ROOT, Tree, tree_search
from gristmill.errors import ConfigError

POOL = ("a", "b", "c")
Rewarding = Callable[[int, Step, Sequence[Tried]], float | None]


def searched(policy: Policy, rewarding: Rewarding, seed: str = "task-1") -> list[Tried]:
    """Takes all steps of a policy, each rewarded."""
    tried: list[Tried] = []
    while steps := policy(tried, seed):
        tried += [Tried(step, rewarding(len(tried) + place, step, tried)) for place, step in enumerate(steps)]
    return tried


def grown(
    *steps: tuple[str, int, float | None], exploration: float = 0.5, widening: float = 1.0, depth: int = 9
) -> Tree:
    """A tree of steps, each a writer, the number of the response that it was shown (ROOT for none) and its reward."""
    tree = Tree(POOL, exploration, widening, depth)
    for writer, shown, reward in steps:
        tree.add(Tried(Step(writer, () if shown == ROOT else (shown,)), reward))
    return tree


# by hand


def test_rewards_are_propagated_to_every_node_above() -> None:
    tree = grown(("a", ROOT, 0.2), ("b", ROOT, 0.8), ("b", 1, 0.6), ("c", 2, 1.0), ("a", 1, None))
    counts = {node: (count.visits, count.scored, round(count.total, 9)) for node, count in tree.nodes.items()}
    assert counts == {ROOT: (5, 4, 2.6), 0: (1, 1, 0.2), 1: (4, 3, 2.4), 2: (2, 2, 1.6), 3: (1, 1, 1.0), 4: (1, 0, 0.0)}
    chosen = {place: (count.visits, round(count.total, 9)) for place, count in tree.choices.items()}
    assert chosen == {
        (ROOT, "a"): (1, 0.2),
        (ROOT, "b"): (4, 2.4),
        (1, "b"): (2, 1.6),
        (2, "c"): (1, 1.0),
        (1, "a"): (1, 0),
    }
    assert [tree.level(node) for node in (ROOT, 0, 1, 2, 3)] == [0, 1, 1, 2, 3]


def test_values_are_ucb1_of_stretched_means() -> None:
    """Rewards 0.2 and 0.8 are stretched to 0 and 1; of b's 4 visits one failed, so it has (1 + 2/3 + 4/3 + 0) / 4."""
    tree = grown(("a", ROOT, 0.2), ("b", ROOT, 0.8), ("b", 1, 0.6), ("b", 1, 1.0), ("b", 1, None), exploration=0.7)
    assert (tree.low, tree.high) == (0.2, 1.0)
    of_a = 0.0 + 0.7 * math.sqrt(math.log(5) / 1)
    of_b = (0.75 + 0.5 + 1.0 + 0.0) / 4 + 0.7 * math.sqrt(math.log(5) / 4)
    assert tree.worth_of_writer(ROOT, "a") == pytest.approx(of_a)
    assert tree.worth_of_writer(ROOT, "b") == pytest.approx(of_b)
    assert tree.worth_of_writer(ROOT, "c") == math.inf, "it has written nothing anywhere"
    once = 0.0 + 0.7 * math.sqrt(math.log(5) / 1)
    assert tree.worth_of_writer(1, "a") == pytest.approx(once), "never chosen there: what UCB1 says of it over the tree"
    tree = grown(*[("a", ROOT, 0.2)] * 4, *[("b", 0, 0.8)] * 4, exploration=0.7)
    assert tree.worth_of_writer(0, "a") == pytest.approx(0.7 * math.sqrt(math.log(4) / 1)), "or as of one choice there"


def test_a_tree_of_equal_rewards_has_no_favourite() -> None:
    tree = grown(("a", ROOT, 0.5), ("b", ROOT, 0.5), ("c", ROOT, 0.5))
    assert {tree.worth_of_writer(ROOT, writer) for writer in POOL} == {0.5 + 0.5 * math.sqrt(math.log(3))}
    assert tree.select() == Step("a", (0,)), "the first of equals goes on"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], Step("a")),
        ([("a", ROOT, 0.9)], Step("b")),
        ([("a", ROOT, 0.9), ("b", ROOT, 0.1)], Step("c")),
        # a was chosen once at the root, and has one response there: it is improved on, by a, the best over the tree
        ([("a", ROOT, 0.9), ("b", ROOT, 0.1), ("c", ROOT, 0.2)], Step("a", (0,))),
        # chosen twice, the root of 2 allows it another response
        ([("a", ROOT, 0.9), ("b", ROOT, 0.1), ("c", ROOT, 0.2), ("a", 0, 0.8)], Step("a")),
        # three times: two responses are enough; that of 0.9 and 0.8 is worth more than that of 0.5, and is gone on from
        ([("a", ROOT, 0.9), ("b", ROOT, 0.1), ("c", ROOT, 0.2), ("a", 0, 0.8), ("a", ROOT, 0.5)], Step("a", (3,))),
        # a response that failed is no one's reference
        ([("a", ROOT, None), ("b", ROOT, 0.1), ("c", ROOT, 0.9), ("c", 2, None)], Step("c")),
    ],
)  # fmt: skip
def test_where_the_next_response_is_written(steps: list[tuple[str, int, float | None]], expected: Step) -> None:
    assert grown(*steps, exploration=0.1).select() == expected


def test_improvements_end_at_the_depth() -> None:
    for depth in (1, 2, 3):
        tried = searched(tree_search(POOL, 60, depth=depth, widening=1), lambda number, step, _: 0.5 + number / 1000)
        levels = []
        for one in tried:
            levels.append(1 + (levels[one.step.shown[0]] if one.step.shown else 0))
        assert max(levels) == depth


# by brute force


def children(tried: Sequence[Tried], node: int, writer: str) -> list[int]:
    above = () if node == ROOT else (node,)
    return [number for number, one in enumerate(tried) if one.step.shown == above and one.step.writer == writer]


def under(tried: Sequence[Tried], node: int) -> list[int]:
    """A node and all that came of it, found by looking at every response."""
    return [
        node,
        *itertools.chain.from_iterable(under(tried, child) for w in POOL for child in children(tried, node, w)),
    ]


def told_again(tried: Sequence[Tried], order: Sequence[str], exploration: float, widening: float, depth: int) -> Step:
    """The rule of `search_tree.py` said anew from its docstring: everything is counted from the list of responses."""
    known = [one.reward for one in tried if one.reward is not None]
    low, span = (min(known), max(known) - min(known)) if known else (0.0, 0.0)

    def mean(numbers: list[int]) -> float:
        stretched = [0.0 if (r := tried[n].reward) is None else (r - low) / span if span else 0.5 for n in numbers]
        return sum(stretched) / len(stretched)

    def ucb(numbers: list[int], of: int, times: int) -> float:
        return mean(numbers) + exploration * (math.log(of) / times) ** 0.5

    node, level = ROOT, 0
    while True:
        came = {w: [n for child in children(tried, node, w) for n in under(tried, child)] for w in order}
        of = max(1, sum(map(len, came.values())))
        everywhere = {w: [n for n, one in enumerate(tried) if one.step.writer == w] for w in order}
        worth = {
            w: ucb(came[w], of, len(came[w])) if came[w]
            else math.inf if not everywhere[w]
            else max(ucb(everywhere[w], of, 1), ucb(everywhere[w], len(tried), len(everywhere[w])))
            for w in order
        }  # fmt: skip
        writer = max(order, key=lambda w: round(worth[w], 9))
        found = children(tried, node, writer)
        able = [n for n in found if tried[n].reward is not None and level + 1 < depth]
        if not able or len(found) < widening * math.sqrt(len(came[writer])) - 1e-9:
            return Step(writer, () if node == ROOT else (node,))
        node = max(able, key=lambda n: round(ucb(under(tried, n), len(came[writer]), len(under(tried, n))), 9))
        level += 1


@pytest.mark.parametrize("seed", range(12))
def test_the_search_takes_the_steps_of_the_rule_said_anew(seed: int) -> None:
    chance = random.Random(seed)
    exploration, widening, depth = (
        chance.choice([0.0, 0.3, 1.41]),
        chance.choice([0.0, 1.0, 2.0]),
        chance.choice([2, 3, 5]),
    )
    policy = tree_search(POOL, 40, exploration=exploration, widening=widening, depth=depth)
    order = shuffled(POOL, f"task-{seed}")

    def rewarding(number: int, step: Step, tried: Sequence[Tried]) -> float | None:
        assert step == told_again(tried, order, exploration, widening, depth), number
        return None if chance.random() < 0.1 else chance.random()

    assert len(searched(policy, rewarding, f"task-{seed}")) == 40


@pytest.mark.parametrize("seed", range(8))
def test_a_long_search_finds_the_best_of_all_sequences(seed: int) -> None:
    """Each sequence of three writers at most has a reward of its own, listed by brute force."""
    chance = random.Random(seed)
    worth = {path: chance.random() for length in (1, 2, 3) for path in itertools.product(POOL, repeat=length)}

    def path(number: int, tried: Sequence[Tried]) -> tuple[str, ...]:
        step = tried[number].step
        return (*(path(step.shown[0], tried) if step.shown else ()), step.writer)

    def rewarding(number: int, step: Step, tried: Sequence[Tried]) -> float:
        return worth[path(number, [*tried, Tried(step, None)])]

    tried = searched(tree_search(POOL, 300, depth=3, exploration=1.41, widening=0), rewarding, f"task-{seed}")
    found = best(tried)
    assert found is not None
    assert tried[found].reward == max(worth.values())


# what it is for


def world(seed: int, strengths: dict[str, float], spread: float = 0.15) -> Rewarding:
    """Responses around their writer's strength; a reference draws them a third of the way to its own reward."""

    def rewarding(number: int, step: Step, tried: Sequence[Tried]) -> float:
        chance = random.Random(f"{seed} {number} {step}")
        own = chance.gauss(strengths[step.writer], spread)
        shown = [tried[one].reward or 0.0 for one in step.shown]
        return min(1.0, max(0.0, own if not shown else (2 * own + max(shown)) / 3 + 0.02))

    return rewarding


def share(tried: Sequence[Tried], writer: str) -> float:
    return fmean(one.step.writer == writer for one in tried)


def test_rewards_steer_to_the_better_model_of_each_prompt() -> None:
    policy = tree_search(POOL, 24)
    for better in POOL:
        strengths = {writer: 0.7 if writer == better else 0.4 for writer in POOL}
        shares = [share(searched(policy, world(s, strengths), f"task-{s}"), better) for s in range(60)]
        assert fmean(shares) > 0.6, better
        late = [searched(policy, world(s, strengths), f"task-{s}")[12:] for s in range(60)]
        assert fmean(share(one, better) for one in late) > fmean(shares), "more the more is known"
    same = [share(searched(policy, world(s, dict.fromkeys(POOL, 0.5)), f"task-{s}"), "a") for s in range(200)]
    assert 0.25 < fmean(same) < 0.42, "without a better one, none is preferred"


def test_no_exploration_stays_and_much_exploration_spreads() -> None:
    shares = {
        c: fmean(share(searched(tree_search(POOL, 24, exploration=c), world(s, {"a": 0.6, "b": 0.5, "c": 0.4})), "a")
                 for s in range(80))
        for c in (0.2, 20.0)
    }  # fmt: skip
    assert shares[0.2] > 0.45
    assert abs(shares[20.0] - 1 / 3) < 0.05


def reached(policy: Policy, pick: Pick = best, prompts: int = 300) -> tuple[float, set[int]]:
    """The mean reward of what a policy picks, over prompts each of which has another best writer; its responses."""
    rewards, spent = [], set()
    for seed in range(prompts):
        strengths = dict(zip(POOL, random.Random(seed).sample([0.35, 0.5, 0.65], 3), strict=True))
        tried = searched(policy, world(seed, strengths), f"task-{seed}")
        chosen = pick(tried)
        assert chosen is not None
        rewards.append(tried[chosen].reward or 0.0)
        spent.add(len(tried))
    return fmean(rewards), spent


def test_at_an_equal_budget_the_tree_search_reaches_more_than_the_baselines() -> None:
    """300 prompts of fixed seeds: the standard error of each mean is below 0.01."""
    found = {
        "tree": reached(tree_search(POOL, 13)),
        "wide tree": reached(tree_search(POOL, 13, width=4)),
        "best of n": reached(best_of(POOL, 13)),
        "sequence": reached(in_sequence(POOL, 13)),
        "mixture": reached(in_layers(POOL, 4, "a"), last),
        "best of mixture": reached(in_layers(POOL, 4, "a")),
    }
    assert all(spent == {13} for _, spent in found.values())
    tree = found["tree"][0]
    assert tree > found["best of n"][0] + 0.02
    assert tree > found["sequence"][0] + 0.05
    assert tree > found["best of mixture"][0] + 0.02 > found["mixture"][0]
    assert tree > found["wide tree"][0] > found["sequence"][0]


# several steps at once, and again


def test_steps_at_once_go_to_different_places_and_use_up_the_budget() -> None:
    policy = tree_search(POOL, 14, width=4)
    tried: list[Tried] = []
    sizes = []
    while steps := policy(tried, "task-1"):
        sizes.append(len(steps))
        if len(tried) < 4:
            assert Counter(step.writer for step in steps).most_common(1)[0][1] == 2, "all writers begin"
        tried += [Tried(step, 0.5 + 0.01 * (step.writer == "b")) for step in steps]
    assert sizes == [4, 4, 4, 2]
    shown = {number for one in tried for number in one.step.shown}
    assert all(number < len(tried) for number in shown)


@pytest.mark.parametrize(
    "policy",
    [
        tree_search(POOL, 12),
        tree_search(POOL, 12, width=3),
        best_of(POOL, 6),
        in_sequence(POOL, 6),
        in_layers(POOL, 2, "z"),
    ],
    ids=["tree", "wide", "best of", "sequence", "layers"],
)
def test_a_search_that_is_told_the_same_goes_the_same_way_from_any_place(policy: Policy) -> None:
    def rewarding(number: int, step: Step, tried: Sequence[Tried]) -> float:
        return random.Random(f"{number} {step.writer} {step.shown}").random()

    whole = searched(policy, rewarding)
    assert whole == searched(policy, rewarding)
    starts: list[list[Tried]] = []
    tried: list[Tried] = []
    while steps := policy(tried, "task-1"):
        starts.append(list(tried))
        tried += whole[len(tried) : len(tried) + len(steps)]
    for start in starts:
        steps = list(policy(start, "task-1"))
        assert steps == [one.step for one in whole[len(start) : len(start) + len(steps)]]
    orders = {tuple(step.writer for step in policy([], f"task-{seed}")) for seed in range(30)}
    assert len(orders) > 1 or policy([], "task-1")[0].writer == "a", "chance hangs on the task"


# the baselines


def always(value: float | None) -> Rewarding:
    return lambda number, step, tried: value


def test_best_of_n_writes_all_at_once_by_writers_drawn_at_random() -> None:
    assert best_of(["a"], 5)([], "x") == [Step("a")] * 5
    drawn = Counter(step.writer for seed in range(200) for step in best_of(POOL, 6)([], f"task-{seed}"))
    assert drawn.total() == 1200
    assert all(330 < count < 470 for count in drawn.values())


def test_a_sequence_shows_the_newest_response_that_there_is() -> None:
    tried = searched(in_sequence(["a", "b"], 5), lambda number, step, _: None if number in (0, 2) else 0.5)
    assert [one.step.shown for one in tried] == [(), (), (1,), (1,), (3,)]
    writers = [one.step.writer for one in tried]
    assert writers[0] != writers[1]
    assert writers[::2] == [writers[0]] * 3


def test_layers_show_all_of_the_layer_before_and_the_aggregator_writes_last() -> None:
    tried = searched(in_layers(POOL, 2, "z"), always(0.5))
    assert [one.step for one in tried] == [
        *(Step(writer) for writer in POOL),
        *(Step(writer, (0, 1, 2)) for writer in POOL),
        Step("z", (3, 4, 5)),
    ]
    lost = searched(in_layers(POOL, 2, "z"), lambda number, step, _: None if number in (1, 3, 4, 5) else 0.5)
    assert [one.step.shown for one in lost] == [(), (), (), (0, 2), (0, 2), (0, 2), (0, 2)]
    assert searched(in_layers(POOL, 1, "z"), always(None))[-1] == Tried(Step("z"), None)


def test_what_is_picked() -> None:
    tried = [Tried(Step("a"), reward) for reward in (0.3, 0.9, 0.9, 0.1, None)]
    assert (best(tried), last(tried)) == (1, 3)
    assert (best(tried[4:]), last(tried[4:]), best([]), last([])) == (None,) * 4


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tree_search(["a"], 5), r"writers is \['a'\]; give the names of 2 roles at least"),
        (lambda: tree_search(["a", "a"], 5), "writers names 'a' twice"),
        (lambda: best_of([], 5), "give the names of 1 roles at least"),
        (lambda: best_of("writer", 5), "writers is 'writer'"),
        (lambda: tree_search(POOL, 0), "responses is 0; give 1 or more"),
        (lambda: tree_search(POOL, 5, width=0), "width is 0"),
        (lambda: tree_search(POOL, 5, widening=math.nan), "widening is nan; give 0 or more"),
        (lambda: tree_search(POOL, 5, exploration=-1), "exploration is -1"),
        (lambda: in_layers(POOL, 0, "z"), "layers is 0"),
    ],
)
def test_what_cannot_work_is_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
