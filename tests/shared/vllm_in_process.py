"""Asks a model through `vllm_engine`, in this process, and prints what came back as one JSON object.

Run by tests/served_vllm/test_engine.py with the Python that has vLLM; the engine starts processes of its own, so that
this must be a program and not a test.

    .venv-vllm/bin/python tests/shared/vllm_in_process.py MODEL_FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Literal

from pydantic import BaseModel

from gristmill.errors import RequestRefused
from gristmill.models.contract import Request, Sampling
from gristmill.models.factory import build
from gristmill.models.layers.meter import Meter
from gristmill.models.spec import ModelSpec
from gristmill.storage.records import Message

MESSAGES = (Message(role="user", content="What does a mill do?"),)
ENGINE = {
    "enforce_eager": True,
    "dtype": "bfloat16",
    "max_model_len": 1024,
    "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
}


class Ruling(BaseModel):
    verdict: Literal["accept", "reject"]
    score: Literal[1, 2, 3]


async def ask(folder: str) -> dict[str, Any]:
    meter = Meter()
    spec = ModelSpec(model=f"vllm_engine/{folder}", timeout=240, retries=0, extra=ENGINE)
    model = build(spec, calls=None, budget=None, meter=meter)
    said: dict[str, Any] = {}
    try:
        chat = await model.complete(
            Request(messages=MESSAGES, sampling=Sampling(n=2, seed=1, max_tokens=8, logprobs=2), role="generator")
        )
        said["choices"] = len(chat.choices)
        said["logprobs"] = [len(choice.logprobs) for choice in chat.choices]
        said["usage"] = [chat.usage.input_tokens, chat.usage.output_tokens]
        scored = await model.complete(
            Request(kind="completion", text="The river.", sampling=Sampling(max_tokens=1, prompt_logprobs=0))
        )
        said["prompt_logprobs"] = [
            None if token is None else token.logprob for token in scored.choices[0].prompt_logprobs
        ]
        said["prompt_tokens"] = scored.usage.input_tokens
        ruling = await model.complete(Request(messages=MESSAGES, schema=Ruling, sampling=Sampling(max_tokens=64)))
        said["parsed"] = type(ruling.parsed).__name__
        drawn = Request(kind="completion", text="a", sampling=Sampling(max_tokens=8, seed=3, temperature=1.0))
        said["repeats"] = (await model.complete(drawn)).text == (await model.complete(drawn)).text
        try:
            await model.complete(Request(kind="completion", text="stone " * 5000))
        except RequestRefused as error:
            said["refused"] = str(error)
        many = [
            model.complete(Request(kind="completion", text=f"{i}", sampling=Sampling(max_tokens=4))) for i in range(32)
        ]
        said["at_once"] = len(await asyncio.gather(*many))
        said["calls"] = meter.total.calls
    finally:
        await model.aclose()
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(sys.argv[1]))))
