"""What each local worker may spend where no Redis adds up: together what the run has left, however often one dies.

The coordinator deals shares out by the store, under each worker's name, before it starts the process. What a worker
that has ended did not spend, by its committed results, goes to the next that starts. So the fleet passes its budget by
what was in flight at kills, which was paid and is in no result, and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...models.layers.budget import Budget, Spent
from ...storage.store import RunStore

MARK = "allowances"


@dataclass
class Allowances:
    """Shares of what `budget` has left now, for workers that start one after the other."""

    store: RunStore
    budget: Budget
    _pot: Spent = field(init=False)
    _dealt: dict[str, Spent] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        spent = self.budget.spent
        self._pot = Spent((self.budget.tokens or 0) - spent.tokens, (self.budget.usd or 0.0) - spent.usd)

    async def deal(self, name: str, among: int) -> None:
        """Gives worker `name` its part of what is there, which `among` workers that start now divide."""
        if self.budget.tokens is None and self.budget.usd is None:
            return
        share = Spent(max(1, self._pot.tokens // among), max(1e-9, self._pot.usd / among))
        self._pot = Spent(self._pot.tokens - share.tokens, self._pot.usd - share.usd)
        self._dealt[name] = share
        said = {worker: {"tokens": one.tokens, "usd": one.usd} for worker, one in self._dealt.items()}
        await self.store.set_mark(MARK, said)

    def take_back(self, name: str, spent: Spent) -> None:
        """Keeps for the next what worker `name` was given and has not `spent`."""
        share = self._dealt.pop(name, None)
        if share is not None:
            self._pot = Spent(self._pot.tokens + share.tokens - spent.tokens, self._pot.usd + share.usd - spent.usd)


def allowance_of(store: RunStore, name: str) -> Spent | None:
    """Returns what worker `name` may spend, None when nobody has said it."""
    said = (store.mark(MARK) or {}).get(name)
    return None if said is None else Spent(said["tokens"], said["usd"])
