"""How much of a set of items stands in evaluation sets: every match by item, set, row and span, and the shares."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

from ...storage.records import Item
from ..figure import Figure
from ..intervals import share_figure
from .alike import NearTexts, near_texts
from .loaded import index_of
from .match import Match
from .ngrams import COMMON, WORDS, NgramIndex
from .reading import SetBooks
from .sources import EvalSet, eval_sets
from .texts import Texts, texts_of

MOST_MATCHES = 10_000  # named one by one; the figures count all
_OF_ITEM = 10


@dataclass(frozen=True, slots=True)
class Contamination:
    """What `contamination_report` found.

    figures: `contaminated`, the share of the items with a match, with its interval; for each set
             `contaminated.SET`, and `leaked_rows.SET`, how many of the set's rows an item repeats.
    matches: by item, at most 10 of one and 10,000 in all. `cut` says that there were more.
    items:   the ids of the contaminated items, in the items' order.
    sets:    what was read of each set.
    notes:   what a reader has to know.
    """

    figures: tuple[Figure, ...]
    matches: tuple[Match, ...]
    items: tuple[str, ...]
    sets: tuple[SetBooks, ...]
    notes: tuple[str, ...]
    cut: bool = False


def contamination_report(
    items: Iterable[Texts],
    sets: Iterable[str | os.PathLike[str] | EvalSet],
    *,
    n: int = WORDS,
    common: int = COMMON,
    near: float = 0.0,
    also: Iterable[Match] = (),
) -> Contamination:
    """Compares items, or any texts, with evaluation sets.

    An item is named by its id, a text by its place in `items`, from "0". `near` looks for rows this alike where no run
    is shared, 0 for none; `also` are matches that were found by other means, such as `semantic_contamination`'s: they
    count too. Cost: reading the sets (about 10,000 rows of 100 words a second), then about 10,000 items a second; both
    are streamed.

    Raises:
        ConfigError: a set is not there, is not readable, or has no text; numpy (the extra `evals`) is not installed.
    """
    index = index_of(eval_sets(sets), n=n, common=common)
    alike = near_texts(index, near) if near else None
    others: dict[str, list[Match]] = {}
    for match in also:
        others.setdefault(match.item, []).append(match)
    found = _Found()
    for place, one in enumerate(items):
        id = one.id if isinstance(one, Item) else str(place)
        found.take(id, _matches(one, index, alike) + others.get(id, []))
    figures = [share_figure("contaminated", len(found.items), found.count)]
    for books in index.books:
        figures.append(share_figure(f"contaminated.{books.name}", found.by_set[books.name], found.count))
        rows = found.rows.get(books.name, set())
        figures.append(Figure(f"leaked_rows.{books.name}", len(rows), "rows", of=books.rows))
    return Contamination(
        tuple(figures),
        tuple(found.matches),
        tuple(found.items),
        tuple(index.books),
        tuple(_notes(index, found)),
        found.cut,
    )


def _matches(one: Texts, index: NgramIndex, alike: NearTexts | None) -> list[Match]:
    cells = texts_of(one)
    runs = [match for cell in cells for match in index.matches(cell, most=None)]
    if runs or alike is None:
        return runs
    return [match for cell in cells for match in alike.matches(cell)]


class _Found:
    def __init__(self) -> None:
        self.count = self.short = 0
        self.items: list[str] = []
        self.matches: list[Match] = []
        self.by_set: Counter[str] = Counter()
        self.rows: dict[str, set[str]] = {}
        self.cut = False

    def take(self, id: str, matches: list[Match]) -> None:
        self.count += 1
        if not matches:
            return
        self.items.append(id)
        self.by_set.update({match.set for match in matches})
        for match in matches:
            self.rows.setdefault(match.set, set()).add(match.row)
        matches.sort(key=lambda match: -match.words)
        room = min(_OF_ITEM, MOST_MATCHES - len(self.matches))
        self.cut |= len(matches) > room
        self.matches += [replace(match, item=id) for match in islice(matches, room)]


def _notes(index: NgramIndex, found: _Found) -> Iterable[str]:
    yield f"runs of {index.n} words; paraphrases and translations are not seen"
    if index.short_texts:
        yield f"{index.short_texts} texts of the sets are shorter than {index.n} words and were compared as wholes"
    if index.left_out:
        yield f"{index.left_out} texts of the sets were not compared: too short to prove anything, or in over 100 rows"
    for books in index.books:
        if books.skipped:
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(books.skipped.items()))
            yield f"{books.name}: {sum(books.skipped.values())} rows were not read ({counts})"
    if found.cut:
        yield f"at most {_OF_ITEM} matches of an item are listed, and {MOST_MATCHES:,} in all; the figures count all"
