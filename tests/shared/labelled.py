"""Reads the labelled documents of tests/resolution: texts with marked mentions, and the extraction that they stand for.

A mention is `[surface|type|entity]`, or `[surface|type|entity|alias;alias]` where an extractor would give other names
with it. The type is what an extractor might say, mistakes included. Acronyms in parentheses are found in the text, as
the extractor finds them; a document is one chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from places import TESTS

from gristmill.agents.extraction.records import Extraction, FoundEntity
from gristmill.agents.extraction.schema import type_key
from gristmill.agents.names import aliases_after, name_key, split_alias
from gristmill.evals.clustering import Clustering, compare_clusters
from gristmill.graphs.resolution.references import reference_id
from gristmill.storage.records import Span

FOLDER = TESTS / "graphs" / "labelled"
MENTION = re.compile(r"\[([^\[\]|]+)\|([^\[\]|]*)\|([^\[\]|]+)(?:\|([^\[\]|]+))?\]")


@dataclass(frozen=True)
class Labelled:
    """Extractions with, for each mention, its reference and its true entity."""

    extractions: tuple[Extraction, ...]
    references: Mapping[str, str]
    truth: Mapping[str, str]

    def compare(self, membership: Mapping[str, str]) -> Clustering:
        """B³ and pairwise agreement over mentions."""
        return compare_clusters({one: membership[self.references[one]] for one in self.truth}, self.truth)


def read(*names: str) -> Labelled:
    """Reads files of the folder as one collection."""
    extractions: list[Extraction] = []
    references: dict[str, str] = {}
    truth: dict[str, str] = {}
    for name in names:
        for title, marked in _documents((FOLDER / name).read_text(encoding="utf-8")):
            text = MENTION.sub(lambda match: match[1], marked)
            found: dict[tuple[str, str], FoundEntity] = {}
            for match in MENTION.finditer(marked):
                surface, kind = match[1], match[2]
                at = len(MENTION.sub(lambda one: one[1], marked[: match.start()]))
                mention = f"{title}:{at}"
                key = (name_key(surface), kind)
                references[mention] = reference_id(key[0], type_key(kind))
                truth[mention] = match[3]
                span = Span(chunk=title, start=at, end=at + len(surface), quote=surface)
                long, alias = split_alias(surface)
                given = {alias} - {""} | set(match[4].split(";") if match[4] else ())
                found[key] = _with(found.get(key), long, kind, given | set(aliases_after(long, text)), span)
            extractions.append(Extraction(chunk=title, entities=tuple(found.values())))
    return Labelled(tuple(extractions), references, truth)


def _documents(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split("# ")[1:]:
        title, _, body = part.partition("\n")
        yield title.strip(), body.strip()


def _with(before: FoundEntity | None, surface: str, kind: str, aliases: set[str], span: Span) -> FoundEntity:
    if before is None:
        return FoundEntity(name=surface, type=kind, aliases=tuple(sorted(aliases)), mentions=(span,))
    return before.model_copy(
        update={"aliases": tuple(sorted({*before.aliases, *aliases})), "mentions": (*before.mentions, span)}
    )
