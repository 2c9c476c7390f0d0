"""What the layers share: a layer is a Model around a Model, and hands on everything that it does not change."""

from __future__ import annotations

from ..contract import Model, Reply, Request


class Layer:
    """Forwards to `inner`. A layer overrides `complete` and nothing else."""

    def __init__(self, inner: Model) -> None:
        self.inner = inner
        # A plain attribute, not a property that walks the whole stack: the cache reads it in every call.
        self.name = inner.name

    async def complete(self, request: Request) -> Reply:
        """Answers `request` by the inner model; raises what that raises."""
        return await self.inner.complete(request)

    async def aclose(self) -> None:
        """Frees what the inner model holds."""
        await self.inner.aclose()
