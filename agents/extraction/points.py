"""The extractor of knowledge points: one problem in, what solving it takes out, joined because it takes them together.

After GSDP (Wang et al. 2024, arXiv:2412.08864): a model names the points of a problem, another scores each for
relevance and clarity, and poor ones are dropped before any graph is made of them. What is left becomes entities, and
each pair of them a relation, whose weight in the graph is then the number of problems that take both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from ...errors import ConfigError
from ...evals.segments import segments
from ...prompts.schemas import KnowledgePoints, PointScores
from ...storage.records import Chunk, Span, Usage
from ..asking import parsed_as
from ..names import MAX_NAME, name_key, tidy
from ..state import FlowContext, NodeInfo
from .extractor import Extractor
from .finding import books_of
from .point_settings import POINT, TOGETHER, PointSettings
from .records import Extraction, FoundEntity, FoundRelation

EXTRACT, SCORE = "extract-points", "score-points"
EXTRACTOR, FILTER = "extractor", "filter"  # the roles
ASKS = (
    NodeInfo(EXTRACTOR, EXTRACT, frozenset({"problem", "solution", "most"}), answer=KnowledgePoints),
    NodeInfo(FILTER, SCORE, frozenset({"problem", "points"}), answer=PointScores),
)
MARK = 100  # characters of a problem's first sentence that stand for it: a common point has thousands of mentions

Columns = Callable[[Chunk], Mapping[str, Any]]
"""chunk → the other columns of the row that it is."""


def points_extractor(
    settings: PointSettings | None = None,
    *,
    columns: Columns = lambda _: {},
    source: Callable[[Chunk], str] = lambda chunk: chunk.document,
) -> Extractor:
    """Makes an `Extractor` that reads a problem, the whole of a row, in two calls: its points, and their scores.

    `source` says where a row stands, for messages: its file and line.

    It raises `ConfigError` for a row that was cut into chunks, and what `FlowContext.ask` raises. A point that the
    second model gave no score is dropped (`unscored`), as is one below `relevance` (`irrelevant`) or `clarity`
    (`unclear`).
    """
    wanted = settings or PointSettings()

    async def extract(chunk: Chunk, context: FlowContext, before: Chunk | None = None) -> Extraction:
        if chunk.index:
            raise ConfigError(
                f"knowledge points are read of whole problems, and a row of more than chunks.max_tokens was cut "
                f"({source(chunk)}); raise chunks.max_tokens"
            )
        solution = _solution(columns(chunk), wanted.solution)
        variables = {"problem": chunk.text, "solution": solution, "most": wanted.most}
        reply = await context.ask(EXTRACTOR, EXTRACT, variables)
        counts: Counter[str] = Counter()
        names = _named(parsed_as(KnowledgePoints, reply, EXTRACTOR, EXTRACT).points, wanted.most, counts)
        usage, rounds = reply.usage, 1
        if names and wanted.filters:
            scored = await context.ask(FILTER, SCORE, {"problem": chunk.text, "points": names})
            names = _kept(names, parsed_as(PointScores, scored, FILTER, SCORE), wanted, counts)
            usage, rounds = usage + scored.usage, 2
        return _extraction(chunk, names, counts, usage=usage, rounds=rounds, model=reply.model)

    return extract


def _solution(columns: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((text for name in names if (text := str(columns.get(name) or "").strip())), "")


def _named(given: Sequence[str], most: int, counts: Counter[str]) -> list[str]:
    """The names that can stand, each once, and no more than `most`; what happens to the others is counted."""
    counts["found"] += len(given)
    names: dict[str, str] = {}
    for raw in given:
        name = tidy(raw[: 4 * MAX_NAME])
        key = name_key(name)
        if not key or len(name) > MAX_NAME:
            counts["dropped:long_name" if key else "dropped:empty_name"] += 1
        elif key in names:
            counts["merged"] += 1
        elif len(names) == most:
            counts["dropped:too_many"] += 1
        else:
            names[key] = name
    return list(names.values())


def _kept(names: Sequence[str], answer: PointScores, settings: PointSettings, counts: Counter[str]) -> list[str]:
    scores = {one.number: one for one in reversed(answer.scores)}  # of two scores of one point the first counts
    kept = []
    for number, name in enumerate(names, 1):
        score = scores.get(number)
        if score is None:
            counts["dropped:unscored"] += 1
        elif score.relevance < settings.relevance:
            counts["dropped:irrelevant"] += 1
        elif score.clarity < settings.clarity:
            counts["dropped:unclear"] += 1
        else:
            kept.append(name)
    return kept


def _extraction(
    chunk: Chunk, names: Sequence[str], counts: Counter[str], *, usage: Usage, rounds: int, model: str
) -> Extraction:
    """A problem states none of its points, so the beginning of it is their mention, and that of their pairs."""
    end = _beginning(chunk.text)
    start = Span(chunk=chunk.id, start=0, end=end, quote=chunk.text[:end])
    pairs = tuple(
        FoundRelation(source=one, target=other, type=TOGETHER, mentions=(start,))
        for one, other in combinations(sorted(names, key=name_key), 2)
    )
    return Extraction(
        chunk=chunk.id,
        source_tokens=chunk.tokens,
        entities=tuple(FoundEntity(name=name, type=POINT, mentions=(start,)) for name in names),
        relations=pairs,
        entity_books=books_of(counts, len(names)),
        relation_books=books_of(Counter({"created": len(pairs)}), len(pairs)),
        rounds=rounds,
        stopped="limit",
        usage=usage,
        model=model,
    )


def _beginning(text: str) -> int:
    first = next(iter(segments(text)), (0, len(text)))
    return min(first[1], MARK)
