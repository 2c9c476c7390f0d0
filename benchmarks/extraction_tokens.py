"""What extraction costs in tokens for each token of the source: the prompt as it is, by size of chunk.

    python benchmarks/extraction_tokens.py [FOLDER ...] [--chunks 40]

The prompt is rendered for real chunks and counted by cl100k_base. `fixed` stands before every passage, the same in
every call, so that a server with prefix caching computes it once; `input` is all of it. The answer is what the offline
model found, written as the prompt asks a model to write it (no quote where the name is there, long quotes without
their middle, descriptions of at most 12 words): an estimate of the form's size, not of a model's diligence. `strict`
is the same with every empty field written out, as servers in strict structured output make models do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from gristmill.agents.extraction_schema import DEFAULT
from gristmill.models.offline.extraction import extract
from gristmill.prompts.library import PromptLibrary
from gristmill.prompts.schemas import ExtractedGraph
from gristmill.storage.chunking import chunk, count_tokens
from gristmill.storage.documents import read_documents
from gristmill.storage.records import Chunk, Document

SIZES = (256, 512, 1024, 2048)
ELIDED, DESCRIBED = 12, 12  # words


def elided(quote: str) -> str:
    words = quote.split()
    return quote if len(words) <= ELIDED else " ".join([*words[:4], "…", *words[-4:]])


def as_asked(answer: ExtractedGraph) -> dict[str, Any]:
    """The answer in the form that the prompt asks for."""
    return {
        "entities": [
            {"name": one.name, "type": one.type, "description": " ".join(one.description.split()[:DESCRIBED])}
            for one in answer.entities
        ],
        "relations": [
            {"source": one.source, "target": one.target, "type": one.type, "quote": elided(one.quote)}
            for one in answer.relations
        ],
        "claims": [
            {"entity": one.entity, "quote": elided(one.quote), "qualifiers": one.qualifiers} for one in answer.claims
        ],
    }


def chunks_of(folder: Path, size: int, most: int) -> Iterator[Chunk]:
    documents: list[Document] = [one for one in read_documents([str(folder)]) if isinstance(one, Document)]
    found = (one for document in documents for one in chunk(document, max_tokens=size))
    yield from (one for _, one in zip(range(most), found, strict=False))


def measured(folder: Path, size: int, most: int) -> dict[str, float]:
    """Tokens for each token of the source, and records for each chunk."""
    prompt = PromptLibrary().get("extract-graph")
    sums = dict.fromkeys(("chunks", "source", "fixed", "input", "output", "strict", "records"), 0)
    for one in chunks_of(folder, size, most):
        variables = {
            "passage": one.text,
            "headings": list(one.headings),
            "before": "",
            "found": [],
            "claims": True,
            "entity_types": [spec.model_dump() for spec in DEFAULT.entity_types],
            "relation_types": [spec.model_dump() for spec in DEFAULT.relation_types],
        }
        messages = prompt.render(variables)
        answer = extract(variables)
        asked = as_asked(answer)
        sums["chunks"] += 1
        sums["source"] += one.tokens
        sums["fixed"] += count_tokens(messages[0].content)
        sums["input"] += sum(count_tokens(message.content) for message in messages)
        sums["output"] += count_tokens(orjson.dumps(asked).decode())
        sums["strict"] += count_tokens(ExtractedGraph.model_validate(asked).model_dump_json())
        sums["records"] += sum(map(len, asked.values()))
    source, count = sums["source"], sums["chunks"]
    ratios = {key: round(sums[key] / source, 2) for key in ("fixed", "input", "output", "strict")}
    return {
        "chunks": count,
        "tokens_per_chunk": round(source / count),
        "fixed_tokens": round(sums["fixed"] / count),
        "records_per_chunk": round(sums["records"] / count, 1),
        **ratios,
        "total": round(ratios["input"] + ratios["output"], 2),
        "total_prefix_cached": round(ratios["input"] - ratios["fixed"] + ratios["output"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(__file__).parent.parent / "examples" / "corpus"])
    parser.add_argument("--chunks", type=int, default=40, help="chunks of each size that are read")
    given = parser.parse_args()
    rows = []
    for folder in given.folders:
        for size in SIZES:
            row = {"folder": folder.name, "max_tokens": size, **measured(folder, size, given.chunks)}
            rows.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(orjson.dumps({"extraction_tokens": rows}).decode())


if __name__ == "__main__":
    main()
