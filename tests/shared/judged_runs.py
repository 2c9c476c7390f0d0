"""Stores with verdicts that people agree or disagree with."""

from __future__ import annotations

import random
from typing import Any

from review_items import item_of, put

from gristmill.review.desk import Desk
from gristmill.storage.records import Decision, Status, Verdict
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore

GOOD: dict[str, Any] = {"status": Status.ACCEPTED, "reasons": ()}


def verdict(decision: str, *reasons: str, by: str = "critic", draft: int = 0, **scores: float) -> Verdict:
    return Verdict(by=by, draft=draft, decision=Decision(decision), reasons=reasons, scores=scores)


async def fill(store: RunStore, count: int = 120) -> list[tuple[bool, bool]]:
    """Items with scores, half of them decided; returns (critic accepts, person accepts) of those."""
    dice, pairs = random.Random(2), []
    for number in range(count):
        worth = dice.random()
        accepts = worth + dice.gauss(0, 0.2) > 0.5
        said = verdict("accept" if accepts else "reject", *([] if accepts else ["trivial"]), clear=round(worth, 2))
        more = {"verdicts": (said, verdict("accept", by="grounding")), "round": 1 + number // (count // 2)}
        await put(store, (number, item_of(number, **(GOOD if accepts else {}), **more)))
        if number % 2 == 0:
            good = worth > 0.45
            await Desk(store).decide(item_of(number).id, Action.ACCEPT if good else Action.REJECT, "ada")
            pairs.append((accepts, good))
    return pairs
