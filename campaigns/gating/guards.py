"""The guards that a campaign sets up for every flow, and what they say of an outcome that no guard has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...agents.state import Guard
from ...agents.verifiers.contamination import ContaminationGuard
from ...agents.verifiers.guards import verdicts_of
from ...agents.verifiers.personal_data import PersonalDataGuard
from ...models.contract import Model
from ...storage.records import Decision, Status
from ..outcome import Outcome
from ..spec import CampaignSpec
from .gate import named_embedder
from .novelty import NoveltySpec


def guards_of(spec: CampaignSpec) -> tuple[Guard, ...]:
    """Builds a campaign's guards; raises `ConfigError` for a set that cannot be read, or an extra that is missing."""
    guards: list[Guard] = []
    if spec.contamination.sets:
        asked = spec.contamination
        guards.append(
            ContaminationGuard(asked.sets, n=asked.n, common=asked.common, near=asked.near, semantic=asked.semantic)
        )
    if spec.pii.find:
        guards.append(PersonalDataGuard(spec.pii))
    return tuple(guards)


def seeing(guards: Sequence[Guard], spec: NoveltySpec, models: Mapping[str, Model]) -> tuple[Guard, ...]:
    """Gives the guards that compare vectors the campaign's embedder. Raises `ConfigError` as `named_embedder` does."""
    return tuple(
        guard.seeing(named_embedder(spec.embedder, models, "novelty.embedder"))
        if isinstance(guard, ContaminationGuard) and guard.meaning is not None
        else guard
        for guard in guards
    )


async def judged(outcome: Outcome, guards: Sequence[Guard]) -> Outcome:
    """Has the guards judge an item's last draft, those that have not: its flow may have no node for them.

    An objection makes it a rejected item, also one that the flow heard and passed over; there is no way back into a
    flow that has ended. A rejected item gets its reasons too: exports may show it beside a better one.
    """
    if not guards or outcome.status not in (Status.ACCEPTED, Status.REJECTED):
        return outcome
    (item,) = outcome.items
    if not item.drafts:
        return outcome
    last = item.drafts[-1]
    names = {guard.name for guard in guards}
    heard = [verdict for verdict in item.verdicts if verdict.draft == last.index and verdict.by in names]
    new = await verdicts_of(guards, last, but={verdict.by for verdict in heard})
    known = item.model_copy(update={"verdicts": (*item.verdicts, *new)})
    objections = [verdict for verdict in (*heard, *new) if verdict.decision is not Decision.ACCEPT]
    if not objections:
        return Outcome(outcome.status, (known,), outcome.reason)
    of_guards = (reason for verdict in objections for reason in verdict.reasons)
    before = item.reasons if outcome.status is Status.REJECTED else ()
    reasons = tuple(dict.fromkeys((*before, *of_guards)))
    rejected = known.model_copy(update={"status": Status.REJECTED, "reasons": reasons})
    return Outcome(Status.REJECTED, (rejected,), reasons[0])
