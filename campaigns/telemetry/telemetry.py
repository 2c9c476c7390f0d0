"""What one start of a campaign lets others see of it, and what it hands on to the workers that it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from ...errors import ConfigError, meant, require_kind
from .logs import LogFormat

LAST_PORT = 65_535
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Telemetry:
    """Metrics and traces of a campaign, and the logs of the workers that it starts.

    metrics_port:  serves Prometheus metrics on this port, 0 for none; local workers take the ports after it.
    metrics_host:  the address to serve them on; everybody who reaches it can read them.
    traces:        sends OpenTelemetry traces; unset, OpenTelemetry's own environment variables say so.
    log_format, log_level: of the workers that are started here. The logs of this process are its program's own.

    Raises:
        ConfigError: one of them cannot be.
    """

    metrics_port: int = 0
    metrics_host: str = "127.0.0.1"
    traces: bool = False
    log_format: LogFormat = "text"
    log_level: str = "warning"

    def __post_init__(self) -> None:
        require_kind("metrics_port", self.metrics_port, int, f"give one from 1 to {LAST_PORT}, or 0 for no metrics")
        require_kind("metrics_host", self.metrics_host, str, "give an address to serve metrics on")
        for name, said, known in (
            ("log_format", self.log_format, get_args(LogFormat)),
            ("log_level", self.log_level, LEVELS),
        ):
            if said not in known:
                raise ConfigError(f"{name} is {said!r}{meant(str(said), known)}")
        if not 0 <= self.metrics_port <= LAST_PORT:
            raise ConfigError(f"metrics port {self.metrics_port}: give one from 1 to {LAST_PORT}, or 0 for no metrics")

    def of_worker(self, place: int) -> list[str]:
        """Returns the options of `gristmill worker` for the worker at `place`, counted from 0."""
        port = self.metrics_port and self.metrics_port + 1 + place
        options = ["--log-format", self.log_format, "--log-level", self.log_level]
        options += ["--metrics-port", str(port), "--metrics-host", self.metrics_host]
        return options + (["--traces"] if self.traces else [])
