"""What it takes to resolve many mentions into entities without a model, and how well it is done.

    python benchmarks/graph_resolve.py [--mentions 200000] [--entities 60000] [--seed 1]

Entities have names as people, organizations, places, methods, products and substances have them; each is mentioned in
chunks about its own topic, under variants: other case, plurals, hyphens, other spellings, typing errors, acronyms,
surnames, legal forms, a wrong type now and then. Which mention is which entity is known, so the last line, one JSON
object, has B³ beside the times: `resolve_s` (gathering and resolving, wall clock), `resolve_cpu_s`, `update_s` (one
document of 60 mentions more), and `pairs` beside `all_pairs`, which comparing all with all would have scored.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

from gristmill.agents.extraction.records import Extraction, FoundEntity
from gristmill.agents.extraction.schema import type_key
from gristmill.agents.names import name_key
from gristmill.evals.clustering import compare_clusters
from gristmill.graphs.resolution.references import Gathering, reference_id
from gristmill.graphs.resolution.resolve import Resolver
from gristmill.storage.records import Span

TOPIC = 60  # entities of a topic
CHUNK = 5  # mentions of a chunk
CHUNKS = 8  # chunks of a document
ONSETS, NUCLEI, CODAS = ["b", "br", "c", "ch", "d", "dr", "f", "g", "gl", "h", "k", "l", "m", "n", "p", "pr", "r", "s", "st", "t", "tr", "v", "w"], ["a", "e", "i", "o", "u", "ea", "io", "ou"], ["n", "r", "l", "s", "t", "nd", "rk", "m", "x"]  # noqa: E501  # fmt: skip
BODIES = [
    "Institute",
    "Society",
    "University",
    "Agency",
    "Company",
    "Council",
    "Museum",
    "Laboratory",
    "Foundation",
    "Bank",
    "Party",
    "Union",
    "Office",
]
NOUNS = [
    "learning",
    "analysis",
    "network",
    "synthesis",
    "filtering",
    "sampling",
    "mapping",
    "imaging",
    "transfer",
    "estimation",
    "modelling",
    "labelling",
]
GROUND = ["River", "Lake", "Valley", "Bay", "Hills", "Island", "Forest", "County"]
WRONG = {
    "organization": "place",
    "place": "organization",
    "method": "concept",
    "product": "work",
    "substance": "product",
}


@dataclass(frozen=True, slots=True)
class Thing:
    """A true entity: its full name, its type, and the ways in which it is written, the first most often."""

    name: str
    type: str
    variants: tuple[str, ...]
    alias: str = ""


def word(rng: random.Random, syllables: int = 2) -> str:
    """A made-up word in lower case."""
    return "".join(rng.choice(ONSETS) + rng.choice(NUCLEI) for _ in range(syllables)) + rng.choice(CODAS)


def typo(rng: random.Random, name: str) -> str:
    """The name with one letter left out, doubled or exchanged with the next."""
    place = rng.randrange(1, max(2, len(name) - 2))
    way = rng.randrange(3)
    if way == 0:
        return name[:place] + name[place + 1 :]
    if way == 1:
        return name[:place] + name[place] + name[place:]
    return name[:place] + name[place + 1 : place + 2] + name[place] + name[place + 2 :]


def person(rng: random.Random, words: list[str]) -> Thing:
    first, last = rng.choice(words).title(), rng.choice(words).title()
    return Thing(f"{first} {last}", "person", (last, f"{first[0]}. {last}", f"Dr. {first} {last}", f"{last}, {first}"))


def organization(rng: random.Random, words: list[str]) -> Thing:
    name = f"{rng.choice(words).title()} {rng.choice(words).title()} {rng.choice(BODIES)}"
    short = "".join(part[0] for part in name.split())
    return Thing(name, "organization", (short, name.upper(), f"The {name}", f"{name} Ltd"), short)


def place(rng: random.Random, words: list[str]) -> Thing:
    name = f"{rng.choice(words).title()} {rng.choice(GROUND)}" if rng.random() < 0.5 else word(rng, 3).title()
    return Thing(name, "place", (name.upper(), f"the {name}"))


def method(rng: random.Random, words: list[str]) -> Thing:
    name = f"{rng.choice(words)} {rng.choice(words)} {rng.choice(NOUNS)}"
    british = name.replace("elling", "eling")
    return Thing(name, "method", (name.title(), f"{name}s", name.replace(" ", "-", 1), british))


def product(rng: random.Random, words: list[str]) -> Thing:
    stem, number = rng.choice(words).title(), rng.randrange(1, 30)
    return Thing(f"{stem}-{number}", "product", (f"{stem} {number}", f"{stem}{number}", f"{stem.upper()}-{number}"))


def substance(rng: random.Random, words: list[str]) -> Thing:
    name = f"{rng.choice(words)} {word(rng, 2)}ate"
    return Thing(name, "substance", (f"{name}s", name.capitalize()))


MAKERS: tuple[Callable[[random.Random, list[str]], Thing], ...] = (
    person, organization, place, method, product, substance,
)  # fmt: skip


def things(count: int, rng: random.Random) -> list[Thing]:
    """`count` entities; some share their names, as in the world."""
    words = [word(rng, rng.choice((1, 2, 2, 3))) for _ in range(max(200, count // 6))]
    return [rng.choice(MAKERS)(rng, words) for _ in range(count)]


def write(rng: random.Random, thing: Thing) -> tuple[str, str, bool]:
    """One mention: how it is written, with which type, and whether a type was given."""
    name, roll = thing.name, rng.random()
    if roll > 0.97 and len(name) > 8:
        name = typo(rng, name)
    elif roll > 0.65:
        name = rng.choice(thing.variants)
    kind = WRONG.get(thing.type, thing.type) if rng.random() < 0.03 else thing.type
    return name, kind, rng.random() > 0.02


def extractions(found: list[Thing], mentions: int, rng: random.Random) -> Iterator[tuple[Extraction, dict[str, int]]]:
    """Chunks until there are `mentions`, each with the true entity of each of its references."""
    topics = max(1, len(found) // TOPIC)
    made = chunk = 0
    while made < mentions:
        topic = int(topics * rng.random() ** 1.5)
        for _ in range(CHUNKS):
            id = f"chunk-{chunk}"
            truth: dict[str, int] = {}
            entities: dict[str, FoundEntity] = {}
            for _ in range(CHUNK):
                number = min(len(found) - 1, topic * TOPIC + int(TOPIC * rng.random() ** 2))
                thing = found[number]
                name, kind, typed = write(rng, thing)
                reference = reference_id(name_key(name), type_key(kind) if typed else "")
                if reference in entities:
                    continue
                alias = (thing.alias,) if thing.alias and name == thing.name and rng.random() < 0.3 else ()
                span = Span(chunk=id, start=0, end=len(name), quote=name)
                entities[reference] = FoundEntity(name=name, type=kind, typed=typed, aliases=alias, mentions=(span,))
                truth[reference] = number
            made += len(entities)
            chunk += 1
            yield Extraction(chunk=id, entities=tuple(entities.values())), truth


def measure(mentions: int = 200_000, entities: int = 60_000, seed: int = 1) -> dict[str, Any]:
    """Makes the mentions, resolves them, adds one document, and says what each took and how good it is."""
    rng = random.Random(seed)
    found = things(entities, rng)
    made = list(extractions(found, mentions, rng))
    documents = {one.chunk: f"doc-{index // CHUNKS}" for index, (one, _) in enumerate(made)}
    last = len(made) - 12  # the document that comes later
    began, cpu = perf_counter(), process_time()
    gathering = Gathering(documents)
    for extraction, _ in made[:last]:
        gathering.take(extraction)
    gathering.finish()
    gathered = perf_counter() - began
    resolver = Resolver()
    resolver.update(gathering.references, ())
    took, cpu = perf_counter() - began, process_time() - cpu
    pairs, blocks, oversized = resolver.scored, len(resolver.blocks), resolver.blocks.oversized
    count = len(gathering.references)
    touched = {
        reference_id(name_key(one.name), type_key(one.type) if one.typed else "")
        for extraction, _ in made[last:]
        for one in extraction.entities
    }
    more = Gathering(documents)
    for extraction, _ in made:
        more.take(extraction)
    more.finish()
    started = perf_counter()
    decided = resolver.update({id: more.references[id] for id in touched})
    updated = perf_counter() - started
    ours, truth = {}, {}
    for extraction, true in made:
        for reference, number in true.items():
            mention = f"{extraction.chunk} {reference}"
            ours[mention], truth[mention] = resolver.membership[reference], number
    score = compare_clusters(ours, truth)
    apart = compare_clusters({mention: mention.split(" ")[1] for mention in truth}, truth)
    return {
        "mentions": len(truth),
        "true_entities": score.truths,
        "references": count,
        "entities": score.clusters,
        "resolve_s": round(took, 2),
        "resolve_cpu_s": round(cpu, 2),
        "gather_s": round(gathered, 2),
        "update_s": round(updated, 3),
        "update_references": len(touched),
        "update_decided": len(decided),
        "blocks": blocks,
        "oversized_blocks": oversized,
        "pairs": pairs,
        "all_pairs": count * (count - 1) // 2,
        "b3_precision": round(score.precision, 4),
        "b3_recall": round(score.recall, 4),
        "b3_f1": round(score.f1, 4),
        "b3_f1_of_equal_names": round(apart.f1, 4),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }


def rows() -> list[tuple[str, float, str]]:
    """What `graph.py` shows of it: (name, value, unit) of each figure, under names that its own do not have."""
    found = measure()
    named = [
        ("resolve_s", "resolve_cpu_s", "s CPU"),
        ("resolve_s_wall", "resolve_s", "s"),
        ("resolve_mentions", "mentions", "mentions"),
        ("resolve_pairs", "pairs", "pairs scored"),
        ("resolve_all_pairs", "all_pairs", "pairs of all with all"),
        ("resolve_b3_f1", "b3_f1", "B³ F1"),
        ("resolve_update_s_wall", "update_s", "s"),
        ("resolve_gb", "peak_gb", "GB"),
    ]
    return [(name, float(found[key]), unit) for name, key, unit in named]


def main() -> None:
    parser = argparse.ArgumentParser(description="Resolve many mentions into entities.")
    parser.add_argument("--mentions", type=int, default=200_000)
    parser.add_argument("--entities", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = measure(options.mentions, options.entities, options.seed)
    print(f"{figures['mentions']:,} mentions under {figures['references']:,} references: {figures['resolve_s']} s")
    print(
        f"{figures['pairs']:,} pairs of {figures['blocks']:,} blocks ({figures['oversized_blocks']} oversized) were "
        f"scored; all with all would be {figures['all_pairs']:,}"
    )
    print(f"B³ precision {figures['b3_precision']}, recall {figures['b3_recall']}, F1 {figures['b3_f1']}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
