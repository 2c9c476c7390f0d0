"""The budget of a run: it goes on from what earlier starts have spent, and every commit keeps what is spent so far."""

from __future__ import annotations

from ..models.layers.budget import Budget, Spent
from ..storage.schema import Statement
from ..storage.store import RunStore, usage_mark
from .spec import BudgetSpec


def spent_before(store: RunStore) -> Spent:
    """Returns what earlier starts of the run, and its pilots, have spent."""
    kept = store.mark("spent") or {}
    return Spent(tokens=kept.get("tokens", 0), usd=kept.get("usd", 0.0), seconds=kept.get("seconds", 0.0))


def open_budget(limits: BudgetSpec, store: RunStore, *, timed: bool = True) -> Budget:
    """Makes the budget of a start of the run in `store`, whose commits keep what it spends from now on.

    `timed` is false for a pilot: what it pays counts, but the time budget is the campaign's own. (That the time is
    over is for the campaign's stops to say: tasks in flight may then end, where a budget would cut them.)
    """
    before = spent_before(store)
    budget = Budget(tokens=limits.tokens, usd=limits.usd, spent=before)

    def spent() -> list[Statement]:
        now = budget.spent
        seconds = now.seconds if timed else before.seconds
        return [usage_mark({"tokens": now.tokens, "usd": now.usd, "seconds": seconds})]

    store.with_every_commit(spent)
    return budget
