"""The budget: refused before the call, settled after it, never passed by calls in flight."""

from __future__ import annotations

import asyncio

import pytest

from gristmill.errors import BadReply, BudgetExceeded, ConfigError, Overloaded
from gristmill.models.contract import Reply, Request, Sampling
from gristmill.models.layers.budget import OUTPUT_GUESS, Budget, Budgeted, Spent, estimate
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Message, Usage


def ask(text: str = "Hello?", **sampling: int) -> Request:
    return Request(messages=(Message(role="user", content=text),), sampling=Sampling(**sampling))  # type: ignore[arg-type]


class Costly:
    """Answers with exactly the usage it is told to, after a moment."""

    name = "costly"

    def __init__(self, tokens_in: int, tokens_out: int, delay: float = 0.0) -> None:
        self.usage = Usage(calls=1, input_tokens=tokens_in, output_tokens=tokens_out)
        self.delay = delay
        self.asked = 0
        self.most = self.now = 0

    async def complete(self, request: Request) -> Reply:
        self.asked += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.delay)
        self.now -= 1
        return Reply(usage=self.usage)

    async def aclose(self) -> None:
        return None


async def test_the_call_that_could_pass_the_limit_is_not_made() -> None:
    model = Costly(10, 40)
    budget = Budget(tokens=200)
    budgeted = Budgeted(model, budget)
    for _ in range(3):
        await budgeted.complete(ask(max_tokens=50))
    with pytest.raises(BudgetExceeded) as caught:
        await budgeted.complete(ask(max_tokens=50))
    assert caught.value.kind == "tokens"
    assert "200" in str(caught.value)
    assert model.asked == 3  # 3 x 50 are used; the fourth may take 10 + 50 and more
    assert budget.spent.tokens == 150


async def test_calls_in_flight_never_pass_the_limit_together() -> None:
    model = Costly(10, 50, delay=0.005)
    budget = Budget(tokens=1000)
    budgeted = Budgeted(model, budget)
    outcomes = await asyncio.gather(*(budgeted.complete(ask(max_tokens=50)) for _ in range(40)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(outcome, BudgetExceeded) for outcome in refused)
    assert budget.spent.tokens == 60 * model.asked
    assert 900 <= budget.spent.tokens <= 1000
    assert len(refused) == 40 - model.asked


async def test_what_calls_in_flight_do_not_use_is_free_for_others() -> None:
    """With 1,000 reserved for each and 20 used, all of 30 fit in, two at a time."""
    model = Costly(10, 10, delay=0.002)
    budgeted = Budgeted(model, Budget(tokens=2600))
    await asyncio.gather(*(budgeted.complete(ask(max_tokens=1000)) for _ in range(30)))
    assert model.asked == 30
    assert model.most == 2
    model.most = 0
    await asyncio.gather(*(budgeted.complete(ask(max_tokens=900)) for _ in range(4)))
    assert model.most == 2  # nothing of what was reserved before is still held back


async def test_money_is_counted_by_the_prices() -> None:
    model = Costly(1_000, 2_000)
    budget = Budget(usd=0.02)
    budgeted = Budgeted(model, budget, price_in=1.0, price_out=2.0)
    reply = await budgeted.complete(ask(max_tokens=2_000))
    assert reply.usage.usd == pytest.approx(0.005)
    assert budget.spent.usd == pytest.approx(0.005)
    with pytest.raises(BudgetExceeded) as caught:
        await budgeted.complete(ask(max_tokens=10_000))
    assert caught.value.kind == "usd"
    assert model.asked == 1


async def test_time_runs_from_where_it_was_stopped() -> None:
    budgeted = Budgeted(Costly(1, 1), Budget(seconds=100, spent=Spent(seconds=100)))
    with pytest.raises(BudgetExceeded) as caught:
        await budgeted.complete(ask())
    assert caught.value.kind == "time"


async def test_a_resumed_budget_goes_on_where_it_was() -> None:
    before = Spent(tokens=950, usd=1.5, seconds=10)
    budget = Budget(tokens=1000, usd=2, seconds=60, spent=before)
    assert budget.spent.tokens == 950
    assert budget.spent.usd == 1.5
    assert 10 <= budget.spent.seconds < 20
    with pytest.raises(BudgetExceeded):
        await Budgeted(Costly(1, 1), budget).complete(ask(max_tokens=60))


async def test_a_failed_call_gives_its_reservation_back_and_books_what_was_billed() -> None:
    bad = BadReply("null content")
    bad.tokens = (7, 3)
    budget = Budget(tokens=300)
    budgeted = Budgeted(Scripted([Overloaded("busy"), bad, "ok"], repairs=None), budget, price_in=1e6)
    for error in (Overloaded, BadReply):
        with pytest.raises(error):
            await budgeted.complete(ask(max_tokens=200))
    assert budget.spent.tokens == 10
    assert bad.usd == pytest.approx(7.0)
    await budgeted.complete(ask(max_tokens=200))


async def test_a_cancelled_call_gives_its_reservation_back() -> None:
    budget = Budget(tokens=300)
    budgeted = Budgeted(Costly(1, 1, delay=1), budget)
    first, second = (asyncio.create_task(budgeted.complete(ask(max_tokens=200))) for _ in range(2))
    await asyncio.sleep(0.01)
    second.cancel()  # it waits for the first
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    quick = Budgeted(Costly(1, 1), budget)
    await asyncio.wait_for(quick.complete(ask(max_tokens=200)), 1)
    assert budget.spent.tokens == 2


async def test_no_limits_refuse_nothing() -> None:
    model = Costly(10**6, 10**6)
    await Budgeted(model, Budget()).complete(ask(max_tokens=10**9))
    assert model.asked == 1


@pytest.mark.parametrize("limits", [{"tokens": 0}, {"usd": -1.0}, {"seconds": 0.0}])
def test_a_limit_of_nothing_is_a_mistake(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(limits))):
        Budget(**limits)  # type: ignore[arg-type]


def test_the_estimate_is_not_below_real_tokenizers() -> None:
    """English has about four characters a token, Chinese about one, and a template is around it."""
    english = "The mill stands by the river and grinds the corn of the whole valley. " * 20
    assert estimate(ask(english))[0] > len(english) / 4
    chinese = "磨坊立在河边磨着整个山谷的谷物。" * 10
    assert estimate(ask(chinese))[0] >= len(chinese)
    assert estimate(ask())[1] == OUTPUT_GUESS
    assert estimate(ask(max_tokens=5, n=3))[1] == 15
    tokens_in, tokens_out = estimate(Request(kind="embedding", inputs=("abc", "def")))
    assert tokens_in >= 2
    assert tokens_out == 0
