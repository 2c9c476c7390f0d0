"""The openai protocol, both ways: what is sent, what is read, and what is refused as unusable."""

from __future__ import annotations

from typing import Any, Literal

import orjson
import pytest
from pydantic import BaseModel, Field

from gristmill.errors import BadReply, RequestRefused
from gristmill.models.contract import Choice, Reply, Request, Sampling, TokenLogprob
from gristmill.models.schema import response_format
from gristmill.models.scripted import body_of
from gristmill.models.wire import decode, dump, encode
from gristmill.prompts import schemas
from gristmill.storage.records import Message

ASKED = Request(messages=(Message(role="system", content="Be brief."), Message(role="user", content="Hello?")))


class Answer(BaseModel):
    word: str = Field(min_length=1, default="x")


def body(**fields: Any) -> bytes:
    message = {"role": "assistant", "content": "Hello."}
    return orjson.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}], **fields})


def test_chat_carries_every_choice_of_sampling() -> None:
    request = Request(
        messages=ASKED.messages,
        schema=Answer,
        sampling=Sampling(
            temperature=0.0,
            top_p=0.9,
            max_tokens=7,
            n=3,
            seed=11,
            stop=("END",),
            logprobs=2,
            prompt_logprobs=1,
            logit_bias={"42": -100},
            extra={"top_k": 5},
        ),
    )
    path, sent = encode(request, "m")
    sent = orjson.loads(orjson.dumps(sent))
    assert path == "/chat/completions"
    format_ = sent.pop("response_format")
    assert format_["json_schema"]["name"] == "Answer"
    assert sent == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "temperature": 0.0,
        "top_p": 0.9,
        "max_tokens": 7,
        "n": 3,
        "seed": 11,
        "stop": ["END"],
        "logprobs": True,
        "top_logprobs": 2,
        "prompt_logprobs": 1,
        "logit_bias": {"42": -100},
        "top_k": 5,
    }


def test_what_is_left_open_is_not_sent() -> None:
    assert set(encode(ASKED, "m")[1]) == {"model", "messages"}


def test_completion_and_embedding_have_paths_of_their_own() -> None:
    path, sent = encode(Request(kind="completion", text="Once", sampling=Sampling(logprobs=0)), "m")
    assert (path, sent) == ("/completions", {"model": "m", "prompt": "Once", "logprobs": 0})
    path, sent = encode(Request(kind="embedding", inputs=("a", "b"), sampling=Sampling(temperature=1)), "m")
    assert path == "/embeddings"
    assert sent == {"model": "m", "input": ("a", "b"), "encoding_format": "float"}


@pytest.mark.parametrize(
    "request_",
    [
        Request(),
        Request(kind="completion"),
        Request(kind="embedding", inputs=("a", "")),
        Request(messages=ASKED.messages, sampling=Sampling(extra={"messages": []})),
        Request(messages=ASKED.messages, sampling=Sampling(extra={"stream": True})),
    ],
)
def test_a_request_without_a_question_is_refused_before_it_is_sent(request_: Request) -> None:
    with pytest.raises(RequestRefused):
        encode(request_, "m")


def every_object(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for part in node for found in every_object(part)]
    if not isinstance(node, dict):
        return []
    own = [node] if node.get("type") == "object" else []
    return own + [found for part in node.values() for found in every_object(part)]


@pytest.mark.parametrize(
    "schema",
    [value for value in vars(schemas).values() if isinstance(value, type) and issubclass(value, schemas.Answer)],
)
def test_every_built_in_schema_is_strict(schema: type[BaseModel]) -> None:
    found = response_format(schema)["json_schema"]
    assert found["strict"] is True
    for node in every_object(found["schema"]):
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])
    text = orjson.dumps(found["schema"]).decode()
    for keyword in ('"default"', '"minLength"', '"oneOf"', '"discriminator"'):
        assert keyword not in text


def test_a_field_called_like_a_keyword_stays() -> None:
    class Odd(BaseModel):
        title: str
        default: int
        choice: Literal["title"]

    found = response_format(Odd)["json_schema"]
    assert found["strict"] is True
    assert list(found["schema"]["properties"]) == ["title", "default", "choice"]
    assert found["schema"]["properties"]["choice"] in ({"const": "title", "type": "string"}, {"enum": ["title"]})


def test_free_maps_and_tuples_are_not_strict_and_stay_whole() -> None:
    class Free(BaseModel):
        counts: dict[str, int]

    class Pair(BaseModel):
        pair: tuple[int, str]

    for schema in (Free, Pair):
        found = response_format(schema)["json_schema"]
        assert found["strict"] is False
        assert found["schema"] == schema.model_json_schema()


def test_a_chat_reply_is_read_whole() -> None:
    raw = body(usage={"prompt_tokens": 12, "completion_tokens": 3})
    reply = decode(ASKED, raw, 0.5)
    assert reply.text == "Hello."
    assert reply.finish_reason == "stop"
    assert reply.raw is raw
    usage = reply.usage
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.seconds) == (1, 12, 3, 0.5)


def test_a_cut_reply_is_read_and_says_so() -> None:
    raw = orjson.dumps({"choices": [{"message": {"content": "Hel"}, "finish_reason": "length"}]})
    assert decode(ASKED, raw).finish_reason == "length"


def test_scripted_bodies_have_the_shape_of_the_openai_package() -> None:
    from openai.types.chat import ChatCompletion  # heavy: it makes hundreds of pydantic models

    reply = Reply(choices=(Choice("Hi", "length", (TokenLogprob("Hi", -0.5, {"Hi": -0.5, "Ho": -1.5}),)),))
    raw = body_of(ASKED, reply, "m")
    fields = {**orjson.loads(raw), "created": 0}
    fields["usage"]["total_tokens"] = 0
    fields["choices"][0]["message"]["refusal"] = None
    parsed = ChatCompletion.model_validate(fields)
    assert parsed.choices[0].logprobs is not None
    assert parsed.choices[0].message.content == "Hi"
    request = Request(messages=ASKED.messages, sampling=Sampling(logprobs=2))
    assert decode(request, raw).choices == reply.choices


@pytest.mark.parametrize("kind", ["chat", "completion"])
def test_log_probabilities_survive_the_wire(kind: Literal["chat", "completion"]) -> None:
    tokens = (TokenLogprob("a", -0.25, {"a": -0.25}), TokenLogprob("b", -0.5, {"b": -0.5, "c": -2.0}))
    prompt = (None, TokenLogprob("x", -3.0, {"x": -3.0, "y": -0.1}))
    request = Request(kind=kind, messages=ASKED.messages, text="Once", sampling=Sampling(logprobs=1, prompt_logprobs=1))
    choice = Choice("ab", "stop", tokens, prompt)
    assert decode(request, body_of(request, Reply(choices=(choice,)), "m")).choices == (choice,)


def test_prompt_logprobs_of_vllms_chat_stand_beside_the_choices() -> None:
    listed = [None, {"5": {"logprob": -2.0, "decoded_token": "b"}, "7": {"logprob": -0.5, "decoded_token": "c"}}]
    request = Request(messages=ASKED.messages, sampling=Sampling(prompt_logprobs=1))
    found = decode(request, body(prompt_logprobs=listed)).choices[0].prompt_logprobs
    assert found == (None, TokenLogprob("b", -2.0, {"b": -2.0, "c": -0.5}))


def test_embeddings_come_in_the_order_of_the_texts() -> None:
    request = Request(kind="embedding", inputs=("a", "b"))
    raw = orjson.dumps(
        {"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}], "usage": {"prompt_tokens": 2}}
    )
    reply = decode(request, raw)
    assert reply.embeddings == ((1.0, 2.0), (3.0, 4.0))
    assert reply.usage.input_tokens == 2


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"<html><body>Login</body></html>", "HTML"),
        (b"", "nothing"),
        (body()[:-9], "not JSON"),
        (b"[1]", "JSON list"),
        (b'"ok"', "JSON str"),
        (b"{}", "no choices"),
        (b'{"choices": []}', "no choices"),
        (b'{"error": {"message": "out of memory"}}', "out of memory"),
        (b'{"choices": [{"message": {"content": null}}]}', "null content"),
        (b'{"choices": [{"message": {"content": ""}}]}', "empty text"),
        (b'{"choices": [{"message": {"content": [{"text": "a"}]}}]}', "content is a list"),
        (b'{"choices": [{"message": {"content": null, "refusal": "I cannot."}}]}', "I cannot."),
        (b'{"choices": [{"delta": {}}]}', "shape"),
        (b'{"choices": ["a"]}', "shape"),
        (b'{"choices": [{"message": {"content": "a"}}, {"message": {"content": null}}]}', "null content"),
    ],
)
def test_an_unusable_body_is_a_typed_error_that_keeps_it(raw: bytes, words: str) -> None:
    with pytest.raises(BadReply, match=words) as caught:
        decode(ASKED, raw)
    assert caught.value.raw == raw.decode()


def test_what_an_unusable_reply_cost_is_told() -> None:
    raw = b'{"choices": [{"message": {"content": null}}], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}'
    with pytest.raises(BadReply) as caught:
        decode(ASKED, raw)
    assert caught.value.tokens == (9, 4)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [{"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 5, "embedding": [1.0]}],
        [{"index": 0, "embedding": ["a"]}, {"index": 1, "embedding": [1.0]}],
        [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}],
    ],
)
def test_embeddings_that_do_not_match_the_texts_are_refused(data: Any) -> None:
    with pytest.raises(BadReply):
        decode(Request(kind="embedding", inputs=("a", "b")), orjson.dumps({"data": data}))


def test_an_empty_text_is_an_answer_only_when_the_prompt_is_scored() -> None:
    raw = b'{"choices": [{"text": "", "finish_reason": "stop"}]}'
    scored = Request(kind="completion", text="Once", sampling=Sampling(prompt_logprobs=0))
    assert decode(scored, raw).text == ""
    with pytest.raises(BadReply, match="empty text"):
        decode(Request(kind="completion", text="Once"), raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"choices": [{"message": {"content": null, "refusal": "I cannot."}}]}',
        b'{"choices": [{"message": {"content": "Part of"}, "finish_reason": "content_filter"}]}',
    ],
)
def test_a_refusal_is_not_asked_for_again(raw: bytes) -> None:
    with pytest.raises(BadReply) as caught:
        decode(ASKED, raw)
    assert not caught.value.retryable


def test_a_seed_fits_into_what_servers_take() -> None:
    for seed in (-5, 0, 2**63 - 1, 2**63, 2**200 + 7):
        sent = encode(Request(messages=ASKED.messages, sampling=Sampling(seed=seed)), "m")[1]["seed"]
        assert -(2**63) <= sent < 2**63
        assert sent == seed or abs(seed) >= 2**63


def test_text_that_json_cannot_carry_is_refused() -> None:
    for value in ("lone \udce4 surrogate", 2**70):
        with pytest.raises(RequestRefused, match="JSON"):
            dump({"a": value})
