"""The picture of what `simulate.py` found: throughput by workers, and what shards bring."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from fleet_model import Costs, Outcome, Shape, bounds

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

BLUES = ("#9ecae1", "#4292c6", "#08306b")
MARKS = {"slots": ".", "workers": "^", "endpoints": "o", "coordinator": "D", "redis": "s"}
SAID = {
    "slots": "nothing: slots wait for answers",
    "endpoints": "endpoints",
    "coordinator": "the coordinator",
    "redis": "Redis",
}
RED, GREY = "#d7301f", "#555555"


def plot(
    path: Path, outcomes: dict[tuple[int, int], Outcome], shards: dict[int, Outcome], base: Shape, costs: Costs
) -> None:
    """Writes the picture to `path`, as PNG or what its suffix says."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.4), width_ratios=(3, 2), layout="constrained")
    by_workers(left, outcomes)
    by_shards(right, shards, base, costs)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def by_workers(axes: Axes, outcomes: dict[tuple[int, int], Outcome]) -> None:
    endpoints = sorted({key[1] for key in outcomes})
    for colour, count in zip(BLUES, endpoints, strict=False):
        points = sorted((workers, one) for (workers, of), one in outcomes.items() if of == count)
        rates = [one.tasks_per_s for _, one in points]
        axes.plot([workers for workers, _ in points], rates, color=colour, linewidth=1.6)
        for workers, one in points:
            limit = one.saturates
            own = RED if limit in ("redis", "coordinator") else colour
            axes.plot(workers, one.tasks_per_s, MARKS[limit], color=own, markersize=7)
        label = f"{count} endpoint{'s' * (count > 1)}"
        axes.annotate(label, (points[-1][0], rates[-1]), xytext=(8, 0), textcoords="offset points", va="center",
                      fontsize=8, color=colour)  # fmt: skip
    for limit, name in SAID.items():
        axes.plot([], [], MARKS[limit], color=RED if limit in ("redis", "coordinator") else GREY, label=name)
    axes.set(xscale="log", yscale="log", xlabel="workers (32 slots each)", ylabel="tasks per second (2 calls each)")
    axes.set_title("One coordinator, one Redis", fontsize=10, loc="left")
    axes.set_xlim(0.8, 15_000)
    axes.legend(title="what saturates", fontsize=8, title_fontsize=8, frameon=False, loc="upper left")


def by_shards(axes: Axes, shards: dict[int, Outcome], base: Shape, costs: Costs) -> None:
    rates = [one.tasks_per_s * count for count, one in shards.items()]
    ceiling = bounds(base, costs)["endpoints"]
    axes.bar([str(count) for count in shards], rates, color="#4292c6", width=0.6)
    axes.axhline(ceiling, color=GREY, linewidth=1, linestyle="--")
    axes.annotate("all that the endpoints can", (-0.4, ceiling), xytext=(0, 4), textcoords="offset points",
                  fontsize=8, color=GREY)  # fmt: skip
    for place, rate in enumerate(rates):
        axes.annotate(f"{rate:,.0f}", (place, rate / 2), ha="center", fontsize=9, color="white")
    axes.set(xlabel="shards, each with a coordinator and a Redis", ylabel="tasks per second", ylim=(0, ceiling * 1.15))
    axes.set_title(f"{base.workers:,} workers, {base.endpoints} endpoints, in shards", fontsize=10, loc="left")
