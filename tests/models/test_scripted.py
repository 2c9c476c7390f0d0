"""The scripted model: every way to say an answer, and real decoding and repair behind it."""

from __future__ import annotations

import pytest

from gristmill.errors import BadReply, Overloaded, RequestRefused, SchemaMismatch
from gristmill.models.contract import Choice, Model, Reply, Request, Sampling, TokenLogprob
from gristmill.models.scripted import Scripted
from gristmill.prompts.schemas import Summary
from gristmill.storage.records import Message


def ask(prompt: str = "", role: str = "", schema: type | None = None, **sampling: object) -> Request:
    return Request(
        messages=(Message(role="user", content="Hello?"),),
        prompt=prompt,
        role=role,
        schema=schema,
        sampling=Sampling(**sampling),  # type: ignore[arg-type]
    )


async def test_every_form_of_an_answer() -> None:
    script = Scripted(
        ["Hi.", {"summary": "s"}, Summary(summary="t"), ["a", "b"], Reply(choices=(Choice("c", "stop"),))]
    )
    assert isinstance(script, Model)
    assert (await script.complete(ask())).text == "Hi."
    assert (await script.complete(ask(schema=Summary))).parsed == Summary(summary="s")
    assert (await script.complete(ask(schema=Summary))).parsed == Summary(summary="t")
    assert [choice.text for choice in (await script.complete(ask(n=2))).choices] == ["a", "b"]
    assert (await script.complete(ask())).text == "c"
    assert len(script.requests) == 5


async def test_functions_answer_by_the_request() -> None:
    async def later(request: Request) -> str:
        return request.role

    assert (await Scripted(later).complete(ask(role="critic"))).text == "critic"
    assert (await Scripted(lambda request: request.prompt).complete(ask(prompt="p"))).text == "p"


async def test_a_mapping_goes_by_prompt_then_by_role() -> None:
    script = Scripted({"p": ["one", "two"], "critic": lambda request: "by role", "always": "same"})
    assert (await script.complete(ask("p", "critic"))).text == "one"
    assert (await script.complete(ask("p", "critic"))).text == "two"
    assert (await script.complete(ask("other", "critic"))).text == "by role"
    assert (await script.complete(ask(role="always"))).text == "same"
    assert (await script.complete(ask(role="always"))).text == "same"
    with pytest.raises(RequestRefused, match="no answer for prompt 'q' or role 'r'"):
        await script.complete(ask("q", "r"))
    with pytest.raises(RequestRefused, match="used up"):
        await script.complete(ask("p"))


async def test_faults_are_injected_as_on_the_wire() -> None:
    script = Scripted([b"<html>", Overloaded("busy"), ""])
    for error in (BadReply, Overloaded, BadReply):
        with pytest.raises(error):
            await script.complete(ask())


async def test_repairs_are_asked_for_as_in_production() -> None:
    script = Scripted(["no", {"summary": "s"}])
    assert (await script.complete(ask(schema=Summary))).parsed == Summary(summary="s")
    assert len(script.requests) == 2
    with pytest.raises(SchemaMismatch):
        await Scripted(["no"] * 3).complete(ask(schema=Summary))


async def test_embeddings_and_log_probabilities() -> None:
    reply = await Scripted([[[1.0, 2.0], [3.0, 4.0]]]).complete(Request(kind="embedding", inputs=("a", "b")))
    assert reply.embeddings == ((1.0, 2.0), (3.0, 4.0))
    choice = Choice("a", "stop", (TokenLogprob("a", -0.5, {"a": -0.5}),))
    assert (await Scripted([Reply(choices=(choice,))]).complete(ask(logprobs=1))).choices == (choice,)
