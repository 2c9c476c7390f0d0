"""Builds a model from its spec: the back end, and the layers around it in their order.

Outside in: repair, meter, cache, batch, budget, retry, replicas (where there are several), limiter, transport. A hit in
the cache costs no budget; a request that waits to be retried holds no slot of the limiter; every question asked again
is metered as a call.
"""

from __future__ import annotations

from .contract import Model, Sampling
from .layers.batch import Batched
from .layers.budget import Allowance, Budget, Budgeted
from .layers.cache import Cached, CallStore
from .layers.defaults import Defaulted
from .layers.limiter import AnyLimiter, Limited, MakeLimiter, limiter_here
from .layers.meter import Meter, Metered
from .layers.repair import Repair
from .layers.retry import Retry
from .layers.traced import Attempted, Traced
from .litellm_api import LiteLLM
from .openai_api import OpenAIApi
from .replicas import Replicas, Router
from .spec import OFFLINE, ModelSpec
from .tracing import Tracer
from .vllm_engine import VLLMEngine

NO_DEFAULTS = Sampling()


def build(
    spec: ModelSpec,
    *,
    calls: CallStore | None,
    budget: Allowance | None,
    meter: Meter,
    limiters: dict[tuple[str, str], AnyLimiter] | None = None,
    routers: dict[tuple[str, ...], Router] | None = None,
    make_limiter: MakeLimiter = limiter_here,
    tracer: Tracer | None = None,
) -> Model:
    """Returns the model of `spec` with all layers around it. Nothing is sent yet.

    `limiters` is filled with one limiter for each server and model, `routers` with one router for each model and set of
    servers; give the same dicts for all models of a run, so that two roles that ask one server learn together what it
    can take, and whether it is there. `make_limiter` makes those that a fleet shares. With a `tracer` each call is a
    span, just inside the repair.

    Raises:
        ConfigError: a key is missing, or the back end's extra is not installed.
    """
    shared = {} if limiters is None else limiters
    if spec.backend == "offline":
        model = transport(spec, tracer)
    elif len(spec.base_urls) > 1:
        model = Retry(
            _replicated(spec, shared, {} if routers is None else routers, make_limiter, tracer),
            spec.retries,
            meter=meter,
        )
    else:
        model = transport(spec.replicas[0], tracer)
        limiter = shared.get((spec.url, spec.model))
        if limiter is None:
            limiter = shared[spec.url, spec.model] = make_limiter(
                spec.where, spec.max_in_flight, spec.patience, spec.rates
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
        tracer=tracer,
    )


def _replicated(
    spec: ModelSpec,
    limiters: dict[tuple[str, str], AnyLimiter],
    routers: dict[tuple[str, ...], Router],
    make_limiter: MakeLimiter,
    tracer: Tracer | None,
) -> Model:
    """Returns the servers of `spec` as one model. Their limiters have no patience: calls that wait at a server that is
    gone are let go at once, for another server. So a limiter of a spec with that server alone is not shared."""
    key = (spec.model, *spec.base_urls)
    ours = []
    for one in spec.replicas:
        name = (one.url, f"{spec.model} (replica)")
        if name not in limiters:
            limiters[name] = make_limiter(one.where, spec.max_in_flight, 0.0, spec.rates)
        ours.append(limiters[name])
    models = [Limited(transport(one, tracer), limiter) for one, limiter in zip(spec.replicas, ours, strict=True)]
    full = [limiter.is_full for limiter in ours]
    router = routers.setdefault(key, Router(spec.where, spec.base_urls, full, patience=spec.patience))
    return Replicas(models, router)


def wrap(
    model: Model,
    *,
    calls: CallStore | None,
    budget: Allowance | None,
    meter: Meter,
    repairs: int = 2,
    price_in: float = 0.0,
    price_out: float = 0.0,
    defaults: Sampling = NO_DEFAULTS,
    tracer: Tracer | None = None,
) -> Model:
    """Puts the layers that every model needs around `model`: budget, batch, cache, meter, repair. For a model of your
    own."""
    model = Batched(Budgeted(model, budget or Budget(), price_in=price_in, price_out=price_out))
    if calls is not None:
        model = Cached(model, calls, by_variables=model.name in OFFLINE)
    model = Metered(model, meter)
    if tracer is not None:
        model = Traced(model, tracer)
    model = Repair(model, repairs, meter)
    return model if defaults == NO_DEFAULTS else Defaulted(model, defaults)


def transport(spec: ModelSpec, tracer: Tracer | None = None) -> Model:
    """Returns the bare back end of `spec`, a spec of one server; with a `tracer` it notes each attempt."""
    model = _backend(spec, tracer)
    return model if tracer is None else Attempted(model, tracer, spec.url)


def _backend(spec: ModelSpec, tracer: Tracer | None) -> Model:
    if spec.backend == "openai_api":
        return OpenAIApi.of(spec, headers=None if tracer is None else tracer.headers)
    if spec.backend == "offline":
        from .offline.model import Offline  # its word lists are read only by those who use it

        return Offline(spec.model)
    if spec.backend == "litellm":
        return LiteLLM.of(spec)
    return VLLMEngine.of(spec)
