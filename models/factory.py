"""Builds a model from its spec: the back end, and the layers around it in their order.

Outside in: repair, meter, cache, budget, retry, limiter, transport. A hit in the cache costs no budget; a request that
waits to be retried holds no slot of the limiter; every question asked again is metered as a call.
"""

from __future__ import annotations

from .contract import Model, Sampling
from .layers.budget import Budget, Budgeted
from .layers.cache import Cached, CallStore
from .layers.defaults import Defaulted
from .layers.limiter import Limited, Limiter
from .layers.meter import Meter, Metered
from .layers.repair import Repair
from .layers.retry import Retry
from .litellm_api import LiteLLM
from .openai_api import OpenAIApi
from .spec import ModelSpec
from .vllm_engine import VLLMEngine

NO_DEFAULTS = Sampling()


def build(
    spec: ModelSpec,
    *,
    calls: CallStore | None,
    budget: Budget | None,
    meter: Meter,
    limiters: dict[tuple[str, str], Limiter] | None = None,
) -> Model:
    """Returns the model of `spec` with all layers around it. Nothing is sent yet.

    `limiters` is filled with one limiter for each server and model; give the same dict for all models of a run, so that
    two roles that ask one server learn together what it can take.

    Raises:
        ConfigError: a key is missing, or the back end's extra is not installed.
    """
    model = transport(spec)
    if spec.backend != "offline":
        shared = {} if limiters is None else limiters
        limiter = shared.setdefault(
            (spec.url, spec.model), Limiter(spec.where, spec.max_in_flight, patience=spec.patience)
        )
        model = Retry(Limited(model, limiter), spec.retries, meter=meter)
    return wrap(
        model,
        calls=calls,
        budget=budget,
        meter=meter,
        repairs=spec.repairs,
        price_in=spec.price_in,
        price_out=spec.price_out,
        defaults=spec.sampling,
    )


def wrap(
    model: Model,
    *,
    calls: CallStore | None,
    budget: Budget | None,
    meter: Meter,
    repairs: int = 2,
    price_in: float = 0.0,
    price_out: float = 0.0,
    defaults: Sampling = NO_DEFAULTS,
) -> Model:
    """Puts the layers that every model needs around `model`: budget, cache, meter, repair. For a model of your own."""
    model = Budgeted(model, budget or Budget(), price_in=price_in, price_out=price_out)
    if calls is not None:
        model = Cached(model, calls, by_variables=model.name == "offline")
    model = Repair(Metered(model, meter), repairs, meter)
    return model if defaults == NO_DEFAULTS else Defaulted(model, defaults)


def transport(spec: ModelSpec) -> Model:
    """Returns the bare back end of `spec`."""
    if spec.backend == "openai_api":
        return OpenAIApi.of(spec)
    if spec.backend == "offline":
        from .offline.model import Offline  # its word lists are read only by those who use it

        return Offline()
    if spec.backend == "litellm":
        return LiteLLM.of(spec)
    return VLLMEngine.of(spec)
