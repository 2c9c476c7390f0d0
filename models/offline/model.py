"""The offline model: answers gristmill's built-in prompts by rules over the passages, without a network or weights.

It reads a request's prompt name and variables, never the rendered messages, so an edited template changes nothing. What
it answers is extracted from the passages, in English; it is for trying, for testing, and as a baseline to beat.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from ...errors import RequestRefused
from ..contract import Reply, Request
from ..wire import decode
from . import (
    attributes,
    editing,
    embedding,
    extraction,
    identity,
    judging,
    measuring,
    passage_judging,
    passages,
    problem_judging,
    problems,
    questions,
)

Rule = Callable[[Mapping[str, Any], int], BaseModel]

RULES: dict[str, tuple[Rule, frozenset[str]]] = {
    "extract-graph": (lambda v, seed: extraction.extract(v), frozenset({"passage"})),
    "summarise-entity": (lambda v, seed: extraction.summarise(v), frozenset({"name", "descriptions"})),
    "same-entity": (lambda v, seed: identity.same(v), frozenset({"entries"})),
    "propose-question": (questions.propose, frozenset({"passage", "kind"})),
    "write-question-answer": (questions.write, frozenset({"passage", "kind"})),
    "judge-question-answer": (lambda v, seed: judging.judge(v), frozenset({"passage", "question", "answer"})),
    "suggest-edits": (lambda v, seed: editing.suggest(v), frozenset({"passage", "question", "answer"})),
    "edit-question-answer": (editing.edit, frozenset({"passage", "question", "answer"})),
    "write-entity-passage": (passages.write, frozenset({"passages", "entities"})),
    "judge-entity-passage": (lambda v, seed: passage_judging.judge(v), frozenset({"passages", "entities", "text"})),
    "revise-entity-passage": (passage_judging.revise, frozenset({"passages", "entities", "text"})),
    "write-problem": (problems.write, frozenset({"passages", "points"})),
    "solve-problem": (problems.solve, frozenset({"passages", "points", "problem"})),
    "propose-dimensions": (lambda v, seed: attributes.dimensions(v), frozenset({"passage", "count"})),
    "propose-values": (attributes.values, frozenset({"passage", "dimension", "count"})),
    "shared-values": (lambda v, seed: attributes.shared(v), frozenset({"class_name", "values", "others"})),
    "propose-personas": (attributes.personas, frozenset({"passage", "count"})),
    "relate-persona": (attributes.relatives, frozenset({"persona", "count"})),
    "judge-problem": (lambda v, seed: problem_judging.judge(v), frozenset({"passages", "points", "problem", "answer"})),
    "score-by-rubric": (lambda v, seed: measuring.score(v), frozenset({"criteria", "text"})),
    "compare-two-texts": (lambda v, seed: measuring.compare(v), frozenset({"first", "second"})),
    "name-differences": (lambda v, seed: measuring.differences(v), frozenset({"texts"})),
    "group-texts": (lambda v, seed: measuring.group(v), frozenset({"texts"})),
    "check-group": (lambda v, seed: measuring.check_group(v), frozenset({"texts"})),
    "answer-question": (lambda v, seed: measuring.answer(v), frozenset({"question"})),
    "check-answer": (lambda v, seed: measuring.check_answer(v), frozenset({"question", "answer"})),
}
"""Prompt name → the rule that answers it and the variables that the rule cannot do without."""

MEND = "bind a real model to that role, e.g. openai_api/MODEL with base_url"


class Offline:
    """A `Model` without a network. The same prompt, variables, seed and sample give the same answer on every machine.

    Usage is counted at four characters a token and costs nothing.
    """

    @property
    def name(self) -> str:
        return "offline"

    async def complete(self, request: Request) -> Reply:
        """Answers a built-in prompt, or embeds texts by character n-grams.

        Raises:
            RequestRefused: the prompt is none of `RULES`, lacks a variable, is asked for in another shape, or the
                request is a raw completion. Names what is known and the mend.
        """
        began = time.perf_counter()
        if request.kind == "embedding":
            body = _embeddings(request)
        elif request.kind == "completion":
            raise RequestRefused(f"the offline model does not continue text; {MEND}")
        else:
            body = _chat(request)
        return decode(request, orjson.dumps(body), time.perf_counter() - began)

    async def aclose(self) -> None:
        """Does nothing: there is no connection."""


def _chat(request: Request) -> dict[str, Any]:
    found = RULES.get(request.prompt)
    if found is None:
        raise RequestRefused(
            f"the offline model has no rule for prompt '{request.prompt}'; {MEND}. It answers {', '.join(RULES)}"
        )
    rule, needed = found
    if missing := needed - request.variables.keys():
        raise RequestRefused(
            f"prompt '{request.prompt}' gave the offline model no {', '.join(sorted(missing))}; add it to the "
            f"variables that the role gives, or {MEND}"
        )
    texts = [
        rule(request.variables, _seed(request, draw)).model_dump_json() for draw in range(max(1, request.sampling.n))
    ]
    if request.schema is not None:
        try:
            request.schema.model_validate_json(texts[0])
        except ValidationError as error:
            raise RequestRefused(
                f"prompt '{request.prompt}' wants its answer as {request.schema.__name__}, which the offline model's "
                f"rule for it does not give ({error.error_count()} errors); {MEND}"
            ) from None
    asked = sum(len(message.content) for message in request.messages)
    return {
        "object": "chat.completion",
        "model": "offline",
        "choices": [
            {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": None}
            for i, text in enumerate(texts)
        ],
        "usage": _usage(asked, sum(map(len, texts))),
    }


def _seed(request: Request, draw: int) -> int:
    """Returns the seed of one answer, from the sampling's seed and from which draw of the question this is."""
    parts = repr((request.sampling.seed or 0, request.sample, draw)).encode()
    return int.from_bytes(hashlib.blake2b(parts, digest_size=6).digest(), "big")


def _usage(asked: int, told: int) -> dict[str, int]:
    prompt, completion = asked // 4 + 1, told // 4 + 1
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _embeddings(request: Request) -> dict[str, Any]:
    if not request.inputs:
        raise RequestRefused("an embedding request needs inputs; give at least one text")
    data = [
        {"object": "embedding", "index": i, "embedding": embedding.embed(text)} for i, text in enumerate(request.inputs)
    ]
    return {
        "object": "list",
        "model": "offline",
        "data": data,
        "usage": {**_usage(sum(map(len, request.inputs)), 0), "completion_tokens": 0},
    }
