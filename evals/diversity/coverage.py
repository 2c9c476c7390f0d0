"""Coverage of what a set could touch: topics, entities, attribute cells, question kinds, reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from ...errors import ConfigError
from ..figure import Figure
from .vendi import effective


def coverage(
    labels: Iterable[str | Collection[str]], known: Collection[str] | None = None, *, name: str = "topic"
) -> list[Figure]:
    """How many of the labels that a set could have it has, and how evenly.

    Args:
        labels: of each item its label, or all its labels; an empty one counts as an item without a label.
        known: all labels that there are (the plan's cells, the graph's entities); None where nobody knows.
        name: what a label is: `topic` gives `topic_coverage` and so on.

    Returns:
        `NAME_coverage`: the share of `known` that at least one item has. Labels that are not known count nowhere; the
        note says how many items' labels they were.
        `NAME_effective`: the exponential of the labels' entropy (Hill 1973, order 1): as many labels as, each equally
        common, would be as diverse.
        `NAME_labelled`: the share of items with a label.

    Cost: linear. All are exact; no interval.

    Raises:
        ConfigError: `known` is empty.
    """
    if known is not None and not known:
        raise ConfigError(f"coverage over no known {name}; give the labels that there are, or None")
    wanted = None if known is None else frozenset(known)
    counts: Counter[str] = Counter()
    items = labelled = foreign = 0
    for given in labels:
        items += 1
        found = {one for one in ((given,) if isinstance(given, str) else given) if one}
        labelled += bool(found)
        inside = found if wanted is None else found & wanted
        foreign += len(found) - len(inside)
        counts.update(inside)
    note = f"{foreign:,} labels that are not of the known ones left out" if foreign else ""
    return [
        _share(f"{name}_coverage", counts, wanted, items, note),
        Figure(f"{name}_effective", effective(_shares(counts)), f"effective {name}s", of=counts.total(), note=note)
        if counts
        else Figure(f"{name}_effective", None, f"effective {name}s", note=note or f"no item has a {name}"),
        Figure(f"{name}_labelled", labelled / items, "share", of=items)
        if items
        else Figure(f"{name}_labelled", None, "share", note="no item"),
    ]


def _share(name: str, counts: Counter[str], wanted: frozenset[str] | None, items: int, note: str) -> Figure:
    if wanted is None:
        return Figure(name, None, "share", of=items, note=f"nobody said which there are; {len(counts):,} were seen")
    return Figure(name, len(counts) / len(wanted), "share", of=len(wanted), note=note)


def _shares(counts: Counter[str]) -> list[Any]:
    total = counts.total()
    return [count / total for _, count in sorted(counts.items())]
