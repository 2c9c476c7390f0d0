"""Asks a model a few small questions: a cheap check before a campaign spends, and the longer list of `doctor`."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from pydantic import BaseModel

from ..errors import AccessDenied, ConfigError, ModelError, Overloaded, RequestRefused, Unreachable
from ..storage.records import Message
from .contract import Model, Reply, Request, Sampling
from .factory import transport
from .layers.repair import parse
from .openai_api import OpenAIApi
from .spec import ModelSpec

CHECK_TIMEOUT = 20.0  # seconds; a model that is loaded answers one token in less
SHOWN = 8
NEEDED = ("reachable", "models", "chat")  # what a replica must do as the others do
LOG = logging.getLogger(__name__)
HELLO = (Message(role="user", content="Answer with one word: yes or no. Is water wet?"),)


class YesOrNo(BaseModel):
    """The smallest schema that shows whether structured output works."""

    answer: Literal["yes", "no"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing tried: what it was, whether it works, what was seen, and what to do when it does not."""

    name: str
    works: bool
    seen: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found out about a model. `latency` is the seconds that a short chat took; None when none worked."""

    model: str
    url: str
    findings: tuple[Finding, ...]
    models: tuple[str, ...] = ()
    latency: float | None = None

    @property
    def usable(self) -> bool:
        """Whether a campaign can run on it: it can be reached and it chats. The rest is good to have."""
        return all(one.works for one in self.findings if one.name in ("reachable", "chat"))


async def check(spec: ModelSpec, *, embeds: bool = False) -> None:
    """Makes sure, for the price of at most one token a server, that `spec` can be asked at all: for an answer, or
    with `embeds` for a vector.

    Of several servers some may be down, which is logged: they are used once they are there.

    Raises:
        ConfigError: no server at base_url, or at any of base_urls; a wrong key, an unknown model, a missing extra.
            Names the mend.
    """
    down = [
        str(one) for one in await asyncio.gather(*(_check(one, embeds) for one in spec.replicas)) if one is not None
    ]
    if len(down) == len(spec.replicas):
        raise ConfigError("; ".join(down))
    for why in down:
        LOG.warning("%s. The campaign goes on with the other %d", why, len(spec.replicas) - len(down))


async def _check(spec: ModelSpec, embeds: bool) -> ConfigError | None:
    """Checks one server. Returns what is wrong when nobody is there, raises it when somebody is."""
    if spec.backend in ("offline", "vllm_engine"):
        await transport(spec).aclose()  # what can be wrong shows when it is made: the extra is missing
        return None
    model = transport(spec.model_copy(update={"timeout": min(spec.timeout, CHECK_TIMEOUT)}))
    names: tuple[str, ...] = ()
    try:
        try:
            if isinstance(model, OpenAIApi):
                names = await model.models()
                if spec.served_name in names:
                    return None
        except (Unreachable, AccessDenied):
            raise
        except ModelError:
            pass  # not every server lists its models; the question below decides
        asked = Request(messages=HELLO, sampling=Sampling(max_tokens=1))
        await model.complete(Request(kind="embedding", inputs=(HELLO[0].content,)) if embeds else asked)
    except Overloaded:
        pass  # it is there, and busy: the layers of the campaign deal with that
    except RequestRefused as error:
        if isinstance(error, AccessDenied) or error.status == 404 or names:
            raise ConfigError(_why_not(spec, error, names)) from None
        # A base model without a chat template refuses the chat, and is there.
    except Unreachable as error:
        return ConfigError(_why_not(spec, error, names))
    except ModelError as error:
        raise ConfigError(_why_not(spec, error, names)) from None
    finally:
        await model.aclose()
    return None


def _why_not(spec: ModelSpec, error: ModelError, names: tuple[str, ...]) -> str:
    where = spec.where
    if isinstance(error, AccessDenied):
        source = spec.api_key_file or (f"environment variable {spec.key_env}" if spec.key_env else "")
        mend = f"check the key in {source}" if source else "name the key's variable in api_key_env"
        return f"{where} refuses access; {mend}. It said: {error}"
    if isinstance(error, Unreachable):
        return f"{where} cannot be reached; start the server, or mend base_url. Seen: {error}"
    if names:
        near = difflib.get_close_matches(spec.served_name, names, n=1)
        hint = f"did you mean '{spec.backend}/{near[0]}'? " if near else ""
        return f"{where} is not known there; {hint}it serves {', '.join(names[:SHOWN])}"
    return f"{where} cannot be used: {error}"


async def probe(spec: ModelSpec) -> Probe:
    """Tries what roles need: a list of models, a chat, structured output, log-probabilities. Raises nothing of it.

    Of several servers, the first that is usable is told of in full, and each in one finding.
    """
    probes = await asyncio.gather(*map(_probe, spec.replicas))
    if len(probes) == 1:
        return probes[0]
    full = next((one for one in probes if one.usable), probes[0])
    findings = (*full.findings, *map(_summed, probes))
    return Probe(spec.model, ", ".join(spec.base_urls), findings, full.models, full.latency)


def _summed(found: Probe) -> Finding:
    wrong = next((one for one in found.findings if not one.works and one.name in NEEDED), None)
    if wrong is not None:
        return Finding(f"replica {found.url}", False, wrong.seen, wrong.mend)
    seen = "answers" if found.latency is None else f"answers in {found.latency:.2f} s"
    return Finding(f"replica {found.url}", True, seen)


async def _probe(spec: ModelSpec) -> Probe:
    try:
        model = transport(spec)
    except ConfigError as error:
        return Probe(spec.model, spec.url, (Finding("reachable", False, str(error)),))
    try:
        return await _tried(spec, model)
    finally:
        await model.aclose()


async def _tried(spec: ModelSpec, model: Model) -> Probe:
    if spec.backend == "offline":
        return Probe(spec.model, "", (Finding("reachable", True, "built in; needs no server"),), (), 0.0)
    findings: list[Finding] = []
    names: tuple[str, ...] = ()
    if isinstance(model, OpenAIApi):
        try:
            names = await model.models()
            listed = spec.served_name in names
            seen = f"{len(names)} models: {', '.join(names[:SHOWN])}"
            mend = "" if listed else f"use one of them: '{spec.served_name}' is not listed"
            findings.append(Finding("reachable", True, f"{spec.url} answers"))
            findings.append(Finding("models", listed, seen, mend))
        except (Unreachable, AccessDenied) as error:
            seen = f"{spec.url} {'refuses access' if isinstance(error, AccessDenied) else 'does not answer'}"
            return Probe(spec.model, spec.url, (Finding("reachable", False, seen, _why_not(spec, error, ())),))
        except ModelError as error:
            findings.append(Finding("reachable", True, f"{spec.url} answers, and lists no models: {error}"))
    started = perf_counter()
    reply, chat = await _try(
        "chat",
        lambda: model.complete(Request(messages=HELLO, sampling=Sampling(max_tokens=64))),
        "a base model answers completions only; for roles use a chat model",
    )
    latency = perf_counter() - started if chat.works else None
    findings.append(chat)
    if reply is not None:
        request = Request(messages=HELLO, schema=YesOrNo, sampling=Sampling(max_tokens=256))
        answered, structured = await _try(
            "structured output",
            lambda: model.complete(request),
            "the server does not take response_format json_schema; answers will be parsed from text and repaired",
        )
        findings.append(_parsed(answered, structured))
        with_logprobs = Request(messages=HELLO, sampling=Sampling(max_tokens=4, logprobs=1))
        answered, logprobs = await _try(
            "logprobs", lambda: model.complete(with_logprobs), "confidence is not available"
        )
        if answered is not None and not answered.choices[0].logprobs:
            logprobs = Finding("logprobs", False, "none came back", "confidence is not available")
        findings.append(logprobs)
    return Probe(spec.model, spec.url, tuple(findings), names, latency)


async def _try(name: str, ask: Callable[[], Awaitable[Reply]], mend: str) -> tuple[Reply | None, Finding]:
    started = perf_counter()
    try:
        reply = await ask()
    except ModelError as error:
        return None, Finding(name, False, str(error), mend)
    text = " ".join(reply.text.split())[:60]
    return reply, Finding(name, True, f"{text!r} in {perf_counter() - started:.2f} s")


def _parsed(reply: Reply | None, found: Finding) -> Finding:
    if reply is None:
        return found
    try:
        parse(reply.text, YesOrNo)
    except ModelError as error:
        return Finding(found.name, False, f"{reply.text[:60]!r}: {error}", "expect repairs, or use a larger model")
    return found
