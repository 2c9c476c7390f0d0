"""vLLM in this process (extra `vllm`): no server to start, one Python program on the machine with the accelerator.

What it answers is written in the openai protocol's shape and decoded like a server's, so the cache may serve either.
Written for vLLM 0.11 and later (its V1 engine). Serving vLLM and using `openai_api` is the better choice as soon as two
programs share the accelerator, or a crash of the engine must not end the campaign.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from itertools import count
from time import perf_counter
from typing import Any

import orjson

from ..errors import ConfigError, DeadlineExceeded, Overloaded, RequestRefused, Unreachable
from .contract import Reply, Request
from .redact import redact
from .schema import response_format
from .spec import ModelSpec
from .wire import decode, encode


class VLLMEngine:
    """The transport into an engine of our own. `name` is `vllm_engine/<model>`.

    The engine starts with the first request and holds the event loop while it loads: minutes for a large model.
    `arguments` are vLLM's engine arguments, e.g. `{"tensor_parallel_size": 2, "max_model_len": 8192}`.
    """

    def __init__(self, model: str, *, timeout: float = 120.0, arguments: dict[str, Any] | None = None) -> None:
        self.name = f"vllm_engine/{model}"
        self.model = model
        self.timeout = timeout
        self.arguments = arguments or {}
        self._vllm = load()
        self._engine: Any = None
        self._ids = count()

    @classmethod
    def of(cls, spec: ModelSpec) -> VLLMEngine:
        """Makes the back end of `spec`; raises `ConfigError` when vLLM is not installed."""
        return cls(spec.served_name, timeout=spec.timeout, arguments=spec.extra)

    async def complete(self, request: Request) -> Reply:
        """Asks the engine once.

        Raises:
            RequestRefused: vLLM does not take the request, e.g. a prompt longer than its context.
            DeadlineExceeded: `timeout` seconds passed; the engine stops working on it.
            Unreachable: the engine died. Not to be retried: it must be started anew with the program.
        """
        encode(request, self.model)  # the same checks as on the wire
        if self._engine is None:
            self._engine = self._start()
        started = perf_counter()
        try:
            async with asyncio.timeout(self.timeout):
                body = await (self._embed(request) if request.kind == "embedding" else self._generate(request))
        except TimeoutError:
            raise DeadlineExceeded(f"{self.name}: no answer within {self.timeout:g} s; raise `timeout`") from None
        except (ValueError, TypeError) as error:
            raise RequestRefused(f"{self.name}: {redact(str(error))[:300]}") from None
        except Exception as error:
            raise _typed(self.name, error) from None
        return decode(request, orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS), perf_counter() - started)

    async def aclose(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.shutdown()

    def _start(self) -> Any:
        arguments = {"disable_log_stats": True, **self.arguments}
        try:
            options = self._vllm.AsyncEngineArgs(model=self.model, **arguments)
        except TypeError as error:
            raise ConfigError(f"`extra` of {self.name} has an argument that vLLM does not know: {error}") from None
        engine = importlib.import_module("vllm.v1.engine.async_llm").AsyncLLM
        try:
            return engine.from_engine_args(options)
        except Exception as error:
            raise ConfigError(
                f"{self.name} cannot be loaded ({redact(str(error))[:300]}); check the model's name or path, the "
                f"memory, and `extra`"
            ) from None

    async def _tokenizer(self) -> Any:
        found = self._engine.get_tokenizer()
        return await found if inspect.isawaitable(found) else found  # a coroutine up to vLLM 0.11, plain later

    async def _generate(self, request: Request) -> dict[str, Any]:
        tokenizer = await self._tokenizer()
        if request.kind == "chat":
            messages = [{"role": message.role, "content": message.content} for message in request.messages]
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            tokens = tokenizer.encode(text, add_special_tokens=False)  # the template has written them already
        else:
            tokens = tokenizer.encode(request.text)
        limit = self._engine.model_config.max_model_len - len(tokens)
        if limit < 1:
            raise RequestRefused(
                f"{self.name}: the prompt has {len(tokens)} tokens and the model takes {limit + len(tokens)}; "
                f"raise max_model_len in `extra`, or use smaller chunks"
            )
        parameters = self._parameters(request, limit)
        final: Any = None
        stream = self._engine.generate({"prompt_token_ids": tokens}, parameters, f"gristmill-{next(self._ids)}")
        async for output in stream:
            final = output
        choices = [_choice(request, output) for output in final.outputs]
        if final.prompt_logprobs is not None and request.sampling.prompt_logprobs is not None:
            written = [None if one is None else _top(one) for one in final.prompt_logprobs]
            choices[0]["prompt_logprobs"] = written
        usage = {
            "prompt_tokens": len(tokens),
            "completion_tokens": sum(len(output.token_ids) for output in final.outputs),
        }
        return {"model": self.model, "choices": choices, "usage": usage}

    def _parameters(self, request: Request, limit: int) -> Any:
        sampling = request.sampling
        # What the model's own generation_config.json says holds first, as it does in vLLM's server.
        fields: dict[str, Any] = {**self._engine.model_config.get_diff_sampling_param(), **sampling.extra}
        chosen = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "logprobs": sampling.logprobs,
            "prompt_logprobs": sampling.prompt_logprobs,
            "stop": list(sampling.stop) or None,
        }
        fields.update({key: value for key, value in chosen.items() if value is not None})
        fields["n"] = sampling.n
        fields["max_tokens"] = min(sampling.max_tokens or limit, limit)
        if sampling.logit_bias is not None:
            fields["logit_bias"] = {int(token): bias for token, bias in sampling.logit_bias.items()}
        module = importlib.import_module("vllm.sampling_params")
        if request.schema is not None:
            schema = response_format(request.schema)["json_schema"]["schema"]
            fields["structured_outputs"] = module.StructuredOutputsParams(json=schema)
        return module.SamplingParams(output_kind=module.RequestOutputKind.FINAL_ONLY, **fields)

    async def _embed(self, request: Request) -> dict[str, Any]:
        parameters = self._vllm.PoolingParams(task="embed")
        tokenizer = await self._tokenizer()

        async def one(text: str) -> tuple[list[float], int]:
            tokens = tokenizer.encode(text)
            final: Any = None
            stream = self._engine.encode({"prompt_token_ids": tokens}, parameters, f"gristmill-{next(self._ids)}")
            async for output in stream:
                final = output
            return final.outputs.data.tolist(), len(tokens)

        found = await asyncio.gather(*(one(text) for text in request.inputs))
        data = [{"index": index, "embedding": vector} for index, (vector, _) in enumerate(found)]
        return {"model": self.model, "data": data, "usage": {"prompt_tokens": sum(tokens for _, tokens in found)}}


def load() -> Any:
    """Imports vllm; raises `ConfigError` naming the extra when it is missing."""
    try:
        return importlib.import_module("vllm")  # brings torch, and takes ten seconds or more
    except ImportError as error:
        raise ConfigError(
            f"models called vllm_engine/... need vLLM ({error}); run: pip install 'gristmill[vllm]', or serve it "
            f"elsewhere and use openai_api/<model> with its base_url"
        ) from None


def _choice(request: Request, output: Any) -> dict[str, Any]:
    written: dict[str, Any] = {"index": output.index, "finish_reason": output.finish_reason or "stop"}
    steps = list(zip(output.token_ids, output.logprobs or (), strict=False))
    if request.kind == "completion":
        written["text"] = output.text
        if steps:
            written["logprobs"] = {
                "tokens": [_token(step, token) for token, step in steps],
                "token_logprobs": [step[token].logprob for token, step in steps],
                "top_logprobs": [{_token(step, other): step[other].logprob for other in step} for _, step in steps],
            }
        return written
    written["message"] = {"role": "assistant", "content": output.text}
    if steps:
        written["logprobs"] = {
            "content": [
                {
                    "token": _token(step, token),
                    "logprob": step[token].logprob,
                    "top_logprobs": [{"token": _token(step, other), "logprob": step[other].logprob} for other in step],
                }
                for token, step in steps
            ]
        }
    return written


def _top(step: dict[int, Any]) -> dict[int, Any]:
    return {
        token: {"logprob": entry.logprob, "decoded_token": entry.decoded_token or str(token)}
        for token, entry in step.items()
    }


def _token(step: dict[int, Any], token: int) -> str:
    return step[token].decoded_token or str(token)


def _typed(name: str, error: Exception) -> Exception:
    kind, text = type(error).__name__, redact(str(error))[:300]
    if isinstance(error, RequestRefused | ConfigError):
        return error
    if kind == "EngineDeadError":
        dead = Unreachable(f"{name}: the engine died ({text}); see vLLM's log, then run the same command to go on")
        dead.retryable = False
        return dead
    if any(base.__name__ == "VLLMClientError" for base in type(error).__mro__):
        return RequestRefused(f"{name}: {text}")
    return Overloaded(f"{name}: {kind}: {text}", status=500)
