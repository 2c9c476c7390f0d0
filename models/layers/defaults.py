"""Fills in what a request leaves open from the model's own defaults, before the cache makes a key of it."""

from __future__ import annotations

from dataclasses import replace

from ..contract import Model, Reply, Request, Sampling
from .base import Layer


class Defaulted(Layer):
    """Gives `defaults` to requests that leave temperature, top_p, max_tokens, seed or stop open; joins `extra`."""

    def __init__(self, inner: Model, defaults: Sampling) -> None:
        super().__init__(inner)
        self.defaults = defaults

    async def complete(self, request: Request) -> Reply:
        chosen, defaults = request.sampling, self.defaults
        if request.kind == "embedding":
            sampling = replace(chosen, extra={**defaults.extra, **chosen.extra})
        else:
            sampling = replace(
                chosen,
                temperature=defaults.temperature if chosen.temperature is None else chosen.temperature,
                top_p=defaults.top_p if chosen.top_p is None else chosen.top_p,
                max_tokens=defaults.max_tokens if chosen.max_tokens is None else chosen.max_tokens,
                seed=defaults.seed if chosen.seed is None else chosen.seed,
                stop=chosen.stop or defaults.stop,
                extra={**defaults.extra, **chosen.extra},
            )
        return await self.inner.complete(replace(request, sampling=sampling))
