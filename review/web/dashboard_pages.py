"""The dashboard: what a run does, live while it runs. The page, its parts anew, and the series as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...storage.samples import Sample
from ..figures import Limit, Pace, between, lately, limits, phases, seconds_left, whole
from ..watch import View, Watch
from . import wording
from .parameters import from_query
from .rendering import render
from .site import site_of

REASONS = 12  # bars of reasons; the others are counted together
ROWS = 24  # of the table that says what the pictures show
FIELDS = (
    "at", "start", "planned", "accepted", "rejected", "failed", "pending", "duplicates", "calls", "tokens", "usd",
    "seconds", "running", "slots", "workers", "ready", "chunks", "all_chunks", "entities", "all_entities", "spread",
)  # fmt: skip


class Since(BaseModel):
    """What a page has already: the moment of its newest sample, in milliseconds since 1970."""

    since: int = Field(0, ge=0, le=10**15)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a sample, and what went on since the line before."""

    sample: Sample
    pace: Pace


@dataclass(frozen=True, slots=True)
class Shown:
    """What the templates show of a view."""

    view: View
    last: Sample | None
    all: Pace
    late: Pace
    left: float | None
    limits: list[Limit]
    reasons: list[tuple[str, str, int]]
    other_reasons: tuple[int, int]
    phases: dict[str, float]
    rows: list[Row]

    @property
    def running(self) -> bool:
        return self.view.holder is not None

    @property
    def pace(self) -> Pace:
        """The pace of late while it runs; of the whole run afterwards."""
        return self.late if self.running and self.late.seconds else self.all

    @property
    def target(self) -> int | None:
        return self.view.campaign.get("target")

    @property
    def ended(self) -> int:
        books = self.view.books
        return books.planned - books.pending

    @property
    def lost(self) -> int:
        """Items that were rejected or failed."""
        return sum(count for _, _, count in self.reasons) + self.other_reasons[1]


def shown(view: View) -> Shown:
    """Works out what a view says."""
    late, target, accepted = lately(view.samples), view.campaign.get("target"), view.counted
    running = view.holder is not None
    lost = [(reason, status, number) for (status, reason), number in view.reasons.items() if status != "accepted"]
    lost.sort(key=lambda one: (-one[2], one))
    pace = late if running and late.accepted else whole(view.samples)
    return Shown(
        view=view,
        last=view.samples[-1] if view.samples else None,
        all=whole(view.samples),
        late=late,
        left=seconds_left(late, accepted, target) if running else None,
        limits=limits(view.spent, view.campaign.get("budget") or {}, pace, accepted, target),
        reasons=lost[:REASONS],
        other_reasons=(len(lost[REASONS:]), sum(number for _, _, number in lost[REASONS:])),
        phases=phases(view.samples),
        rows=rows_of(view.samples),
    )


def rows_of(samples: tuple[Sample, ...]) -> list[Row]:
    """Returns some samples that lie evenly over the run, the newest first, each with the pace since the one before."""
    step = max(1, -(-len(samples) // ROWS))
    some = list(samples[::-1][::step])[::-1]
    return [Row(one, between(before, one)) for before, one in pairwise([Sample(at=0), *some])][::-1]


async def dashboard(request: Request) -> Response:
    """The whole page."""
    view = await site_of(request).watch(Watch.look)
    return render(request, "dashboard.html", now=shown(view), say=wording)


async def parts(request: Request) -> Response:
    """The parts of the page that change, each with its id."""
    view = await site_of(request).watch(Watch.look)
    return render(request, "dashboard_parts.html", now=shown(view), say=wording)


async def data(request: Request) -> Response:
    """The series after a moment, as rows of numbers, with what the pictures draw it against."""
    since = from_query(Since, request.query_params).since
    view = await site_of(request).watch(Watch.look)
    spec = view.campaign
    answer: dict[str, Any] = {
        "fields": FIELDS,
        "rows": [[getattr(one, name) for name in FIELDS] for one in view.samples if one.at > since],
        "running": view.holder is not None,
        "target": spec.get("target"),
        "budget": spec.get("budget") or {},
    }
    return JSONResponse(answer)


routes = [
    Route("/dashboard", dashboard),
    Route("/dashboard/parts", parts),
    Route("/dashboard/data", data),
]
