"""Traces by OpenTelemetry: the one file that imports it, and only when traces are wanted.

Spans carry names, ids, counts and reason codes. Prompts, completions, documents and error texts are not recorded. A
collector that is down costs spans and nothing else: they wait in a bounded queue, and what is lost is counted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ConfigError, ModelError
from .redact import redact, register

if TYPE_CHECKING:
    from opentelemetry.trace import Span

LOG = logging.getLogger(__name__)
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
EXPORTER = "OTEL_TRACES_EXPORTER"
GOODBYE = 3.0  # seconds that the last spans get to leave
Kind = Literal["internal", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | float | bool]


class Tracer:
    """Makes spans and sends them in the background. `made` counts those that are to be sent, `sent` those that were."""

    def __init__(self, service: Mapping[str, str]) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.version": metadata.version("gristmill"), **service})
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "gristmill"}))
        for name in ("opentelemetry.exporter", "opentelemetry.sdk"):  # they repeat each failure; it is said once below
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._exporter = _Counted(OTLPSpanExporter())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter: Any = self._exporter
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gristmill", metadata.version("gristmill"))
        self._propagator = TraceContextTextMapPropagator()
        self._trace = trace
        self._kinds = {
            "internal": trace.SpanKind.INTERNAL,
            "client": trace.SpanKind.CLIENT,
            "producer": trace.SpanKind.PRODUCER,
            "consumer": trace.SpanKind.CONSUMER,
        }
        self.made = 0

    @property
    def sent(self) -> int:
        return self._exporter.sent

    @contextmanager
    def span(
        self, name: str, kind: Kind = "internal", attributes: Attributes | None = None, *, parent: str = ""
    ) -> Iterator[Span]:
        """Makes a span of the block, within `parent` (a W3C traceparent) or the span that the block stands in.

        An error that leaves the block marks the span with its reason code or type; its text stays out.
        """
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name,
            context,
            self._kinds[kind],
            dict(attributes or {}),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            self.made += span.get_span_context().trace_flags.sampled
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", reason_of(error))
                span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
                raise

    def current(self) -> Span:
        """Returns the span that this stands in; one that records nothing where there is none."""
        return self._trace.get_current_span()

    def headers(self) -> dict[str, str]:
        """Returns the HTTP headers by which a server may go on with the trace (W3C Trace Context)."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    def traceparent(self) -> str:
        """Returns the span that this stands in as a W3C traceparent, or an empty string."""
        return self.headers().get("traceparent", "")

    async def aclose(self) -> None:
        """Sends what waits, for a few seconds at most, and says what could not be sent."""
        # A thread that nobody waits for at exit: a collector that hangs must not keep the process.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True, name="gristmill-traces")
        closing.start()
        loop = asyncio.get_running_loop()
        until = loop.time() + GOODBYE
        while closing.is_alive() and loop.time() < until:  # noqa: ASYNC110  # a thread's end wakes no loop
            await asyncio.sleep(0.02)
        if self.sent < self.made:
            LOG.warning("%d of %d spans were not taken by the collector", self.made - self.sent, self.made)


class _Counted:
    """An exporter that counts what the collector took, and says once that it takes nothing."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._warned = False
        self.sent = 0

    def export(self, spans: Sequence[Any]) -> Any:
        result = self._inner.export(spans)
        if result.name == "SUCCESS":
            self.sent += len(spans)
        elif not self._warned:
            self._warned = True
            LOG.warning("the collector of traces takes none; the campaign goes on without them (said once)")
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._inner.force_flush(timeout_millis))


def tracer_of(asked: bool, service: Mapping[str, str]) -> Tracer | None:
    """Returns a tracer when traces are `asked` for, or when OpenTelemetry's environment variables say where they go.

    `service` are resource attributes: what tells this process from others. None when nobody wants traces, when
    `OTEL_TRACES_EXPORTER=none` or `OTEL_SDK_DISABLED=true`, and where only the environment asks without the extra.

    Raises:
        ConfigError: asked for, and they cannot be sent: the extra is missing, or a setting is wrong.
    """
    exporter = os.environ.get(EXPORTER, "").strip().lower()
    if exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if not asked and exporter != "otlp" and not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    for name in HEADERS:  # they may hold the collector's key
        for pair in os.environ.get(name, "").split(","):
            register(pair.partition("=")[2].strip())
    try:
        if exporter not in ("", "otlp"):
            raise ValueError(f"{EXPORTER} is '{exporter}'; only otlp and none are known here")
        return Tracer(service)
    except ImportError:
        problem = "traces need OpenTelemetry; run: pip install 'gristmill[tracing]'"
    except Exception as error:  # a setting of its own that OpenTelemetry dislikes; it has no error type for these
        problem = f"traces cannot be sent: {redact(str(error))}; mend the OTEL_ variables, or set {EXPORTER}=none"
    if asked:
        raise ConfigError(problem)
    LOG.warning("%s", problem)
    return None


def reason_of(error: BaseException) -> str:
    """Returns a reason code or a type's name: of few values, and never a text."""
    return error.reason if isinstance(error, ModelError) else type(error).__name__
