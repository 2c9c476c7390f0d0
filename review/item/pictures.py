"""The piece of the knowledge graph that proposed an item, laid out as a small picture: numbers, no markup.

Entities stand one below the other in the order of the task, so that the picture keeps its size on a telephone;
relations between neighbours run straight down, all others in lanes beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...storage.records import Entity, Relation

WIDTH, BOX, HEIGHT, GAP, TOP = 320, 210, 44, 46, 4  # units of the picture's viewBox
LANE = 22
MOST = 12  # entities of one picture
NAME, LABEL = 28, 30  # characters that fit


@dataclass(frozen=True, slots=True)
class Box:
    """An entity at (`x`, `y`), its upper left corner. `label` is its name as far as it fits."""

    id: str
    name: str
    label: str
    type: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Arrow:
    """A relation along the SVG path `path`, with its label at (`x`, `y`), which begins or is centred there."""

    path: str
    name: str
    label: str
    x: int
    y: int
    centred: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and arrows in a viewBox of `width` by `height`. `left_out` entities found no room."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    height: int
    left_out: int = 0
    width: int = WIDTH
    box_width: int = BOX
    box_height: int = HEIGHT


def picture_of(entities: Sequence[Entity], relations: Sequence[Relation]) -> Picture:
    """Lays out entities in their order, with the relations between them; `left_out` counts those beyond `MOST`."""
    shown = list({entity.id: entity for entity in entities}.values())
    places = {entity.id: place for place, entity in enumerate(shown[:MOST])}
    boxes = tuple(
        Box(one.id, one.name, shortened(one.name, NAME), one.type, 0, TOP + place * (HEIGHT + GAP))
        for place, one in enumerate(shown[:MOST])
    )
    between: dict[tuple[int, int], list[str]] = {}
    for relation in relations:
        if relation.source in places and relation.target in places:
            pair = (places[relation.source], places[relation.target])
            between.setdefault(pair, []).append(relation.type or "related to")
    arrows: list[Arrow] = []
    straight: set[int] = set()
    lanes = 0
    for (source, target), types in between.items():
        name = ", ".join(dict.fromkeys(types))
        if abs(source - target) == 1 and min(source, target) not in straight:
            straight.add(min(source, target))
            arrows.append(_straight(source, target, name))
        else:
            arrows.append(_beside(source, target, name, lanes))
            lanes += 1
    height = TOP * 2 + len(boxes) * (HEIGHT + GAP) - GAP if boxes else 0
    return Picture(boxes, tuple(arrows), height, max(0, len(shown) - MOST))


def _straight(source: int, target: int, name: str) -> Arrow:
    upper = min(source, target)
    above, below = TOP + upper * (HEIGHT + GAP) + HEIGHT, TOP + (upper + 1) * (HEIGHT + GAP)
    start, end = (above, below - 2) if source < target else (below, above + 2)
    x = 24
    return Arrow(f"M{x} {start}V{end}", name, shortened(name, LABEL), x + 10, (above + below) // 2 + 4, False)


def _beside(source: int, target: int, name: str, lane: int) -> Arrow:
    start, end = (TOP + place * (HEIGHT + GAP) + HEIGHT // 2 for place in (source, target))
    if source == target:
        start, end = start - 8, end + 8
    x = BOX + LANE + LANE * (lane % 3)
    label = shortened(name, 16)
    path = f"M{BOX} {start}C{x} {start} {x} {end} {BOX + 3} {end}"
    return Arrow(path, name, label, min(x, WIDTH - 62), (start + end) // 2 + 4 + 12 * (lane % 3), True)


def shortened(text: str, most: int) -> str:
    """Returns `text` in one line of at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
