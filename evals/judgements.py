"""What critics and people said of the same drafts, read from a run's store; each look goes on where the last ended.

A person judges an item's last draft, and so each critic's last verdict on that draft. Only accepting it as it is calls
it good: an edit, a note, and a rejection all say that it was not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from pydantic import BaseModel, Field

from ..storage.precedents import last_verdicts
from ..storage.records import Decision, Item, Status
from ..storage.reviews import REVIEWER, Action, Review, Reviews, decision_of
from ..storage.store import RunStore
from .agreement import Judged

OVERALL = ""  # in place of a critic's name: what became of the item
ALONE = "(no critic)"  # and for an end that no critic's verdict on the last draft gave: a proposer's `unsuitable`
PAGE, MANY = 2000, 200


class Judgements:
    """The judgements of a run. Use it from one thread; `refresh` takes in what is new.

    `verdicts` counts items by (critic, whether it accepted the last draft), `scores` holds the scores of all last
    drafts by (critic, score), judged or not; both are empty until there is a decision. `reviewers` are those whose
    decisions stand.
    """

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.verdicts: Counter[tuple[str, bool]] = Counter()
        self.scores: dict[tuple[str, str], list[float]] = {}
        self._reviews = Reviews(store)
        self._items = self._last = self._events = 0
        self._judged: dict[str, tuple[Review, list[Judged]]] = {}
        self._waiting: set[str] = set()  # decided, and their failed tasks run again

    @property
    def judged(self) -> list[Judged]:
        """Every judgement of a person with every critic's on the same draft."""
        return [one for _, judged in self._judged.values() for one in judged]

    @property
    def decided(self) -> int:
        """Items on which a decision stands."""
        return len(self._judged)

    @property
    def left_out(self) -> int:
        """Those of them that judge nobody: failed items."""
        return sum(not judged for _, judged in self._judged.values())

    @property
    def reviewers(self) -> set[str]:
        return {decision.reviewer for decision, _ in self._judged.values()}

    def refresh(self, *, scores: bool = True) -> None:
        """Takes in what came since the last look; without `scores` only what people decided, which is much less."""
        self._judge(self._waiting | self._changed())
        while scores and self._judged and (page := self._page()):  # without a decision there is nothing to compare
            self._items = page[-1][0]
            for _, body in page:
                self._count(_Counted.model_validate_json(body))

    def _page(self) -> list[tuple[int, str]]:
        rows = self.store.rows("SELECT seq, body FROM items WHERE seq > ? ORDER BY seq LIMIT ?", self._items, PAGE)
        return [(int(seq), str(body)) for seq, body in rows]

    def _count(self, item: _Counted) -> None:
        if item.status is Status.FAILED:
            return
        self.verdicts[OVERALL, item.status is Status.ACCEPTED] += 1
        last = item.drafts[-1].index if item.drafts else 0
        verdicts = {one.by: one for one in item.verdicts if one.draft == last and one.by != REVIEWER}.values()
        accepted = item.status is Status.ACCEPTED
        if all((one.decision is Decision.ACCEPT) is not accepted for one in verdicts):
            self.verdicts[ALONE, accepted] += 1
        for verdict in verdicts:
            self.verdicts[verdict.by, verdict.decision is Decision.ACCEPT] += 1
            for name, value in verdict.scores.items():
                self.scores.setdefault((verdict.by, name), []).append(value)

    def _changed(self) -> set[str]:
        """Returns the items that people did something with since the last look."""
        changed = set(self._new())
        ((count,),) = self.store.rows("SELECT count(*) FROM reviews WHERE seq <= ?", self._last)
        if count != self._events:  # a database of many writers may commit a lower number after a higher one
            self._last = self._events = 0
            changed |= set(self._new())
        return changed

    def _new(self) -> Iterator[str]:
        sql = "SELECT seq, item FROM reviews WHERE seq > ? ORDER BY seq LIMIT ?"
        while rows := self.store.rows(sql, self._last, PAGE):
            self._last, self._events = rows[-1][0], self._events + len(rows)
            yield from (item for _, item in rows)

    def _judge(self, changed: Iterable[str]) -> None:
        """Judges anew, some hundred items at a time: whole items take memory."""
        rest = iter(sorted(changed))
        while some := list(islice(rest, MANY)):
            histories = self._reviews.histories(some)
            decisions = {id: found for id in some if (found := decision_of(histories.get(id, []))) is not None}
            items = self.store.items_of(decisions)
            for id in some:
                self._judged.pop(id, None)
                self._waiting.discard(id)
                if id in items:
                    self._judged[id] = (decisions[id], judged_of(items[id], decisions[id]))
                elif id in decisions:
                    self._waiting.add(id)


class _Draft(BaseModel):
    index: int


class _Verdict(BaseModel):
    by: str
    draft: int
    decision: Decision
    scores: dict[str, float] = Field(default_factory=dict)


class _Counted(BaseModel):
    """As much of an item as counting takes: whole ones take several times as long to read."""

    status: Status
    drafts: list[_Draft] = Field(default_factory=list)
    verdicts: list[_Verdict] = Field(default_factory=list)


def judged_of(item: Item, decision: Review) -> list[Judged]:
    """Returns what the person's decision says of the item's end and of each critic; nothing of a failed item.

    An end that no critic spoke for is judged as `ALONE`'s, so that every decision is in the row of somebody.
    """
    if item.status is Status.FAILED:
        return []
    good = decision.action is Action.ACCEPT
    corrected = () if good else decision.reasons
    accepted = item.status is Status.ACCEPTED
    whole = Judged(OVERALL, accepted, good, item.reasons, corrected, round=item.round)
    found, verdicts = [whole], last_verdicts(item).values()
    if all((one.decision is Decision.ACCEPT) is not accepted for one in verdicts):
        found.append(replace(whole, critic=ALONE))
    for verdict in verdicts:
        found.append(
            Judged(
                critic=verdict.by,
                accepts=verdict.decision is Decision.ACCEPT,
                good=good,
                reasons=verdict.reasons,
                corrected=corrected,
                scores=tuple(verdict.scores.items()),
                round=item.round,
            )
        )
    return found


def of_critic(judged: Iterable[Judged], critic: str) -> list[Judged]:
    """Returns those of one critic."""
    return [one for one in judged if one.critic == critic]
