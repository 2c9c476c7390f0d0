"""From when on a number of the quality report gives cause to worry, and what to do then.

The limits are rules of thumb for graphs of prose: where to look first, not measured against what became of items.
docs/graph-quality.md says of each number what it counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...storage.records import Record


class Limit(Record):
    """From when on a number gives cause to worry: above `above`, or below `below`. `mend` says what to do."""

    above: float | None = None
    below: float | None = None
    means: str
    mend: str

    def broken(self, value: float) -> bool:
        """Whether a value lies beyond it."""
        return (self.above is not None and value > self.above) or (self.below is not None and value < self.below)


LIMITS: Mapping[str, Limit] = {
    "isolated": Limit(
        above=0.30,
        means="no relation joins them to another",
        mend='widen `relation_types`, raise `max_gleanings`, or draw with `link = "any"`',
    ),
    "fragments": Limit(
        above=0.50,
        means="linked, outside the largest component",
        mend="names of one thing stand apart (see duplicates), or the documents are on several subjects",
    ),
    "hub": Limit(
        above=0.25,
        means="linked, joined to the most joined one",
        mend='a name so general joins everything: leave its type out, or draw with `weight = "coverage"`',
    ),
    "ungrounded": Limit(
        above=0.10,
        means="relations that no quote was found for",
        mend="take a stronger model for the extractor, or smaller chunks; `--ledger` shows where",
    ),
    "single_mention": Limit(
        above=0.60,
        means="named in one place only",
        mend="narrow `entity_types`: what is named once is often noise",
    ),
    "duplicates": Limit(
        above=0.05,
        means="may be one with another entity",
        mend="merge what is one, or lower `graph.resolution.same`, or set `graph.resolution.use_model`",
    ),
    "homonyms": Limit(
        above=0.02,
        means="share their name with something else",
        mend="look at each: merge what is one thing of two types, split what is two things",
    ),
    "confused_types": Limit(
        above=0.10,
        means="names whose type is not clear",
        mend="describe the types that are confused so that they exclude each other, or make them one",
    ),
    "documents_without": Limit(
        above=0.05,
        means="documents without an entity",
        mend="see what they are (`--ledger`): failed chunks, tables, another language",
    ),
    "chunks_without": Limit(
        above=0.20,
        means="chunks without an entity",
        mend="as for documents; or types that fit the text, or larger chunks",
    ),
    "entity_f1": Limit(
        below=0.70,
        means="entities by name and type",
        mend="where entity_f1_lenient is well, types are wrong: describe them so that they exclude each other",
    ),
    "entity_f1_lenient": Limit(
        below=0.80,
        means="entities by a part of the name, any type",
        mend="entities are missed (`max_gleanings`, the model) or made up (narrow `entity_types`)",
    ),
    "relation_f1": Limit(
        below=0.40,
        means="relations by ends, direction and type",
        mend="where relation_f1_lenient is well, types or directions are wrong: say what source and target are",
    ),
    "relation_f1_lenient": Limit(
        below=0.50,
        means="relations by their ends",
        mend="relations are missed (`relation_types`, `max_gleanings`) or made up (the model)",
    ),
    "b_cubed_f1": Limit(
        below=0.90,
        means="names put together (B³)",
        mend="low precision: wrong merges, raise `graph.resolution.same`; low recall: duplicates, lower it",
    ),
}
