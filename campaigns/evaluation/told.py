"""A report as JSON values, the same for report.json, the page and `--json`. docs/evals.md says what the names mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from ...evals.contamination.report import Contamination
from ...evals.figure import Figure
from ...evals.intervals import share_figure
from ...storage.records import Status
from ..steering.curves import Curve
from .chosen import Chosen
from .comparing import Beside, differs
from .evaluating import Report, Side
from .gathering import Gathered
from .mapping import Map
from .tallies import Spent, Spread
from .trust import footnotes

VERSION = 1
CELLS = 40  # of a dimension
MATCHES = 1_000
NO_ITEM = "graph, attributes, dry run, pending tasks"
Json = dict[str, Any]


def as_dict(report: Report) -> Json:
    """Returns a report as JSON values; no number in it is other than finite."""
    there = report.against
    told = {
        "version": VERSION,
        "set": _side(report.side, there),
        "against": None if there is None else _side(there, report.side),
        "beside": [_beside(row) for row in report.beside],
        "map": _map(report.map),
        "novelty": [_curve(curve, report.names) for curve in report.curves],
        "contamination": None if report.contamination is None else _contamination(report.contamination),
        "selections": [_selection(one) for one in report.selections],
        "notes": list(report.notes),
    }
    return {**told, "footnotes": footnotes(dict.fromkeys(_names(report)))}


def figure_dict(figure: Figure) -> Json:
    """Returns a figure as JSON values; `n` is how many it stands on."""
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "low": figure.low,
        "high": figure.high,
        "n": figure.of,
        "note": figure.note,
    }


def _side(side: Side, other: Side | None) -> Json:
    found, seen = side.gathered, side.seen
    return {
        "name": side.name,
        "kind": side.kind,
        "items": found.items,
        "status": {one.value: found.status[one] for one in (Status.ACCEPTED, Status.REJECTED, Status.FAILED)},
        "vectors": {"made_by": seen.name, "texts": len(seen.texts) if seen.name else 0, "note": seen.note},
        "parts": [
            {"name": part.name, "title": part.title, "figures": [figure_dict(one) for one in part.figures]}
            for part in side.parts
        ],
        "reasons": list(_reasons(found)),
        "spent": list(_spent(found)),
        "growth": _growth(found),
        "cells": _cells(found),
        "distributions": _distributions(found, None if other is None else other.gathered),
    }


def _reasons(found: Gathered) -> Iterator[Json]:
    counted = [((Status.ACCEPTED.value, ""), found.accepted)] if found.accepted else []
    for (status, reason), count in [*counted, *found.reasons.most_common(CELLS)]:
        figure = share_figure(reason or "accepted", count, found.items)
        yield {"status": str(status), "reason": reason, "items": count, **_interval(figure)}


def _spent(found: Gathered) -> Iterator[Json]:
    """What it went to, per accepted item: accepted items themselves, items by why they were not, and no item."""
    spent, whole = dict(found.spent), found.whole
    if whole is not None:
        rest = whole.tokens - found.tokens.paid, max(0.0, whole.usd - found.usd.paid)
        if rest[0] > 0:
            spent["no item", NO_ITEM] = Spent(int(rest[0]), rest[1])
    for (status, reason), one in sorted(spent.items(), key=lambda pair: -pair[1].tokens)[
        : CELLS if found.tokens.paid else 0
    ]:
        per = {"tokens_per_accepted": one.tokens / found.accepted if found.accepted else None}
        yield {"status": status, "reason": reason, "items": one.items, "tokens": one.tokens, "usd": one.usd, **per}


def _growth(found: Gathered) -> Json:
    """Sums after so many items; `coverage` has for each dimension how many values are `known` and were touched."""
    moments, growth = found.growth.moments(found.cells), found.growth
    known = {name: len(ids) for name, ids in growth.known.items()}
    known |= {name: len(tried) for name, tried in sorted(found.tried.items()) if len(tried) > 1}
    return {
        "items": [one.items for one in moments],
        "accepted": [one.accepted for one in moments],
        "tokens": [one.tokens for one in moments],
        "usd": [one.usd for one in moments],
        "coverage": {
            name: {"known": count, "touched": [one.seen.get(name, 0) for one in moments]}
            for name, count in known.items()
        },
    }


def _cells(found: Gathered) -> Json:
    return {
        name: [
            {
                "cell": value,
                "tried": tried,
                "accepted": (accepted := found.cells.get(name, Counter())[value]),
                **_interval(share_figure(value, accepted, tried)),
            }
            for value, tried in counts.most_common(CELLS)
        ]
        for name, counts in sorted(found.tried.items())
    }


def _interval(figure: Figure) -> Json:
    return {"share": figure.value, "low": figure.low, "high": figure.high}


def _distributions(found: Gathered, other: Gathered | None) -> Json:
    theirs = {} if other is None else _spreads(other)
    return {name: spread.as_dict(theirs.get(name)) for name, spread in _spreads(found).items() if spread.count}


def _spreads(found: Gathered) -> dict[str, Spread]:
    spreads = {"words": found.words, "steps": found.steps, "drafts": found.drafts, "novelty": found.novelty}
    return spreads | {f"score_{name}": found.scores[name] for name in sorted(found.scores)}


def _beside(row: Beside) -> Json:
    sides = {"here": figure_dict(row.here), "there": figure_dict(row.there), "difference": figure_dict(row.difference)}
    return {"name": row.here.name, "unit": row.here.unit, **sides, "differs": differs(row)}


def _map(map_: Map) -> Json:
    points = [
        {
            "x": round(point.x, 4),
            "y": round(point.y, 4),
            "id": point.id,
            "status": point.status,
            "reason": point.reason,
            "line": point.line,
            "cells": list(point.cells),
            "set": point.set,
        }
        for point in map_.points
    ]
    return {"points": points, "dimensions": list(map_.dimensions), "of": map_.of, "how": map_.how, "note": map_.note}


def _curve(curve: Curve, names: Mapping[str, str]) -> Json:
    return {
        "cell": curve.cell,
        "name": names.get(curve.cell, curve.cell),
        "tasks": curve.tasks,
        "accepted": curve.accepted,
        "points": [{"tasks": one.tasks, "novelty": one.novelty, "accepted": one.accepted} for one in curve.points],
    }


def _contamination(found: Contamination) -> Json:
    return {
        "figures": [figure_dict(figure) for figure in found.figures],
        "items": len(found.items),
        "matches": [asdict(match) for match in islice(found.matches, MATCHES)],
        "listed": min(MATCHES, len(found.matches)),
        "cut": found.cut or len(found.matches) > MATCHES,
        "sets": [
            {"name": one.name, "rows": one.rows, "texts": one.texts, "skipped": dict(one.skipped)} for one in found.sets
        ],
        "notes": list(found.notes),
    }


def _selection(one: Chosen) -> Json:
    names = ("name", "chosen", "random", "random_low", "random_high")
    return {**asdict(one), "figures": [dict(zip(names, figure, strict=True)) for figure in one.figures]}


def _names(report: Report) -> Iterator[str]:
    yield "map"
    for part in report.side.parts:
        yield from (figure.name for figure in part.figures)
    if report.contamination is not None:
        yield from (figure.name for figure in report.contamination.figures)
    if report.selections:
        yield "selection"
    if report.beside:
        yield "difference"
        yield from (row.here.name for row in report.beside)
