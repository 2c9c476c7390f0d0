"""What a fleet's workers see of their model servers: read from each worker's limiters, added up over the workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ...models.layers.limiter import AnyLimiter
from ...models.redact import redact
from ...storage.queue import EndpointInfo, WorkerInfo

STATES = ("ok", "paused", "gone")  # the worst that a worker says is shown


def endpoints_of(limiters: Mapping[tuple[str, str], AnyLimiter]) -> tuple[EndpointInfo, ...]:
    """Returns what this worker sees; `limiters` by base URL and model, as `models.factory.build` fills them in."""
    return tuple(
        limiter.info().model_copy(update={"server": redact(url), "model": model.removesuffix(" (replica)")})
        for (url, model), limiter in limiters.items()
    )


def together(workers: Iterable[WorkerInfo]) -> tuple[EndpointInfo, ...]:
    """Returns the endpoints of all workers, those of one server and model as one: counts and rates are added up, shares
    and latency weighed by calls. A window or a limit that the fleet shares is one number, as last heard."""
    same: dict[tuple[str, str], list[EndpointInfo]] = defaultdict(list)
    for worker in sorted(workers, key=lambda one: one.age):
        for one in worker.endpoints:
            same[one.server, one.model].append(one)
    return tuple(_one(seen) for _, seen in sorted(same.items()))


def _one(seen: list[EndpointInfo]) -> EndpointInfo:
    calls = max(1, sum(one.calls for one in seen))

    def weighed(name: str) -> float:
        return round(sum(float(getattr(one, name)) * one.calls for one in seen) / calls, 4)

    def whole(name: str) -> float:
        numbers = [float(getattr(one, name)) for one in seen]
        return numbers[0] if seen[0].shared else sum(numbers)

    return seen[0].model_copy(
        update={
            "state": max((one.state for one in seen), key=STATES.index),
            "in_flight": sum(one.in_flight for one in seen),
            "waiting": sum(one.waiting for one in seen),
            "window": int(whole("window")),
            "calls": sum(one.calls for one in seen),
            "requests_per_minute": round(sum(one.requests_per_minute for one in seen), 1),
            "tokens_per_minute": round(sum(one.tokens_per_minute for one in seen), 1),
            "requests_limit": whole("requests_limit"),
            "tokens_limit": whole("tokens_limit"),
            "refused": weighed("refused"),
            "failed": weighed("failed"),
            "seconds": weighed("seconds"),
        }
    )
