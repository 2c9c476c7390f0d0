"""How far critics and people agree: by critic and reason, thresholds with their curves, rounds, precedents."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...campaigns.report import kappa_words, share_words
from ...evals.agreement import LEAST
from ...evals.agreement_report import WANTED, AgreementReport, CriticAgreement, agreement_of
from ...evals.judgements import ALONE, Judgements
from ...storage.precedents import Precedent, PrecedentSet, mark_of, marked, rounds_of
from ...storage.records import Record
from ...storage.reviews import Action
from .curves import curve_of, minimum_lines, whisker
from .parameters import from_query, id_of
from .rendering import render
from .security import reviewer_of
from .site import site_of

CHOICES = (0.8, 0.85, 0.9, 0.95, 0.99)
MOST = 200  # precedents of the list


class Asked(Record):
    """What the page is asked for: the precision that thresholds are suggested for."""

    wanted: float = Field(default=WANTED, ge=0.5, le=1)


@dataclass(frozen=True, slots=True)
class Listed:
    """The marked decisions, newest first, and which of them critics are shown now."""

    precedents: tuple[Precedent, ...]
    in_use: frozenset[str]
    round: int
    more: int = 0


async def agreement(request: Request) -> Response:
    """The page."""
    site, asked = site_of(request), from_query(Asked, request.query_params)
    report, listed = await site.look_at_judgements(
        lambda known: (agreement_of(known.store, known, wanted=asked.wanted), listed_in(known))
    )
    critics = sorted(
        (one for one in report.critics if one.judged), key=lambda one: (one.critic == ALONE, -one.judged, one.critic)
    )
    return render(
        request,
        "agreement.html",
        report=report,
        critics=critics,
        silent=[one.critic for one in report.critics if not one.judged and one.critic != ALONE],
        alone=ALONE,
        least=LEAST,
        curves=curves_in(critics, asked.wanted),
        lines=minimum_lines(report),
        recipe=bool(site.campaign.get("recipe")) and not site.campaign.get("flow"),
        choices=sorted({*CHOICES, asked.wanted}),
        sample=sample_of(report),
        listed=listed,
        focus=False,
        whisker=whisker,
        share_words=share_words,
        kappa_words=kappa_words,
    )


async def remove(request: Request) -> Response:
    """Takes a mark back; returns the list as it is then."""
    site = site_of(request)
    await request.body()  # nothing is in it; one without end is refused here
    id, reviewer, event = id_of(request), reviewer_of(request), uuid4().hex
    await site.write(lambda desk: desk.decide(id, Action.NO_PRECEDENT, reviewer, event=event))
    listed = await site.look_at_judgements(listed_in)
    return render(request, "agreement_precedents.html", listed=listed, focus=True)


def listed_in(known: Judgements) -> Listed:
    """Returns the precedents of a run."""
    rounds = rounds_of(known.store)
    version = rounds[-1].version if rounds else ""
    body = known.store.mark(mark_of(version)) if version else None
    used = PrecedentSet() if body is None else PrecedentSet.model_validate(body)
    found = sorted(marked(known.store), key=lambda one: one.at, reverse=True)
    return Listed(
        precedents=tuple(found[:MOST]),
        in_use=frozenset(one.item for one in used.precedents),
        round=rounds[-1].number if rounds else 1,
        more=max(0, len(found) - MOST),
    )


def curves_in(critics: list[CriticAgreement], wanted: float) -> list[dict[str, object]]:
    """Returns the thresholds that there is something to draw of."""
    found = [(critic.critic, one, curve_of(one, wanted)) for critic in critics for one in critic.thresholds]
    return [{"critic": critic, "threshold": one, "curve": curve} for critic, one, curve in found if curve is not None]


def sample_of(report: AgreementReport) -> str:
    """Returns the queue's address where kappa needs the other side judged: a fair sample of it; empty for no need."""
    table = report.overall.kappa
    if not table.both + table.critic:
        return "/?status=accepted&sort=sample"
    return "" if table.person + table.neither else "/?sort=sample"


routes = [
    Route("/agreement", agreement),
    Route("/agreement/remove/{id}", remove, methods=["POST"]),
]
