"""A report as JSON values, the same for report.json, the page and `--json`. docs/evals.md says what the names mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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
from .trust import footnotes

VERSION = 1
CELLS = 40  # of a dimension
MATCHES = 1_000
Json = dict[str, Any]


def as_dict(report: Report) -> Json:
    """Returns a report as JSON values; no number in it is other than finite."""
    there = report.against
    told = {
        "version": VERSION,
        "set": _side(report.side),
        "against": None if there is None else _side(there),
        "beside": [_beside(row) for row in report.beside],
        "map": _map(report.map),
        "novelty": [_curve(curve) for curve in report.curves],
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


def _side(side: Side) -> Json:
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
        "cells": _cells(found),
        "distributions": _distributions(found),
    }


def _reasons(found: Gathered) -> Iterator[Json]:
    counted = [((Status.ACCEPTED.value, ""), found.accepted)] if found.accepted else []
    for (status, reason), count in [*counted, *found.reasons.most_common(CELLS)]:
        figure = share_figure(reason or "accepted", count, found.items)
        yield {"status": str(status), "reason": reason, "items": count, **_interval(figure)}


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


def _distributions(found: Gathered) -> Json:
    spreads = {"words": found.words, "steps": found.steps, "drafts": found.drafts, "novelty": found.novelty}
    spreads |= {f"score_{name}": found.scores[name] for name in sorted(found.scores)}
    return {name: spread.as_dict() for name, spread in spreads.items() if spread.count}


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
        }
        for point in map_.points
    ]
    return {"points": points, "dimensions": list(map_.dimensions), "of": map_.of, "how": map_.how, "note": map_.note}


def _curve(curve: Curve) -> Json:
    return {
        "cell": curve.cell,
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
    figures = [{"name": name, "chosen": chosen, "random": random} for name, chosen, random in one.figures]
    return {**asdict(one), "figures": figures}


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
