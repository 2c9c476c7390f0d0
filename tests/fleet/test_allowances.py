"""What local workers may spend: together the rest of the budget, however often one of them is started again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gristmill.campaigns.fleet.allowances import Allowances, allowance_of
from gristmill.models.layers.budget import Budget, Spent
from gristmill.storage.store import RunStore


async def test_a_worker_that_dies_again_and_again_gets_no_share_anew(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path)
    allowances = Allowances(store, Budget(tokens=1_100, usd=5.0, spent=Spent(tokens=100, usd=1.0)))
    await allowances.deal("steady", 2)
    await allowances.deal("first", 1)
    steady = allowance_of(store, "steady")
    assert steady == allowance_of(store, "first") == Spent(500, 2.0)
    paid = Spent()
    last = "first"
    for death in range(4):
        allowances.take_back(last, Spent(100, 0.5))  # what its committed results cost
        paid = Spent(paid.tokens + 100, paid.usd + 0.5)
        last = f"heir-{death}"
        await allowances.deal(last, 1)
        given = allowance_of(store, last)
        assert given is not None
        assert given.tokens == 500 - paid.tokens
        assert given.usd == pytest.approx(max(2.0 - paid.usd, 1e-9))
    assert allowance_of(store, "by-hand") is None
    await store.close()


async def test_what_a_worker_that_left_did_not_spend_goes_to_the_next(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path)
    allowances = Allowances(store, Budget(tokens=900))
    for number in range(3):
        await allowances.deal(f"w{number}", 3 - number)
    assert [(allowance_of(store, f"w{number}") or Spent()).tokens for number in range(3)] == [300, 300, 300]
    allowances.take_back("w0", Spent(50))
    allowances.take_back("w1", Spent(300))
    allowances.take_back("w1", Spent(300))
    await allowances.deal("w3", 1)
    assert (allowance_of(store, "w3") or Spent()).tokens == 250
    await store.close()


async def test_without_a_budget_nothing_is_dealt_out(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path)
    await Allowances(store, Budget()).deal("w0", 1)
    assert allowance_of(store, "w0") is None
    await store.close()
