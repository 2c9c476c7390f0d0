"""The figures of one set: what was gathered of it as `Figure`s, by part, and what takes the extra `evals`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module

from ...evals.diversity.clusters import cluster_entropy
from ...evals.diversity.distance import nearest_distance, pairwise_distance
from ...evals.diversity.measure import measure
from ...evals.diversity.vectors import Unit
from ...evals.diversity.vendi import vendi
from ...evals.figure import Figure
from ...evals.intervals import share_figure
from ...evals.numeric import Matrix
from ...storage.store import RunStore
from .gathering import Gathered

LISTED = {"chunk": "SELECT id FROM chunks WHERE place >= 0", "entity": "SELECT id FROM entities"}
NEEDED = ("numpy", "rapidfuzz", "scipy", "sklearn")
WORDED = ("distinct_2", "mtld", "compression_ratio", "self_bleu", "rouge_l_nearest", "rouge_l_novel")
SEEN = ("vendi", "pairwise_distance", "nearest_distance", "cluster_entropy")


@dataclass(frozen=True)
class Part:
    """Figures that stand together, under a title."""

    name: str
    title: str
    figures: tuple[Figure, ...]


def missing_extra() -> str:
    """Returns what is not installed and the mend; empty where all of the extra `evals` that a report takes is there."""
    gone = []
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError:
            gone.append({"sklearn": "scikit-learn"}.get(name, name))
    return f"needs {', '.join(gone)}, not installed: pip install 'gristmill[evals]'" if gone else ""


def yield_part(found: Gathered) -> Part:
    """How many items were accepted."""
    nothing = "no item has ended" if not found.items else ""
    figures = [
        share_figure("accepted_share", found.accepted, found.items, note=nothing),
        share_figure("first_draft_share", found.first, found.drafts.count),
        found.drafts.figure("drafts", note="" if found.drafts.count else "no accepted item has drafts"),
        found.novelty.figure("novelty", note="" if found.novelty.count else "no gate measured likeness: set [novelty]"),
    ]
    return Part("yield", "Yield", tuple(figures))


def cost_part(found: Gathered) -> Part:
    """What an accepted item took."""
    paid = found.usd.paid > 0
    usd = found.usd.figure("usd_per_accepted") if paid else Figure("usd_per_accepted", None, "US dollars", note=UNPAID)
    figures = [found.tokens.figure("tokens_per_accepted"), found.calls.figure("calls_per_accepted"), usd]
    return Part("cost", "Cost per accepted item", (*figures, *whole_figures(found)))


def whole_figures(found: Gathered) -> list[Figure]:
    """All that the run has spent per accepted item, also for no item; nothing where nobody kept books."""
    whole = found.whole
    if whole is None or not found.accepted:
        return []
    tokens = Figure("run_tokens_per_accepted", whole.tokens / found.accepted, "tokens", of=found.accepted)
    if not whole.usd > 0:
        return [tokens]
    return [tokens, Figure("run_usd_per_accepted", whole.usd / found.accepted, "US dollars", of=found.accepted)]


UNPAID = "no call had a price; set `price_in` and `price_out` of the models"


def difficulty_part(found: Gathered) -> Part:
    """How long and how hard accepted items are, and what critics said of them."""
    blank = f"{found.blank:,} without a word" if found.blank else ""
    figures = [found.words.figure("words", note=blank), found.steps.figure("steps")]
    figures += [found.scores[name].figure(f"score_{name}") for name in sorted(found.scores)]
    if found.judged:
        rest = found.accepted - found.judged
        note = f"{rest:,} that nobody judged left out" if rest else ""
        figures.append(share_figure("grounding_rate", found.grounded, found.judged, note=note))
    return Part("difficulty", "Length, difficulty, scores", tuple(figures))


def drift_part(found: Gathered) -> tuple[Part, ...]:
    """How far texts that were chosen among several lie from these, in each attribute; nothing where none were."""
    figures = tuple(spread.figure(f"drift_{name}") for name, spread in found.drift.items())
    return (Part("drift", "Drift of what was chosen", figures),) if figures else ()


def coverage_part(found: Gathered) -> Part:
    """How much of the documents, of the graph, and of the cells that tasks drew the accepted items touch."""
    return Part("coverage", "Coverage by accepted items", tuple(_covered(found)))


def known_of(run: RunStore | None) -> dict[str, frozenset[str]]:
    """Returns the ids of a run's chunks and entities; of none of them nothing."""
    if run is None:
        return {}
    listed = {name: frozenset(str(id) for (id,) in run.rows(sql)) for name, sql in LISTED.items()}
    return {name: ids for name, ids in listed.items() if ids}


def _covered(found: Gathered) -> Iterator[Figure]:
    for name, counts in (("chunk", found.chunks), ("entity", found.entities)):
        if known := found.growth.known.get(name):
            yield from _even(counts, known, name)
    for name, tried in sorted(found.tried.items()):
        if len(tried) > 1:  # of one value there is nothing to cover
            yield from _even(found.cells.get(name, Counter()), tried, name, note="of those that tasks drew")


def _even(counts: Counter[str], known: Collection[str], name: str, note: str = "") -> Iterator[Figure]:
    """As `evals.diversity.coverage.coverage` has it, from counts, and without numpy."""
    inside = {value: times for value, times in counts.items() if times and value in known}
    total, unit = sum(inside.values()), f"effective {name} values"
    yield Figure(f"{name}_coverage", len(inside) / len(known), "share", of=len(known), note=note)
    if not total:
        yield Figure(f"{name}_effective", None, unit, note=f"no accepted item has a {name}")
        return
    entropy = -math.fsum(some / total * math.log(some / total) for some in inside.values())
    yield Figure(f"{name}_effective", math.exp(entropy), unit, of=total)


def diversity_part(
    texts: Sequence[str], vectors: Matrix | None, *, extra: str, unseen: str, drawn: str, sees: str = ""
) -> Part:
    """How different accepted items are from each other.

    `texts` are those that wording is measured on, `vectors` those of some of them. `extra` says what is not installed,
    `unseen` why there are no vectors, `drawn` that the texts are a sample, `sees` what made the vectors.
    """
    if extra:
        return Part("diversity", "Diversity", tuple(Figure(name, None, note=extra) for name in (*WORDED, *SEEN)))
    figures = [_told(figure, drawn) for figure in measure(texts)]
    if vectors is None:
        figures += [Figure(name, None, note=unseen) for name in SEEN]
    else:
        figures += [_told(figure, sees) for figure in vector_figures(vectors)]
    return Part("diversity", "Diversity", tuple(figures))


def vector_figures(vectors: Matrix, *, seed: int = 0) -> list[Figure]:
    """How different vectors are from each other."""
    unit = Unit.of(vectors)
    return [vendi(unit), pairwise_distance(unit), nearest_distance(unit, seed=seed), *cluster_entropy(unit, seed=seed)]


def _told(figure: Figure, note: str) -> Figure:
    return replace(figure, note="; ".join(filter(None, (note, figure.note))))
