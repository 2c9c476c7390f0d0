"""Puts names together that an embedder finds alike, such as two wordings of one knowledge point.

Resolution joins no two names for their vectors alone, for what is near may still be another thing. Where a campaign
says so (`alike`), each join becomes a ruling: it is stored, listed with its cosine, and a person can take it back. The
groups are those of leaders: the most frequent name stands for all that are near it, and nothing is joined to what is
only near a member, so that no chain grows.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ...agents.names import one_line
from ...evals.duplicates.semantic import semantic_duplicates
from ...evals.numeric import Matrix
from ...evals.vectors.embedding import Embedder
from ...storage.records import Record, content_id
from ...storage.rulings import Ruled, Ruling, in_force
from .clusters import MOST
from .references import Reference
from .scoring import Scorer
from .types import Types

PASSES = 8  # over names that were near another leader than they may join; what is left then stays apart
BY = "embedder"


class AlikeBooks(Record):
    """What became of the names: `names = joined + vetoed + apart`.

    joined: with a leader, now or by an earlier start. vetoed: near one whose numbers, letters or types contradict.
    """

    embedder: str = ""
    names: int = 0
    joined: int = 0
    vetoed: int = 0
    apart: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every name is accounted for."""
        return self.names == self.joined + self.vetoed + self.apart


async def alike(
    references: Mapping[str, Reference],
    rulings: Iterable[Ruling],
    embedder: Embedder,
    types: Types,
    *,
    threshold: float,
) -> tuple[list[Ruling], AlikeBooks]:
    """Embeds the names and rules which are one: those with a cosine of `threshold` to a more frequent one.

    A name that was joined before stays so, and the leaders of before come first. A pair that a ruling decides, or a
    veto forbids, is left alone. The same references and rulings give the same.

    Raises:
        ConfigError: a library is missing.
        ModelError, BudgetExceeded: as the embedder.
    """
    given = list(rulings)
    past, standing = {ruling.id for ruling in given}, in_force(given)
    known = {pair for ruling in standing for pair in ruling.pairs}
    led = {
        one.right: one.left
        for one in standing
        if one.by.startswith(f"{BY} ") and {one.left, one.right} <= references.keys()
    }
    ids = sorted(references)
    rows = await embedder.embed([references[id].name for id in ids])
    place = {id: at for at, id in enumerate(ids)}
    leaders = set(led.values())
    order = sorted(
        (id for id in ids if id not in led),
        key=lambda id: (id not in leaders, -references[id].weight, references[id].key, id),
    )
    groups = _Groups(references, Scorer(types), led)
    near, vetoed = await asyncio.to_thread(groups.near, order, rows[[place[id] for id in order]], threshold)
    new = [_ruling(left, right, cosine, embedder.name) for left, right, cosine in near]
    made = [one for one in new if one.id not in past and known.isdisjoint(one.pairs)]
    joined = len(led) + len(made)
    books = AlikeBooks(
        embedder=embedder.name, names=len(ids), joined=joined, vetoed=vetoed, apart=len(ids) - joined - vetoed
    )
    return made, books


class _Groups:
    """The names of each leader. One joins that no name of the group forbids: `degree 2` and `degree 3` may both be near
    a leader without a number, and are not one."""

    def __init__(self, references: Mapping[str, Reference], scorer: Scorer, led: Mapping[str, str]) -> None:
        self._references, self._scorer = references, scorer
        self._members: defaultdict[str, list[str]] = defaultdict(list)
        for name, leader in sorted(led.items()):
            self._members[leader].append(name)

    def near(self, order: Sequence[str], rows: Matrix, threshold: float) -> tuple[list[tuple[str, str, float]], int]:
        """Returns (leader, name, cosine) of each name that joins, and how many a veto keeps from those near them.

        `rows` are the vectors of `order`; the first of those that are near each other leads.
        """
        joins: list[tuple[str, str, float]] = []
        waiting = list(range(len(order)))
        for _ in range(PASSES):
            against = []
            for at, twin in semantic_duplicates(rows[waiting], threshold=threshold).items():
                left, right = order[waiting[twin.number]], order[waiting[at]]
                if self._forbids(left, right):
                    against.append(waiting[at])
                else:
                    self._members[left].append(right)
                    joins.append((left, right, twin.likeness))
            waiting = against  # the first of them may lead the others
            if not waiting:
                break
        return joins, len(waiting)

    def _forbids(self, leader: str, name: str) -> bool:
        others = [leader, *self._members[leader][:MOST]]
        return any(self._scorer.veto(self._references[one], self._references[name]) for one in others)


def _ruling(left: str, right: str, cosine: float, embedder: str) -> Ruling:
    by = f"{BY} {one_line(embedder)}"[:300]
    return Ruling(
        id=content_id("ruling", left, right, by),
        action=Ruled.MERGE,
        left=left,
        right=right,
        reason=f"cosine {cosine:.3f}",
        score=cosine,
        by=by,
        at=datetime.now(UTC),
    )
