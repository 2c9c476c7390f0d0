"""How far critics and people agree in a run, as one record: what the page, the terminal and the report show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..storage.precedents import Round, rounds_of
from ..storage.records import Record
from ..storage.store import RunStore
from .agreement import Judged, Kappa, Share, Suggestion, kappa, precision, share, suggest
from .judgements import ALONE, OVERALL, Judgements, of_critic

ONE_SIDED = "it speaks only when it rejects, so chance agreement has no meaning; see its precision"
WANTED = 0.9  # the share of good items among the accepted that a threshold is suggested for


class ReasonAgreement(Record):
    """How often people confirmed a rejection for `reason`; with another reason of theirs they did not."""

    reason: str
    precision: Share


class Threshold(Record):
    """Where the threshold of a score lies, None for nowhere, and where it should.

    `all` is how many items of the run have the score, `reaching` how many of them reach the `current` threshold.
    """

    score: str
    current: float | None
    suggestion: Suggestion
    all: int = 0
    reaching: int | None = None


class Agreement(Record):
    """Judgements of one critic, or of one round, against people's.

    `agreed` is the share of judged items on which both said the same; `confirmed` that of the rejections which people
    confirmed, and `kept` that of the acceptances which people left as they were.
    """

    judged: int
    agreed: Share
    confirmed: Share
    kept: Share
    kappa: Kappa


class CriticAgreement(Agreement):
    """One critic. `accepts` and `rejects` count its verdicts on last drafts in the whole run, judged or not.

    The last one may be `ALONE`: items whose end no critic's verdict gave, which ended before they came to one.
    """

    critic: str
    accepts: int
    rejects: int
    reasons: tuple[ReasonAgreement, ...]
    thresholds: tuple[Threshold, ...]


class RoundAgreement(Agreement):
    """One round, all critics together. `precedents` are what its critics could be shown, `version` names them."""

    round: int
    precedents: int
    version: str


class AgreementReport(Record):
    """The agreement of a whole run. `overall` compares what became of items with what people said of them.

    `decided` counts items on which a decision stands, `reviewers` those who took one: `overall.judged` of them judge
    somebody and are in the row of a critic or of `ALONE`; `left_out` are failed and judge nobody. `wanted` is the
    precision that thresholds are suggested for. Without a decision there are no critics here.
    """

    decided: int
    left_out: int
    reviewers: int
    wanted: float
    overall: Agreement
    critics: tuple[CriticAgreement, ...]
    rounds: tuple[RoundAgreement, ...]


def agreement_of(store: RunStore, known: Judgements | None = None, *, wanted: float = WANTED) -> AgreementReport:
    """Returns how far critics and people agree in the run.

    Args:
        known: judgements of this store that were read before: only what is new is read then.
        wanted: the precision that thresholds are suggested for, in [0, 1].
    """
    known = known or Judgements(store)
    known.refresh()
    judged = known.judged
    options = (store.mark("campaign") or {}).get("options") or {}
    asked = options.get("minimum")
    minimum = dict(asked) if isinstance(asked, dict) else {}
    critics = sorted({critic for critic, _ in known.verdicts if critic != OVERALL}, key=lambda one: (one == ALONE, one))
    return AgreementReport(
        decided=known.decided,
        left_out=known.left_out,
        reviewers=len(known.reviewers),
        wanted=wanted,
        overall=_agreement(of_critic(judged, OVERALL)),
        critics=tuple(_critic(critic, of_critic(judged, critic), known, minimum, wanted) for critic in critics),
        rounds=rounds_in(store, judged),
    )


def rounds_of_people(store: RunStore) -> tuple[RoundAgreement, ...]:
    """Returns the agreement by round alone, from what people decided; nothing when they decided nothing."""
    if not store.rows("SELECT 1 FROM reviews LIMIT 1"):
        return ()
    known = Judgements(store)
    known.refresh(scores=False)
    return rounds_in(store, known.judged) if known.decided else ()


def rounds_in(store: RunStore, judged: Sequence[Judged]) -> tuple[RoundAgreement, ...]:
    """Returns the agreement by round, the rounds without a judgement too, the first one first."""
    known = {one.number: one for one in rounds_of(store)}
    overall = of_critic(judged, OVERALL)
    found = []
    for number in sorted({*known, *(one.round for one in overall)}):
        told = known.get(number, Round(number=number))
        whole = _agreement([one for one in overall if one.round == number])
        found.append(RoundAgreement(round=number, precedents=told.precedents, version=told.version, **dict(whole)))
    return tuple(found)


def _agreement(judged: Sequence[Judged]) -> Agreement:
    agreed = sum(one.accepts is one.good for one in judged)
    rejected = [one for one in judged if not one.accepts]
    accepted = [one for one in judged if one.accepts]
    return Agreement(
        judged=len(judged),
        agreed=share(agreed, len(judged)),
        confirmed=share(sum(not one.good for one in rejected), len(rejected)),
        kept=share(sum(one.good for one in accepted), len(accepted)),
        kappa=kappa(judged),
    )


def _critic(
    critic: str, judged: Sequence[Judged], known: Judgements, minimum: dict[str, float], wanted: float
) -> CriticAgreement:
    names = sorted({name for one in judged for name, _ in one.scores})
    thresholds = [_threshold(critic, name, judged, known, minimum.get(name), wanted) for name in names]
    whole = dict(_agreement(judged))
    if judged and not known.verdicts[critic, True]:
        whole["kappa"] = replace(whole["kappa"], value=None, low=None, high=None, note=ONE_SIDED)
    by_reason = sorted(precision(judged).items(), key=lambda pair: (-pair[1].count, pair[0]))
    return CriticAgreement(
        critic=critic,
        accepts=known.verdicts[critic, True],
        rejects=known.verdicts[critic, False],
        reasons=tuple(ReasonAgreement(reason=reason, precision=found) for (_, reason), found in by_reason),
        thresholds=tuple(thresholds),
        **whole,
    )


def _threshold(
    critic: str, score: str, judged: Sequence[Judged], known: Judgements, current: float | None, wanted: float
) -> Threshold:
    every = known.scores.get((critic, score), [])
    return Threshold(
        score=score,
        current=current,
        suggestion=suggest(judged, critic, score, every, wanted=wanted),
        all=len(every),
        reaching=None if current is None else sum(value >= current for value in every),
    )
