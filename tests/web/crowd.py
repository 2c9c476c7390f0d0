"""A reviewer who decides fast and carelessly beside many others, and keeps account of what the server said to it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from visitor import Answer, Visitor

ACTIONS = ("accept", "reject", "send_back", "undo")
REPEATED = 0.3  # of the requests are sent twice: a third of these at once, the rest when the answer is there
STALE = 0.3  # of the decisions name an event that the reviewer saw a while ago


@dataclass(frozen=True)
class Single:
    """A decision on one item that was sent, and all answers to it."""

    event: str
    item: str
    action: str
    seen: str
    reviewer: str
    answers: tuple[Answer, ...]

    @property
    def taken(self) -> bool:
        return self.answers[0].status == 200


@dataclass(frozen=True)
class Batch:
    """A decision on many that was sent, or `undo` of an earlier one, and all answers to it."""

    id: str
    action: str
    items: tuple[str, ...]
    reviewer: str
    answers: tuple[Answer, ...]

    @property
    def count(self) -> int:
        """How many items it decided, the repetition included."""
        return max(int(json.loads(one.text)["undone" if self.action == "undo" else "decided"]) for one in self.answers)


@dataclass
class Reviewer:
    """Works through `items`, most often on the first of them, where everybody is."""

    visitor: Visitor
    name: str
    items: Sequence[str]
    random: random.Random
    known: dict[str, str] = field(default_factory=dict)
    singles: list[Single] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)

    async def work(self, turns: int) -> None:
        """Takes a name, then `turns` decisions, claims and skips."""
        await self._post("/me", {"name": self.name})
        for _ in range(turns):
            draw = self.random.random()
            if draw < 0.6:
                await self._decide()
            elif draw < 0.75:
                await self._decide_many()
            elif draw < 0.8:
                await self._undo_many()
            elif draw < 0.95:
                await self._look()
            else:
                await self._post("/skips", {"ids": [self._item()]})

    def _item(self) -> str:
        hot = self.random.random() < 0.5
        return self.random.choice(self.items[:10] if hot else self.items)

    async def _look(self) -> None:
        """As the page does: holds the item, and learns what was done with it."""
        item = self._item()
        answer = (await self._post(f"/items/{item}/claim", {"hold": self.random.random() < 0.3}))[0]
        assert answer.status == 200, answer.text
        self.known[item] = json.loads(answer.text)["last"]

    async def _decide(self) -> None:
        item, action = self._item(), self.random.choice(ACTIONS)
        if self.random.random() > STALE or item not in self.known:
            answer = (await self._post(f"/items/{item}/claim", {"hold": False}))[0]
            self.known[item] = json.loads(answer.text)["last"]
        given = {"event": uuid4().hex, "action": action, "seen": self.known[item], "note": f"by {self.name}"}
        given["overrule"] = True
        answers = await self._post(f"/items/{item}/decisions", given, repeat=True)
        assert {one.status for one in answers} <= {200, 400, 409}, answers
        if answers[0].status in {200, 409}:
            self.known[item] = json.loads(answers[0].text)["last"]
        self.singles.append(Single(given["event"], item, action, given["seen"], self.name, answers))

    async def _decide_many(self) -> None:
        items = tuple({self._item() for _ in range(self.random.randint(2, 12))})
        given = {"id": uuid4().hex, "action": self.random.choice(ACTIONS[:3]), "ids": items, "note": "many"}
        answers = await self._post("/decisions", given, repeat=True)
        assert {one.status for one in answers} == {200}, answers
        self.batches.append(Batch(given["id"], given["action"], items, self.name, answers))

    async def _undo_many(self) -> None:
        done = [one for one in self.batches if one.action != "undo" and one.count]
        undone = {one.id for one in self.batches if one.action == "undo"}
        left = [one for one in done if one.id not in undone]
        if not left:
            return
        batch = self.random.choice(left)
        answers = await self._post("/decisions/undo", {"id": batch.id})
        assert {one.status for one in answers} == {200}, answers
        self.batches.append(Batch(batch.id, "undo", batch.items, self.name, answers))

    async def _post(self, path: str, given: dict[str, Any], *, repeat: bool = False) -> tuple[Answer, ...]:
        """Sends it, now and then twice as a page does when an answer was lost."""
        draw = self.random.random()
        if not repeat or draw > REPEATED:
            return (await self.visitor.ask("POST", path, json=given),)
        if draw < REPEATED / 3:
            return tuple(await asyncio.gather(*(self.visitor.ask("POST", path, json=given) for _ in range(2))))
        first = await self.visitor.ask("POST", path, json=given)
        return (first, await self.visitor.ask("POST", path, json=given))
