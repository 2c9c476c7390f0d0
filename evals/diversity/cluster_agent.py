"""The LLM cluster-agent score: into how many groups a model sorts small samples of a set."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ConfigError, ModelError
from ...prompts.schemas import Difference, Differences, Group, GroupCheck, Groups
from ..asking import Asker, Question, failures
from ..figure import Figure
from ..intervals import mean_figure

SIZE, DRAWS = 10, 20
NAMING, CRITERIA = 5, 5
NAME = "cluster_agent"


@dataclass(frozen=True, slots=True)
class Sorted:
    """One draw: the texts' places, and the groups that stood the check, by places, each with its reason."""

    drawn: tuple[int, ...]
    groups: tuple[tuple[tuple[int, ...], str], ...]

    @property
    def score(self) -> float | None:
        """Groups over the texts in them, in (0, 1]; None where no group stood."""
        placed = sum(len(members) for members, _ in self.groups)
        return len(self.groups) / placed if placed else None


async def cluster_agent(
    texts: Sequence[str],
    asker: Asker,
    *,
    size: int = SIZE,
    draws: int = DRAWS,
    criteria: Sequence[Difference] = (),
    seed: int = 0,
) -> tuple[Figure, list[Sorted]]:
    """Mean over draws of (valid groups / texts in them).

    Chen et al. 2024 (On the Diversity of Synthetic Data, arXiv:2410.15226): a model names respects in which texts of a
    few samples differ, the most often named become the criteria; it sorts draws of `size` texts by them, and each
    group is checked in a call of its own, that is shown its texts and its reason alone. Groups that fail the check do
    not count, nor do their texts. Prompts and the ways to match names are gristmill's, so scores compare with each
    other and not with the paper's.

    Args:
        texts: those without text are left out.
        size: texts of a draw; the score falls as it grows, so compare scores of one size.
        draws: how many; they may share texts where the set is small.
        criteria: given ones are used as they are: give two sets the same, to compare them.

    Returns:
        `cluster_agent` (share in (0, 1]; 1: no two texts of a draw are alike; Student's interval over draws) and what
        became of each draw.

    Cost: 5 + `draws` calls and one a group, with `size` texts each: some 100 calls by default.

    Raises:
        ConfigError: draws of fewer than 2 texts, or none; AccessDenied, ServerLost, BudgetExceeded.
    """
    if size < 2 or draws < 1:
        raise ConfigError(f"the cluster agent was given {draws} draws of {size} texts; give at least 1 of at least 2")
    full = [place for place, text in enumerate(texts) if text.strip()]
    if len(full) < 2:
        return Figure(NAME, None, "share", note="fewer than two texts cannot be grouped"), []
    rng = random.Random(seed)  # noqa: S311  # a sample, not a secret
    size = min(size, len(full))
    named = list(criteria) or await _criteria(texts, [rng.sample(full, size) for _ in range(NAMING)], asker)
    if not named:
        return Figure(NAME, None, "share", note="the model named nothing in which the texts differ"), []
    shown = [{"name": one.name, "description": one.description} for one in named]
    drawn = [rng.sample(full, size) for _ in range(draws)]
    answers = await asker.ask_all(
        [
            Question("group-texts", {"texts": [texts[at] for at in places], "criteria": shown}, number)
            for number, places in enumerate(drawn)
        ],
        Groups,
    )
    proposed = [
        (number, members, group.reason)
        for number, (places, answer) in enumerate(zip(drawn, answers, strict=True))
        if not isinstance(answer, ModelError)
        for group, members in _sorted(places, answer.groups)
    ]
    checks = await asker.ask_all(
        [
            Question("check-group", {"texts": [texts[at] for at in members], "claim": reason})
            for _, members, reason in proposed
        ],
        GroupCheck,
    )
    valid: list[list[tuple[tuple[int, ...], str]]] = [[] for _ in drawn]
    for (number, members, reason), check in zip(proposed, checks, strict=True):
        if not isinstance(check, ModelError) and check.valid:
            valid[number].append((members, reason))
    found = [Sorted(tuple(places), tuple(groups)) for places, groups in zip(drawn, valid, strict=True)]
    scores = [one.score for one in found if one.score is not None]
    empty = len(found) - len(scores)
    by = f"{size} texts a draw, by {', '.join(one.name for one in named)}"
    note = "; ".join(filter(None, [by, f"{empty} draws without a valid group" if empty else "",
                                   failures([*answers, *checks])]))  # fmt: skip
    return mean_figure(NAME, scores, unit="share", note=note, least=0.0, most=1.0), found


async def _criteria(texts: Sequence[str], samples: Sequence[Sequence[int]], asker: Asker) -> list[Difference]:
    """The most often named differences, told as they were told first; of equals those that were named earlier."""
    questions = [
        Question("name-differences", {"texts": [texts[at] for at in places]}, number)
        for number, places in enumerate(samples)
    ]
    counts: Counter[str] = Counter()
    first: dict[str, Difference] = {}
    for answer in await asker.ask_all(questions, Differences):
        if isinstance(answer, ModelError):
            continue
        for one in answer.criteria:
            key = " ".join(one.name.casefold().split())
            first.setdefault(key, one)
            counts[key] += 1
    return [first[key] for key, _ in counts.most_common(CRITERIA)]


def _sorted(places: Sequence[int], groups: Sequence[Group]) -> list[tuple[Group, tuple[int, ...]]]:
    """Groups by places: numbers that were not shown are dropped, a text belongs to the first group that names it."""
    left = set(range(1, len(places) + 1))
    kept = []
    for group in groups:
        members = [number for number in dict.fromkeys(group.members) if number in left]
        left -= set(members)
        if members:
            kept.append((group, tuple(places[number - 1] for number in members)))
    return kept
