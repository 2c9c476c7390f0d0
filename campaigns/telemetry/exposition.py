"""Serves the metrics over HTTP in Prometheus' text format, from a thread of its own. Needs the extra `metrics`."""

from __future__ import annotations

import logging
import socket
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError, StoreError
from .metrics import METRICS, Sample, Source
from .telemetry import LAST_PORT, Telemetry

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

LOG = logging.getLogger(__name__)
FILE = "metrics.prom"


class Exposition:
    """What a scrape gets: the samples of all sources at that moment. Sources are added while it serves.

    Raises:
        ConfigError: the extra is missing, or the port cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
        except ImportError:
            raise ConfigError("metrics need prometheus-client; run: pip install 'gristmill[metrics]'") from None
        self._sources: list[Source] = []
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, host, self._registry)
        except OSError as error:
            raise _taken(host, port, error) from None

    def add(self, source: Source) -> None:
        """Has `source` asked at every scrape, in the thread of the scrape: it may read, and must not wait."""
        self._sources.append(source)

    def collect(self) -> Iterable[Family]:
        """Asks all sources; one that cannot answer now leaves its metrics out."""
        found: dict[str, list[Sample]] = {}
        for source in list(self._sources):
            with suppress(StoreError, sqlite3.Error):  # the run's store is being made, or is gone
                for sample in source():
                    found.setdefault(sample.name, []).append(sample)
        return [_family(name, samples) for name, samples in found.items()]

    def write(self, path: Path) -> None:
        """Writes what a scrape would get now to a file; does without where that is not possible."""
        from prometheus_client import write_to_textfile

        try:
            write_to_textfile(str(path), self._registry)
        except OSError as error:
            LOG.warning("the last metrics are not in %s: %s", path, error.strerror)

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _family(name: str, samples: Iterable[Sample]) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    metric = METRICS[name]
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(name, metric.help, labels=metric.labels)
        for one in samples:
            histogram.add_metric(one.labels, one.buckets, one.value)
        return histogram
    of_kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = of_kind(name, metric.help, labels=metric.labels)
    for one in samples:
        family.add_metric(one.labels, one.value)
    return family


@contextmanager
def exposed(telemetry: Telemetry, *, workers: int = 0, folder: Path | None = None) -> Iterator[Exposition | None]:
    """Serves metrics while the block runs, None where none are wanted. At its end they are written into `folder`.

    `workers` are processes that will serve theirs on the ports after it; these are tried first.

    Raises:
        ConfigError: a port cannot be had, or the extra is missing.
    """
    if not telemetry.metrics_port:
        yield None
        return
    if telemetry.metrics_port + workers > LAST_PORT:
        raise ConfigError(
            f"metrics port {telemetry.metrics_port} and the {workers} after it for the workers go beyond {LAST_PORT}; "
            f"give a lower --metrics-port"
        )
    exposition = Exposition(telemetry.metrics_host, telemetry.metrics_port)
    try:
        for place in range(workers):
            _try(telemetry.metrics_host, telemetry.metrics_port + 1 + place)
        LOG.info("metrics are served on http://%s:%d/metrics", telemetry.metrics_host, telemetry.metrics_port)
        try:
            yield exposition
        finally:
            if folder is not None and folder.is_dir():
                exposition.write(folder / FILE)
    finally:
        exposition.close()


def _try(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise _taken(host, port, error) from None


def _taken(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        f"metrics cannot be served on {host} port {port} ({error.strerror}); give another --metrics-port "
        f"(local workers take the ports after it) or --metrics-host"
    )
