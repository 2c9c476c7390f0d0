"""A span for each call, by OpenTelemetry's conventions for generative AI, and an event for each attempt within it.

`Traced` stands just inside the repair: a span is a question as the meter counts it, the wait for a slot and all
attempts included, a hit in the cache too. `Attempted` stands at the transport and writes into that span.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ...errors import ModelError
from ..contract import Model, Reply, Request
from ..tracing import Attributes, Tracer
from .base import Layer

OPERATIONS = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings"}
PROVIDERS = {"openai_api": "openai"}  # the conventions' name where they have one
ATTEMPTS = "gristmill.attempts"


class Traced(Layer):
    """Makes a span of each call to `inner`. Neither the question nor the answer is in it."""

    def __init__(self, inner: Model, tracer: Tracer) -> None:
        super().__init__(inner)
        self._tracer = tracer
        backend, _, model = self.name.partition("/")
        self._provider = PROVIDERS.get(backend, backend)
        self._model = model or backend

    async def complete(self, request: Request) -> Reply:
        operation = OPERATIONS[request.kind]
        with self._tracer.span(f"{operation} {self._model}", "client", self._asked(request, operation)) as span:
            try:
                reply = await self.inner.complete(request)
            except ModelError as error:
                if error.tokens != (0, 0):
                    span.set_attributes(_usage(*error.tokens))
                raise
            if span.is_recording():
                usage = reply.usage
                span.set_attributes(_usage(usage.input_tokens, usage.output_tokens))
                span.set_attribute("gristmill.cached", reply.cached)
                if reply.model:
                    span.set_attribute("gen_ai.response.model", reply.model[:200])  # the server's own words
                if reply.choices:
                    span.set_attribute(
                        "gen_ai.response.finish_reasons", [str(one.finish_reason)[:40] for one in reply.choices]
                    )
            return reply

    def _asked(self, request: Request, operation: str) -> Attributes:
        sampling = request.sampling
        found: dict[str, str | int | float | None] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": self._model,
            "gen_ai.request.max_tokens": sampling.max_tokens,
            "gen_ai.request.temperature": sampling.temperature,
            "gen_ai.request.top_p": sampling.top_p,
            "gristmill.role": request.role or None,
            "gristmill.task": request.task or None,
            "gristmill.prompt": request.prompt or None,
            "gristmill.prompt.version": request.version or None,
        }
        return {key: value for key, value in found.items() if value is not None}


class Attempted(Layer):
    """Notes each attempt at the server of `url` in the span of its call."""

    def __init__(self, inner: Model, tracer: Tracer, url: str) -> None:
        super().__init__(inner)
        self._tracer = tracer
        parts = urlsplit(url)
        self._server: dict[str, str | int] = {"server.address": parts.hostname} if parts.hostname else {}
        if parts.hostname:
            self._server["server.port"] = parts.port or (443 if parts.scheme == "https" else 80)

    async def complete(self, request: Request) -> Reply:
        span = self._tracer.current()
        if not span.is_recording():
            return await self.inner.complete(request)
        before = (getattr(span, "attributes", None) or {}).get(ATTEMPTS, 0)
        span.set_attributes({**self._server, ATTEMPTS: before + 1})
        span.add_event("attempt", self._server)
        try:
            return await self.inner.complete(request)
        except ModelError as error:
            status = {} if error.status is None else {"http.response.status_code": error.status}
            span.add_event("attempt failed", {"error.type": error.reason, **status})
            raise


def _usage(tokens_in: int, tokens_out: int) -> dict[str, int]:
    return {"gen_ai.usage.input_tokens": tokens_in, "gen_ai.usage.output_tokens": tokens_out}
