"""The books: by role, by task, hits and failures included; and the defaults of a model."""

from __future__ import annotations

import pytest

from gristmill.errors import BadReply, BudgetExceeded, Overloaded
from gristmill.models.contract import Request, Sampling
from gristmill.models.factory import wrap
from gristmill.models.layers.cache import MemoryCalls
from gristmill.models.layers.defaults import Defaulted
from gristmill.models.layers.meter import Meter, Metered
from gristmill.models.scripted import Scripted
from gristmill.prompts.schemas import Summary
from gristmill.storage.records import Message, Usage


def ask(role: str = "generator", task: str = "t1", text: str = "Hello?", **fields: object) -> Request:
    return Request(messages=(Message(role="user", content=text),), role=role, task=task, **fields)  # type: ignore[arg-type]


async def test_calls_are_booked_by_role_and_by_task() -> None:
    meter = Meter()
    model = wrap(Scripted(lambda _: "Hi.", repairs=None), calls=MemoryCalls(), budget=None, meter=meter, price_out=1e6)
    await model.complete(ask("generator", "t1"))
    await model.complete(ask("critic", "t1", "Other?"))
    await model.complete(ask("critic", "t2", "Other?"))  # the same question: a hit
    first, second = meter.take("t1")[0], meter.take("t2")[0]
    assert (first.calls, first.cached_calls) == (2, 0)
    assert (second.calls, second.cached_calls, second.usd) == (0, 1, 0.0)
    assert first.usd == pytest.approx(first.output_tokens)
    assert meter.take("t1")[0] == Usage()
    assert meter.books("critic").tally.cached_calls == 1
    assert meter.total == first + second
    report = meter.report()
    assert list(report) == ["critic", "generator"]
    assert report["critic"]["calls"] == 1


async def test_failures_are_counted_by_reason_and_by_what_they_cost() -> None:
    meter = Meter()
    bad = BadReply("null content")
    bad.tokens = (8, 2)
    model = wrap(
        Scripted([bad, Overloaded("busy"), BudgetExceeded("tokens", "spent")], repairs=None),
        calls=None,
        budget=None,
        meter=meter,
        price_in=1e6,
    )
    for error in (BadReply, Overloaded, BudgetExceeded):
        with pytest.raises(error):
            await model.complete(ask())
    books = meter.books("generator")
    assert books.errors == {"bad_reply": 1, "overloaded": 1, "budget_tokens": 1}
    assert (books.tally.input_tokens, books.tally.output_tokens, books.tally.usd) == (8, 2, 8.0)
    assert meter.take("t1")[0].input_tokens == 8


async def test_each_repair_is_a_call_in_the_books() -> None:
    from_schema = ask(schema=Summary)
    meter = Meter()
    model = wrap(Scripted(["no", '{"summary": "s"}'], repairs=None), calls=None, budget=None, meter=meter)
    reply = await model.complete(from_schema)
    assert reply.usage.calls == 2
    assert meter.take("t1")[0].calls == 2


async def test_a_call_without_a_task_is_booked_on_its_role_alone() -> None:
    meter = Meter()
    await Metered(Scripted(["Hi."]), meter).complete(ask(task=""))
    assert meter.books("generator").tally.calls == 1
    assert meter.take("")[0] == Usage()


async def test_defaults_fill_what_is_left_open_and_no_more() -> None:
    script = Scripted(lambda _: "Hi.", repairs=None)
    defaults = Sampling(temperature=0.7, top_p=0.9, max_tokens=100, stop=("END",), extra={"top_k": 5, "min_p": 0.1})
    model = Defaulted(script, defaults)
    await model.complete(ask())
    await model.complete(ask(sampling=Sampling(temperature=0.0, max_tokens=1, n=2, extra={"top_k": 1})))
    first, second = (request.sampling for request in script.requests)
    assert first == defaults
    assert (second.temperature, second.max_tokens, second.n) == (0.0, 1, 2)
    assert second.top_p == 0.9
    assert second.extra == {"top_k": 1, "min_p": 0.1}


async def test_a_task_knows_all_that_it_asked() -> None:
    meter = Meter()
    model = Metered(Scripted(["a", "b", "c"], name="writer"), meter)
    for role, prompt in (("proposer", "propose"), ("generator", "write"), ("generator", "write")):
        await model.complete(
            Request(
                messages=(Message(role="user", content=prompt),),
                prompt=prompt,
                version=f"{prompt}1",
                role=role,
                task="t1",
            )
        )
    lineage = meter.take("t1")[1]
    assert lineage.models == {"proposer": "writer", "generator": "writer"}
    assert lineage.prompts == {"propose": "propose1", "write": "write1"}
    assert meter.take("t1")[1].models == {}
