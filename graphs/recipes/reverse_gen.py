"""`reverse-gen`: queries on which a target model fails, written after those on which it failed before.

One task is a query of a topic, written after queries on which the target failed before, and after your rows where there
are too few. Where the target's answer differs from the reference's, the query is kept with the reference's answer, and
the export `dpo` pairs that with the target's. The roles `reference` and `target` need two models.

After ReverseGen (Li et al. 2024, arXiv:2410.16736), in the form that trains nothing.
Faithful: a proposer starts from seed queries (3 a prompt); a reference says whether each query is valid and answers it;
the target answers; failure is an answer that differs from the reference's, or, for honesty, an entropy over its answers
of 1.193 and more (10 samples); failing queries are kept with the reference's answer; rounds.
Not faithful: the proposer is not trained (there: fine-tuned on seeds, then preference-tuned on failing and other
queries). In its place failing queries are its examples, and a bandit over topics (Thompson sampling over each topic's
rate of failures) says where the next round asks. Thresholds and samples are as known of its code. Safety needs a
guard model of the user's own. Added: pairs of the reference's answer against the target's wrong one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from ...agents.attributes.choices import no_copy
from ...agents.failing import Measure, failing
from ...agents.generator import generator
from ...agents.messages import instruction_response
from ...agents.state import FlowState
from ...agents.verifiers.novelty import novelty
from ...storage.records import Chunk, Item, Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Column, Options, PlanView, lazily
from ..planners.rounds import ROUND, ROUNDS, ended, noted
from ..planners.seeds import chance, rows
from .base import Recipe

NAME = "reverse-gen"
ANY = "any"
RECENT = 4  # times `shots`: of so many newest failures of a topic the examples are drawn


class ReverseGenOptions(Options):
    """Options of `reverse-gen`.

    task:          what the queries are for, in words.
    topic:         the column with a seed query's topic; rows without one are of the topic `any`.
    shots:         examples in a prompt: failing queries of the topic, and seed queries where there are fewer.
    batch:         queries a round.
    rounds:        rounds at most.
    measure:       `answer`: the target fails where it differs from the reference; `entropy`: where it is unsure.
    samples:       answers of the target to each query.
    least_wrong:   share of them that must differ, by `answer`.
    least_entropy: nats that they must have, by `entropy`; needs `samples` of 4 and more.
    """

    task: str = ""
    topic: Annotated[str, Column(needed=False)] = "topic"
    shots: int = Field(default=3, ge=1, le=50)
    batch: int = Field(default=64, ge=1)
    rounds: int = Field(default=10, ge=1)
    measure: Measure = "answer"
    samples: int = Field(default=1, ge=1, le=100)
    least_wrong: float = Field(default=0.5, gt=0, le=1)
    least_entropy: float = Field(default=1.193, gt=0)


@lazily
def plan_reverse_gen(view: PlanView, rng: random.Random, options: ReverseGenOptions) -> Iterator[Task | None]:
    """Draws `batch` queries a round: the first evenly over topics, then where the target was found to fail."""
    seeds: dict[str, list[Chunk]] = {}
    for chunk in rows(view, NAME):
        seeds.setdefault(str(view.meta(chunk).get(options.topic) or ANY).strip(), []).append(chunk)
    start = rng.getrandbits(64)
    for turn in range(options.rounds):
        found = noted(view, turn, lambda at=turn: _learnt(view, sorted(seeds), options, start, at))  # type: ignore[misc]
        for number, topic in enumerate(found["topics"]):
            if topic not in seeds:  # a refresh took its rows, and the round was drawn before
                continue
            draw = chance(NAME, start, turn, number)
            failures = found["failures"].get(topic, [])
            shown = draw.sample(failures, min(options.shots, len(failures)))
            examples = draw.sample(seeds[topic], min(options.shots - len(shown), len(seeds[topic])))
            yield Task.of(
                "query",
                chunks=tuple(chunk.id for chunk in examples),
                attributes={"topic": topic, ROUND: str(turn), "failures": shown},
                seed=turn * options.batch + number,
            )
        yield from ended(view)


def _learnt(
    view: PlanView, topics: Sequence[str], options: ReverseGenOptions, start: int, turn: int
) -> Mapping[str, Any]:
    """The topics of a round's queries, and each topic's newest failures, from what earlier rounds tried."""
    tried = Counter(topic for one in view.notes.get(ROUNDS, {}).values() for topic in one["topics"])
    items = sorted(view.accepted.every(), key=lambda item: (-int(item.attributes[ROUND]), item.id))
    failed = Counter(str(item.attributes["topic"]) for item in items)
    failures: dict[str, list[str]] = {}
    for item in items:
        known = failures.setdefault(str(item.attributes["topic"]), [])
        if len(known) < RECENT * options.shots:
            known.append(_query(item))
    drawn = [topics[number % len(topics)] for number in range(options.batch)]
    if tried:
        drawn = [_likeliest(topics, tried, failed, chance("bandit", start, turn, at)) for at in range(options.batch)]
    return {"topics": drawn, "failures": failures, "tried": dict(tried), "failed": dict(failed)}


def _likeliest(topics: Sequence[str], tried: Counter[str], failed: Counter[str], rng: random.Random) -> str:
    """Thompson (1933): a rate of failures is drawn for each topic from what is believed of it, the highest wins."""
    return max(topics, key=lambda topic: rng.betavariate(1 + failed[topic], 1 + max(0, tried[topic] - failed[topic])))


def _query(item: Item) -> str:
    return str(item.fields.get("instruction", ""))


def _shown(state: FlowState) -> list[str]:
    return [*state["task"].attributes["failures"], *_examples(state)]


def _examples(state: FlowState) -> list[str]:
    return [chunk.text.strip() for chunk in state["chunks"]]


def reverse_gen_flow(options: ReverseGenOptions) -> Flow:
    """Builds the flow: a query after failures, copies, novelty gate, reference and target."""
    return reference_flow(
        proposer=None,
        generator=generator(
            role="proposer",
            prompt="reverse-gen-query",
            variables=("failures",),
            given={
                "description": lambda _: options.task,
                "topic": lambda state: state["task"].attributes["topic"],
                "examples": _examples,
            },
            messages=instruction_response,
        ),
        verifiers=(no_copy("instruction", of=_shown), novelty(fields=("instruction",))),
        critic=failing(
            measure=options.measure,
            samples=options.samples,
            least_wrong=options.least_wrong,
            least_entropy=options.least_entropy,
        ),
    )


REVERSE_GEN = Recipe(
    name=NAME,
    summary="Queries on which a target model fails: failures become examples, a bandit says which topic to ask.",
    paper="ReverseGen, arXiv:2410.16736",
    gives="sft",
    needs=frozenset({"seeds", "several models"}),
    roles=("proposer", "reference", "target"),
    apart=(("reference", "target"),),
    options=ReverseGenOptions,
    planner=plan_reverse_gen,
    flow=reverse_gen_flow,
)
