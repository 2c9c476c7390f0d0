"""The share of items whose critics found what they say in the sources."""

from __future__ import annotations

from collections.abc import Iterable

from ...storage.records import Decision, Item
from ..figure import Figure
from ..intervals import mean_figure, share_figure

SCORES = ("grounded", "grounding", "correctness")
UNGROUNDED = "ungrounded"


def grounding_rate(items: Iterable[Item], *, scores: tuple[str, ...] = SCORES) -> list[Figure]:
    """How many items stand on their sources, by the verdicts on their last draft.

    A draft is grounded when a verdict scored it for grounding, under one of the names `scores`, and no verdict on it
    gives the reason `ungrounded` while it does not accept. Items that nobody judged for it are left out with a note: an
    item that was not looked at is not grounded.

    Returns:
        `grounding_rate` (share, Wilson's interval) and `grounding_score` (mean of those scores, Student's interval).

    Cost: linear. It is worth what the critic is worth: see agreement with people.
    """
    grounded = judged = missing = 0
    values: list[float] = []
    for item in items:
        last = item.drafts[-1].index if item.drafts else None
        verdicts = [one for one in item.verdicts if one.draft == last]
        said = [one.scores[name] for one in verdicts for name in scores if name in one.scores]
        against = any(UNGROUNDED in one.reasons and one.decision is not Decision.ACCEPT for one in verdicts)
        if not said and not against:
            missing += 1
            continue
        judged += 1
        grounded += not against
        if said:
            values.append(min(said))
    note = f"{missing:,} items that nobody judged for it left out" if missing else ""
    return [
        share_figure("grounding_rate", grounded, judged, note=note),
        mean_figure("grounding_score", values, unit="share", note=note, least=0.0, most=1.0),
    ]
