"""Compares texts two by two, both ways round, and makes scores of the votes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ConfigError, ModelError
from ...prompts.schemas import Comparison
from ..asking import Asker, Question, failures
from ..figure import Figure
from ..intervals import share_figure
from .rubric import Criterion
from .strength import Vote, strengths

ROUNDS = 4
FIRST = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class Ranking:
    """What comparing gave: a strength for each text, how steady the judge was, and the votes themselves."""

    strengths: tuple[Figure, ...]
    steady: Figure
    votes: tuple[Vote, ...]


def plan_pairs(count: int, rounds: int = ROUNDS, seed: int = 0) -> list[tuple[int, int]]:
    """Which of `count` texts are compared: each with two others a round, so that all are compared, however far round.

    A round is a cycle through all texts in a drawn order. One cycle joins every text with every other by some chain, so
    no part is left that cannot be compared, as happens with pairs drawn one by one; several cycles mix so well that
    no text hangs on the others by a long chain. No pair comes twice.

    Raises:
        ConfigError: fewer than one round.
    """
    if rounds < 1:
        raise ConfigError(f"pairs were planned in {rounds} rounds; give at least 1")
    rng = random.Random(seed)  # noqa: S311  # a sample, not a secret
    seen: dict[tuple[int, int], None] = {}
    order = list(range(count))
    for _ in range(rounds if count > 1 else 0):
        rng.shuffle(order)
        for left, right in zip(order, [*order[1:], order[0]], strict=True):
            seen[min(left, right), max(left, right)] = None
    return list(seen)


async def compare(
    texts: Sequence[str],
    criterion: Criterion,
    asker: Asker,
    *,
    rounds: int = ROUNDS,
    pairs: Sequence[tuple[int, int]] | None = None,
    seed: int = 0,
    prompt: str = "compare-two-texts",
) -> Ranking:
    """Asks for each of some pairs which text is better, once with either first, and scores texts by the votes.

    QuRating (Wettig et al. 2024, arXiv:2402.09739). Judges prefer the place where a text stands (Zheng et al. 2023,
    arXiv:2306.05685): a pair whose answers contradict each other when turned round counts as a tie, and
    `pairwise_steady` is the share of pairs that do not.

    Args:
        texts: at most 3,000.
        criterion: its question is what is asked.
        pairs: places of the texts to compare; `plan_pairs` otherwise.

    Cost: two calls a pair, `2 * rounds * len(texts)` at most. A pair of which a call failed has no vote; the note of
    `steady` says how many.

    Raises:
        ConfigError: a pair names a text that is not there; AccessDenied, ServerLost, BudgetExceeded: as the model does.
    """
    planned = list(plan_pairs(len(texts), rounds, seed) if pairs is None else pairs)
    for left, right in planned:
        if not (0 <= left < len(texts) and 0 <= right < len(texts)) or left == right:
            raise ConfigError(f"a pair is of the texts {left} and {right} of {len(texts)}; give two that are there")
    questions = [
        Question(
            prompt,
            {"criterion": criterion.name, "question": criterion.question, "first": texts[one], "second": texts[other]},
        )
        for left, right in planned
        for one, other in ((left, right), (right, left))
    ]
    answers = await asker.ask_all(questions, Comparison)
    votes, steady = [], 0
    for (left, right), there, back in zip(planned, answers[::2], answers[1::2], strict=True):
        if isinstance(there, ModelError) or isinstance(back, ModelError):
            continue
        ways = FIRST[there.better], 1 - FIRST[back.better]
        steady += ways[0] == ways[1]
        votes.append(Vote(left, right, sum(ways) / 2))
    note = failures(answers)
    found = strengths(votes, len(texts), name=f"strength_{criterion.name}")
    return Ranking(tuple(found), share_figure("pairwise_steady", steady, len(votes), note=note), tuple(votes))
