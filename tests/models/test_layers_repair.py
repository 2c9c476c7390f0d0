"""The repair: JSON found in prose, mistakes answered with what was wrong, cut answers refused."""

from __future__ import annotations

from time import process_time

import pytest
from pydantic import BaseModel, Field

from gristmill.errors import SchemaMismatch, Truncated
from gristmill.models.contract import Choice, Reply, Request, Sampling
from gristmill.models.layers.meter import Meter
from gristmill.models.layers.repair import Repair, parse
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Message


class Answer(BaseModel):
    word: str = Field(min_length=1)
    score: float = Field(ge=0, le=1)


GOOD = '{"word": "yes", "score": 0.5}'
ASKED = Request(messages=(Message(role="user", content="Well?"),), schema=Answer, role="critic", task="t")


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  \n{GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"Sure! Here is the answer:\n\n{GOOD}\n\nI hope this helps {{really}}.",
        f'<think>maybe {{\'word\': 1}} or {{"word": "no", "score": 1}}</think>{GOOD}',
        f'First I thought {{"word": "no", "score": 0.1}}, but it is {GOOD}',
        f"Some [text] in {{brackets}} and then {GOOD}",
        f'{GOOD}\n{{"an": "afterthought"}}',
    ],
)
def test_an_answer_is_found_in_its_wrapping(text: str) -> None:
    assert parse(text, Answer) == Answer(word="yes", score=0.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I do not know.", "no complete JSON value"),
        ('{"word": "yes", "score": 0.', "no complete JSON value"),
        ('{"word": "yes"}', "score: Field required"),
        ('{"word": "", "score": 2}', "word: String should have at least 1 character"),
        ('["yes", 0.5]', "Answer"),
        ("null", "Answer"),
    ],
)
def test_what_does_not_fit_is_told_field_by_field(text: str, words: str) -> None:
    with pytest.raises(SchemaMismatch, match=words) as caught:
        parse(text, Answer)
    assert caught.value.raw == text


def test_hostile_text_costs_little_time() -> None:
    for text in ("[" * 100_000, '{"a":' * 50_000, "{" * 100_000, '{"a": "' + "\\" * 100_000):
        began = process_time()
        with pytest.raises(SchemaMismatch):
            parse(text, Answer)
        assert process_time() - began < 3


async def test_a_mistake_is_answered_with_what_was_wrong() -> None:
    meter = Meter()
    script = Scripted(['{"word": "yes"}', GOOD], repairs=None)
    reply = await Repair(script, 2, meter).complete(ASKED)
    assert reply.parsed == Answer(word="yes", score=0.5)
    assert reply.usage.calls == 2
    again = script.requests[1]
    assert again.messages[:1] == ASKED.messages
    assert again.messages[1] == Message(role="assistant", content='{"word": "yes"}')
    assert "score: Field required" in again.messages[2].content
    assert (again.task, again.role, again.schema) == ("t", "critic", Answer)
    assert meter.books("critic").repeats == {"schema_mismatch": 1}


async def test_it_gives_up_after_its_limit_with_the_last_text() -> None:
    script = Scripted(["one", "two", "three", "four"], repairs=None)
    with pytest.raises(SchemaMismatch) as caught:
        await Repair(script, 2).complete(ASKED)
    assert len(script.requests) == 3
    assert caught.value.raw == "three"
    assert len(script.requests[2].messages) == 5


async def test_no_repairs_means_one_question() -> None:
    script = Scripted(["one", GOOD], repairs=None)
    with pytest.raises(SchemaMismatch):
        await Repair(script, 0).complete(ASKED)
    assert len(script.requests) == 1


async def test_a_cut_chat_is_an_error_and_not_asked_again() -> None:
    cut = Reply(choices=(Choice('{"word": "ye', "length"),))
    for schema in (Answer, None):
        script = Scripted([cut], repairs=None)
        request = Request(messages=ASKED.messages, schema=schema, sampling=Sampling(max_tokens=5))
        with pytest.raises(Truncated, match="max_tokens 5") as caught:
            await Repair(script).complete(request)
        assert caught.value.raw == '{"word": "ye'


async def test_a_base_model_and_a_scorer_may_be_cut() -> None:
    cut = Reply(choices=(Choice("and so", "length"),))
    for request in (
        Request(kind="completion", text="Once", sampling=Sampling(max_tokens=2)),
        Request(messages=ASKED.messages, sampling=Sampling(max_tokens=1, logprobs=5)),
    ):
        reply = await Repair(Scripted([cut], repairs=None)).complete(request)
        assert (reply.text, reply.finish_reason) == ("and so", "length")


async def test_without_a_schema_the_reply_passes_as_it_is() -> None:
    reply = await Repair(Scripted(["not JSON"], repairs=None)).complete(Request(messages=ASKED.messages))
    assert reply.text == "not JSON"
    assert reply.parsed is None
