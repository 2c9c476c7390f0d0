"""Items of every status as points of a plane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...evals.vectors.plane import plane
from .gathering import LINE, Sampled
from .sampling import Reservoir
from .vectors import Vectors

DIMENSIONS = 8  # kinds of cells that points may be coloured by


@dataclass(frozen=True)
class Point:
    """An item's place within [-1, 1], and what is shown of it; `cells` go by the map's `dimensions`, `set` is 0 or, of
    a set that stands beside another, 1."""

    x: float
    y: float
    id: str
    status: str
    reason: str
    line: str
    cells: tuple[str, ...]
    set: int = 0


@dataclass(frozen=True)
class Map:
    """`how` says what made it, of which sample; `note` why there is none."""

    points: tuple[Point, ...] = ()
    dimensions: tuple[str, ...] = ()
    of: int = 0
    how: str = ""
    note: str = ""


def map_of(samples: Sequence[Reservoir[Sampled]], vectors: Vectors, *, seed: int = 0) -> Map:
    """Returns the map of samples of items that have a text, those of all sets on one plane."""
    kept = [(number, item) for number, sample in enumerate(samples) for item in sample.kept()]
    of = sum(sample.seen for sample in samples)
    if not kept:
        return Map(note="no item has a text")
    seen = vectors.of([item.text for _, item in kept])
    if seen.matrix is None:
        return Map(of=of, note=seen.note)
    shown: list[bool] = (seen.matrix != 0).any(axis=1).tolist()
    kept = [one for one, there in zip(kept, shown, strict=True) if there]
    if not kept:
        return Map(of=of, note="no text has a vector")
    places, how = plane(seen.matrix[shown], seed=seed)
    dimensions = _dimensions([item for _, item in kept])
    points = tuple(
        Point(x, y, item.id, item.status.value, item.reason, first_line(item.text), _cells(item, dimensions), number)
        for (number, item), (x, y) in zip(kept, places.tolist(), strict=True)
    )
    drawn = f"; {len(points):,} of {of:,} items drawn" if len(points) < of else ""
    return Map(points, dimensions, of, f"{how}; vectors: {seen.name}{drawn}")


def first_line(text: str) -> str:
    """The beginning of a text as one line."""
    line = " ".join(text[: 4 * LINE].split())
    return line if len(line) <= LINE else line[: LINE - 1] + "…"


def _dimensions(items: Sequence[Sampled]) -> tuple[str, ...]:
    names = Counter(name for item in items for name, _ in item.cells)
    return tuple(name for name, _ in sorted(names.items(), key=lambda pair: (-pair[1], pair[0]))[:DIMENSIONS])


def _cells(item: Sampled, dimensions: Sequence[str]) -> tuple[str, ...]:
    values = dict(item.cells)
    return tuple(values.get(name, "") for name in dimensions)
