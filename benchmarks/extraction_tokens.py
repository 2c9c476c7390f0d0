"""What extraction costs in tokens for each token of the source, by size of chunk, and what the terse form loses.

    python benchmarks/extraction_tokens.py [FOLDER ...] [--chunks 40] [--call-tokens 1024]

The prompt is rendered for real chunks and counted by cl100k_base. `fixed` stands before every passage, the same in
every call, so that a server with prefix caching computes it once; `input` is all of it. The answer is what the offline
model found, written as the prompt asks a model to write it (rows, the first five words of a quote, descriptions of at
most eight): an estimate of the form's size, not of a model's diligence.

`kept` is the share of the records that full quotes, one chunk a call, lead to that are still there when the same
records come in the terse form for several chunks at once; `same_evidence` the share of relations and claims whose
evidence then has all of the full quote.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson

from gristmill.agents.extraction.batches import Batch, batches
from gristmill.agents.extraction.extractor import shared_headings
from gristmill.agents.extraction.records import Extraction
from gristmill.agents.extraction.schema import DEFAULT
from gristmill.models.offline.extraction import extract
from gristmill.prompts.library import PromptLibrary
from gristmill.prompts.schemas import ExtractedGraph
from gristmill.storage.chunking import chunk, count_tokens
from gristmill.storage.documents import read_documents
from gristmill.storage.records import Chunk, Document, Span, Usage

SIZES = (256, 512, 1024, 2048)
QUOTED, DESCRIBED = 5, 8  # words


def as_asked(answer: ExtractedGraph) -> ExtractedGraph:
    """The answer in the form that the prompt asks for."""

    def begun(quote: str) -> str:
        return " ".join(quote.split()[:QUOTED])

    def described(text: str) -> str:
        return " ".join(text.split()[:DESCRIBED])

    return ExtractedGraph(
        entities=[
            one.model_copy(update={"description": described(one.description), "quote": ""}) for one in answer.entities
        ],
        relations=[one.model_copy(update={"quote": begun(one.quote), "description": ""}) for one in answer.relations],
        claims=[one.model_copy(update={"quote": begun(one.quote), "text": ""}) for one in answer.claims],
    )


def chunks_of(folder: Path, size: int, most: int) -> Iterator[Chunk]:
    documents: list[Document] = [one for one in read_documents([str(folder)]) if isinstance(one, Document)]
    found = (one for document in documents for one in chunk(document, max_tokens=size))
    yield from (one for _, one in zip(range(most), found, strict=False))


def read_with(chunks: Sequence[Chunk], *answers: ExtractedGraph) -> tuple[Extraction, ...]:
    batch = Batch(chunks, DEFAULT)
    for answer in answers:
        batch.add(answer)
    return batch.finish(rounds=1, stopped="limit", usage=Usage(), model="")


def evidence_of(extractions: Sequence[Extraction]) -> dict[tuple[str, ...], set[tuple[int, int]]]:
    """Record → where its evidence stands; none for entities, whose names are theirs."""
    found: dict[tuple[str, ...], set[tuple[int, int]]] = {}
    for one in extractions:
        for entity in one.entities:
            found[one.chunk, entity.name] = set()
            for claim in entity.claims:  # its words are the quote's, so its qualifiers tell it from others
                found[one.chunk, entity.name, "", *sorted(claim.qualifiers.values())] = places(claim.mentions)
        for relation in one.relations:
            found[one.chunk, relation.source, relation.target, relation.type] = places(relation.mentions)
    return found


def places(spans: Iterable[Span]) -> set[tuple[int, int]]:
    return {(span.start, span.end) for span in spans}


def measured(folder: Path, size: int, most: int, call_tokens: int) -> dict[str, float]:
    """Tokens for each token of the source, and records for each chunk."""
    prompt = PromptLibrary().get("extract-graph")
    sums: Counter[str] = Counter()
    for chunks, _ in batches(chunks_of(folder, size, most), call_tokens):
        batch = Batch(chunks, DEFAULT)
        variables = {
            "passage": batch.passage,
            "passages": batch.texts,
            "headings": shared_headings(chunks),
            "before": "",
            "found": [],
            "claims": True,
            "entity_types": [spec.model_dump() for spec in DEFAULT.entity_types],
            "relation_types": [spec.model_dump() for spec in DEFAULT.relation_types],
        }
        messages = prompt.render(variables)
        asked = as_asked(extract(variables))
        alone = [read_with([one], extract({**variables, "passages": [one.text]}))[0] for one in chunks]
        full, terse = evidence_of(alone), evidence_of(read_with(chunks, asked))
        stated = {key: spans for key, spans in full.items() if spans and key in terse}
        sums.update(
            calls=1,
            chunks=len(chunks),
            source=sum(one.tokens for one in chunks),
            fixed=count_tokens(messages[0].content),
            input=sum(count_tokens(message.content) for message in messages),
            output=count_tokens(asked.model_dump_json()),
            records=len(asked.entities) + len(asked.relations) + len(asked.claims),
            full=len(full),
            kept=len(full.keys() & terse.keys()),
            stated=len(stated),
            same=sum(within(spans, terse[key]) for key, spans in stated.items()),
        )
    source, read = sums["source"], sums["chunks"]
    ratios = {key: round(sums[key] / source, 2) for key in ("fixed", "input", "output")}
    return {
        "chunks": read,
        "calls": sums["calls"],
        "tokens_per_chunk": round(source / read),
        "fixed_tokens": round(sums["fixed"] / sums["calls"]),
        "records_per_chunk": round(sums["records"] / read, 1),
        **ratios,
        "total": round(ratios["input"] + ratios["output"], 2),
        "total_prefix_cached": round(ratios["input"] - ratios["fixed"] + ratios["output"], 2),
        "kept": round(sums["kept"] / max(1, sums["full"]), 4),
        "same_evidence": round(sums["same"] / max(1, sums["stated"]), 4),
    }


def within(spans: set[tuple[int, int]], others: set[tuple[int, int]]) -> bool:
    return all(any(low <= start and end <= high for low, high in others) for start, end in spans)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(__file__).parent.parent / "examples" / "corpus"])
    parser.add_argument("--chunks", type=int, default=40, help="chunks of each size that are read")
    parser.add_argument("--call-tokens", type=int, default=1024, help="tokens of chunks read in one call; 0: one chunk")
    given = parser.parse_args()
    rows = []
    for folder in given.folders:
        for size in SIZES:
            row = {"folder": folder.name, "max_tokens": size, **measured(folder, size, given.chunks, given.call_tokens)}
            rows.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(orjson.dumps({"extraction_tokens": rows}).decode())


if __name__ == "__main__":
    main()
