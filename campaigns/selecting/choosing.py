"""One choice among the accepted items of runs, written as a dataset whose card and `selection.json` say how."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from ...errors import ConfigError, ModelError
from ...evals.figure import Figure
from ...evals.numeric import Matrix
from ...evals.selection.base import Selection
from ...evals.selection.beside import Beside, beside_random
from ...evals.selection.catalogue import Selector, selector
from ...evals.selection.pool import Pool
from ...storage.records import Item
from ...storage.store import RunStore
from ..datasets import Exported, Narrowed, export_runs
from ..gating.novelty import HASHED
from .embedding import embed
from .reading import MEAN, Read, read
from .wanted import AUTO, NONE, Wanted, wanted


@dataclass(frozen=True)
class Choice:
    """What to choose, and by what.

    options:  of the strategy.
    score:    the critics' score that is the quality, `mean` for the mean of all that they gave.
    feedback: the score that the iterative form learns from; empty for none.
    cells:    attributes, such as `kind`, whose values make an item's cell.
    examples: texts for `zip-fit`.
    embedder: `auto` (that of the first run's campaign), `hashed`, `sentence-transformers:MODEL`, `openai_api/MODEL` at
              `base_url`, or `none`.
    key_env:  the environment variable that has the server's key.
    """

    strategy: str
    count: int
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    score: str = MEAN
    feedback: str = ""
    cells: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    embedder: str = AUTO
    base_url: str = ""
    key_env: str = ""


@dataclass(frozen=True, eq=False)
class Chosen:
    """What was chosen of the accepted items, how it measures beside chance, and what was written."""

    choice: Choice
    selection: Selection
    beside: tuple[Beside, ...]
    sees: str
    exported: Exported


def select_runs(folders: Sequence[Path], choice: Choice, **export: Any) -> Chosen:
    """Chooses among the accepted items of `folders` and writes them; `export` is what `export_runs` takes.

    People's decisions count, as in every export. To be called where no event loop runs: it embeds on one of its own.

    Raises:
        ConfigError: as `selector`, `read`, `embed` and `export_runs`.
        ModelError: the embedding server failed, and the strategy takes vectors; nothing is written.
    """
    chooser = selector(choice.strategy, **choice.options)
    embedder, note = _wanted(choice, folders, str(export.get("store") or ""))
    if choice.embedder == AUTO and embedder.model is not None and "vectors" not in chooser.needs:
        # Nobody asked for calls that may cost, and the choice does not hang on vectors.
        note = f"no vectors: {embedder.whose} is asked only where it is named: --embedder {embedder.name}, or {HASHED}"
        embedder = Wanted(NONE)
    made: list[tuple[Selection, tuple[Beside, ...], str]] = []

    def narrow(items: Iterable[Item], spool: Path) -> Narrowed:
        found = read(items, score=choice.score, feedback=choice.feedback, cells=choice.cells)
        vectors, lost = _vectors(embedder, found, spool, needed="vectors" in chooser.needs)
        pool = _pool(choice, chooser, found, None if vectors is None else vectors[0])
        selection = chooser.select(pool, choice.count, seed=choice.seed)
        selection = replace(selection, notes=(*selection.notes, *(told for told in (note, lost) if told)))
        beside = beside_random(selection, pool, seed=choice.seed)
        made.append((selection, beside, "" if vectors is None else vectors[1]))
        return _narrowed(choice, *made[0], found)

    exported = export_runs(folders, narrow=narrow, **export)
    return Chosen(choice, *made[0], exported)


def _wanted(choice: Choice, folders: Sequence[Path], url: str) -> tuple[Wanted, str]:
    with ExitStack() as opened:
        stores = [RunStore.read(folder, url) for folder in folders]
        for store in stores:
            opened.callback(store.close_reading)
        return wanted(choice.embedder, choice.base_url, choice.key_env, stores)


def _vectors(by: Wanted, found: Read, spool: Path, *, needed: bool) -> tuple[tuple[Matrix, str] | None, str]:
    """The vectors, or why there are none where the strategy does without: figures that take them are left out."""
    try:
        return asyncio.run(embed(by, found.texts, spool)), ""
    except (ConfigError, ModelError) as error:
        if by.name == HASHED:  # what it lacks, it says
            raise
        if needed or not by.campaign:
            error.args = (by.mended(error),)
            raise
        return None, by.mended(error)


def _pool(choice: Choice, chooser: Selector, found: Read, vectors: Matrix | None) -> Pool:
    needs = chooser.needs
    if "cells" in needs and not choice.cells:
        raise ConfigError(f"strategy '{choice.strategy}' needs cells; name attributes of the items: --cell kind")
    if "examples" in needs and not choice.examples:
        raise ConfigError(f"strategy '{choice.strategy}' needs texts to compare with: give --examples FILE")
    if "vectors" in needs and choice.embedder == NONE:
        raise ConfigError(f"strategy '{choice.strategy}' needs vectors; give another --embedder than '{NONE}'")
    scored = any(score is not None for score in found.scores)
    if "scores" in needs and not scored:
        raise ConfigError(
            f"strategy '{choice.strategy}' needs scores, and no critic of the run gave any; choose another strategy"
        )
    return Pool.of(
        vectors=vectors,
        scores=found.scores if scored else None,
        feedback=found.feedback if choice.feedback else None,
        cells=found.cells if choice.cells else None,
        texts=found.texts,
        examples=choice.examples,
    )


def _narrowed(choice: Choice, selection: Selection, beside: tuple[Beside, ...], sees: str, found: Read) -> Narrowed:
    ids = [found.ids[place] for place in selection.indices.tolist()]
    said = {
        "strategy": selection.strategy,
        "options": ", ".join(f"{key} = {_json(value)}" for key, value in selection.options.items()),
        "seed": str(selection.seed),
        "chosen": f"{len(ids)} of {selection.of} accepted items",
        "score": f"'{choice.score}' of the critics",
        **({"cells": ", ".join(choice.cells)} if choice.cells else {}),
        **({"vectors": sees} if sees else {}),
        **{f"left out, {reason}": str(count) for reason, count in selection.counts.items()},
        **{row.chosen.name: f"{shown(row.chosen)}; at random {shown(row.random)}{draws(row)}" for row in beside},
        **({"notes": "; ".join(selection.notes)} if selection.notes else {}),
    }
    record = as_dict(choice, selection, beside, sees) | {"items": ids}
    return Narrowed(frozenset(ids), said, orjson.dumps(record, option=orjson.OPT_INDENT_2).decode() + "\n")


def as_dict(choice: Choice, selection: Selection, beside: tuple[Beside, ...], sees: str) -> dict[str, Any]:
    """Returns a selection as JSON values, without the ids of its items."""
    return {
        "strategy": selection.strategy,
        "options": dict(selection.options),
        "seed": selection.seed,
        "chosen": len(selection.indices),
        "of": selection.of,
        "score": choice.score,
        "feedback": choice.feedback,
        "cells": list(choice.cells),
        "vectors": sees,
        "left_out": selection.counts,
        "groups": [{"name": one.name, "size": one.size, "chosen": one.chosen} for one in selection.groups],
        "figures": {
            row.chosen.name: {
                "chosen": row.chosen.value,
                "random": row.random.value,
                "random_low": row.random.low,
                "random_high": row.random.high,
            }
            for row in beside
        },
        "notes": list(selection.notes),
    }


def shown(figure: Figure) -> str:
    """A figure as people read it."""
    if figure.value is None:
        return f"none ({figure.note})"
    return f"{figure.value:.4g} {figure.unit}".rstrip()


def parse_options(given: Sequence[str]) -> dict[str, Any]:
    """Reads `key=value` pairs: values as in TOML (`3`, `0.5`, `true`, `{hard = 2}`), other words as they stand.

    Raises:
        ConfigError: no `=`, no key, or a key that is given twice.
    """
    found: dict[str, Any] = {}
    for pair in given:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key:
            raise ConfigError(f"option '{pair}' is not KEY=VALUE; write, for example, --option clusters=64")
        if key in found:
            raise ConfigError(f"option '{key}' is given twice; give it once")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def draws(row: Beside) -> str:
    """Where 95% of random draws lie, in brackets; nothing of one draw."""
    if row.random.low is None or row.random.high is None:
        return ""
    return f" ({row.random.low:.4g} to {row.random.high:.4g})"
