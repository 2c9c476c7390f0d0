"""A whole report: of a run, a dataset or a list of texts, alone or beside another one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError, require_kind, require_texts, what_is
from ...evals.contamination.report import Contamination, contamination_report
from ...evals.numeric import Matrix
from ...storage.records import Status
from ..selecting.wanted import AUTO, NONE, wanted
from ..steering.curves import Curve, curves
from .chosen import Chosen, selections_of
from .comparing import Beside, compare, compare_diversity
from .gathering import MAPPED, Gathered, gather
from .mapping import Map, map_of
from .measuring import (
    Part,
    cost_part,
    coverage_part,
    difficulty_part,
    diversity_part,
    drift_part,
    known_of,
    missing_extra,
    yield_part,
)
from .naming import names_of
from .sources import Run, Source, Texts
from .tallies import Spent
from .vectors import Seen, Vectors, drawn_texts

CURVES = 12  # cells of which the page draws the novelty


@dataclass(frozen=True)
class Settings:
    """How a report is made.

    contamination: evaluation sets, `set.jsonl:question,answer` names the columns.
    embedder:      `auto` (that of the first run's campaign, `hashed` without one), `hashed`, `openai_api/MODEL` at
                   `base_url`, `sentence-transformers:MODEL`, or `none`; `key_env` names the variable with its key.
    sample:        accepted texts that get vectors, at most.
    seed:          of all samples.
    """

    contamination: tuple[str | os.PathLike[str], ...] = ()
    embedder: str = AUTO
    base_url: str = ""
    key_env: str = ""
    sample: int = 10_000
    seed: int = 0


@dataclass(frozen=True)
class Side:
    """One set, measured. `seen` says what made its vectors, or why there are none."""

    name: str
    kind: str
    gathered: Gathered
    parts: tuple[Part, ...]
    seen: Seen


@dataclass(frozen=True)
class Report:
    """What `evaluate` found. `as_dict` of `told.py` gives it as JSON values; docs/evals.md names them."""

    side: Side
    map: Map
    curves: tuple[Curve, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # of cells that are ids, what people call them
    contamination: Contamination | None = None
    selections: tuple[Chosen, ...] = ()
    against: Side | None = None
    beside: tuple[Beside, ...] = ()
    notes: tuple[str, ...] = field(default=())


def evaluate(
    texts: Iterable[str] | None = None,
    *,
    source: Source | None = None,
    against: Source | Sequence[str] | None = None,
    settings: Settings | None = None,
) -> Report:
    """Measures `texts`, or any other source, alone or beside another one.

    Every figure has a value or a note that says why not. What takes the extra `evals` has such a note where it is not
    installed, and so has what takes vectors where the embedding server fails. Not to be awaited: it embeds on an event
    loop of its own, beside one that runs. Cost: a run of 100,000 items of 60 words takes about a minute on two cores
    without a model; what is kept in memory does not grow with the items, beyond samples of them.

    Args:
        texts: any; or a `source`: `Run(folder)`, `Dataset(path)` of `sources.py`.
        against: another source, or texts.

    Raises:
        ConfigError: nothing or two things to measure; no such embedder; a set is not there or has no text; the extra is
            not installed and contamination or an embedder was asked for.
        StoreError: a run cannot be read.
    """
    settings = settings or Settings()
    require_kind("settings", settings, Settings, "give Settings(...), or leave it out")
    if source is not None and not hasattr(source, "kind"):
        raise ConfigError(f"source is {what_is(source)}; give Run(folder) or Dataset(path) of this package")
    if (texts is None) == (source is None):
        raise ConfigError("give either texts or a source")
    first = source if source is not None else Texts(_listed(texts or ()))
    other = against if against is None or hasattr(against, "kind") else Texts(_listed(against), name="against")
    extra = missing_extra()
    if extra and (settings.contamination or settings.embedder not in (AUTO, NONE)):
        raise ConfigError(f"this report {extra}")
    with tempfile.TemporaryDirectory(prefix="gristmill-eval-") as spool:
        runs = [one.run for one in (first, other) if one is not None and one.run is not None]  # type: ignore[union-attr]
        embedder, note = wanted(settings.embedder, settings.base_url, settings.key_env, runs)
        vectors = Vectors(embedder, Path(spool), extra)
        return _report(first, other, settings, vectors, extra, note)  # type: ignore[arg-type]


def _report(first: Source, other: Source | None, settings: Settings, vectors: Vectors, extra: str, note: str) -> Report:
    mapped = MAPPED if other is None else MAPPED // 2
    side = _side(first, settings, vectors, extra, mapped=mapped)
    there, beside = None, []
    if other is not None:
        there = _side(other, settings, vectors, extra, mapped=mapped)
        beside = compare(side.gathered, there.gathered, runs=first.kind == other.kind == "run")
        if not extra:
            beside += compare_diversity(_pair(side), _pair(there), seed=settings.seed)
    drawn = tuple(curves(first.run, most=CURVES)) if first.run is not None else ()
    return Report(
        side,
        map_of([one.gathered.mapped for one in (side, there) if one is not None], vectors, seed=settings.seed),
        drawn,
        names_of((curve.cell for curve in drawn), first.run) if first.run is not None else {},
        _contamination(first, settings),
        selections_of(first.run.folder) if isinstance(first, Run) else (),
        there,
        tuple(beside),
        (*_notes(first, side), *(told for told in (note, vectors.failed) if told)),
    )


def _side(source: Source, settings: Settings, vectors: Vectors, extra: str, *, mapped: int) -> Side:
    found = gather(source, known=known_of(source.run), mapped=mapped, seed=settings.seed)
    found.whole = _whole(source, found)
    kept = found.texts.kept()
    texts = [one.text for one in kept]
    drawn = drawn_texts(texts, settings.sample, settings.seed)
    seen = vectors.of(drawn)
    parts: tuple[Part, ...] = (
        yield_part(found),
        cost_part(found),
        difficulty_part(found),
        *drift_part(found),
        coverage_part(found),
        diversity_part(
            texts, seen.matrix, extra=extra, unseen=seen.note, drawn=found.texts.note, sees=_sees(seen, texts)
        ),
    )
    if source.kind != "run":  # rows of a dataset were all accepted by whoever wrote it, and cost nobody knows what
        parts = parts[2:]
    return Side(source.name, source.kind, found, parts, seen)


def _whole(source: Source, found: Gathered) -> Spent | None:
    """All that a run has spent, by the books that its budget is held to."""
    spent = None if source.run is None else source.run.mark("spent")
    if not spent:
        return None
    items = found.tokens.paid, found.usd.paid
    return Spent(max(int(spent.get("tokens", 0)), int(items[0])), max(float(spent.get("usd", 0.0)), items[1]))


def _sees(seen: Seen, texts: Sequence[str]) -> str:
    drawn = f"{len(seen.texts):,} of {len(texts):,} drawn, " if len(seen.texts) < len(texts) else ""
    return f"{drawn}{seen.name}"


def _pair(side: Side) -> tuple[Sequence[str], Matrix | None]:
    return side.seen.texts, side.seen.matrix


def _contamination(source: Source, settings: Settings) -> Contamination | None:
    if not settings.contamination:
        return None
    return contamination_report((item for item in source if item.status is Status.ACCEPTED), settings.contamination)


def _notes(source: Source, side: Side) -> Iterable[str]:
    if not side.gathered.items:
        yield f"{side.name} has no item yet: nothing to measure"
    elif not side.gathered.accepted:
        yield f"no item of {side.name} was accepted: figures of accepted items have no value"
    books = getattr(source, "books", None)
    if books is not None and books.skipped:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(books.skipped.items()))
        yield f"{side.name}: {sum(books.skipped.values())} rows were not read ({counts})"
    if source.run is not None and (pending := source.run.books().pending):
        yield f"{pending:,} tasks are still pending: what they took and will give is not in it"


def _listed(texts: Iterable[str]) -> Sequence[str]:
    return require_texts("texts", texts)
