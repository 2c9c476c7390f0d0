"""How a flow's last state becomes what the books record: one status for the task, and its items."""

from __future__ import annotations

import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from ..agents.state import FlowState
from ..agents.verifiers.duplicates import duplicate_verdict
from ..errors import GristmillError, ModelError, NotStored
from ..evals.duplicates.claimed import Claimed
from ..models.layers.meter import Lineage
from ..models.redact import redact
from ..storage.records import Call, Decision, Draft, Item, Status, Task, Usage, Verdict, item_id

CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
RAW_LIMIT = 20_000  # characters of a failed reply that are kept: enough to see what the model did


@dataclass(frozen=True, slots=True)
class Outcome:
    """A task's end. `reason` is the first reason code, empty when accepted."""

    status: Status
    items: tuple[Item, ...]
    reason: str = ""


def outcome_of(task: Task, state: FlowState, kind: str, usage: Usage, lineage: Lineage) -> Outcome:
    """Makes a finished flow's outcome. A flow that made no draft and decided nothing has failed, and says so."""
    drafts = state.get("drafts") or []
    verdicts = state.get("verdicts") or []
    decision, reasons = _decide(state, drafts, verdicts)
    last = drafts[-1] if drafts else None
    if decision is Decision.ACCEPT and last is None:
        return failure(task, kind, "no_draft", "the flow ended without a draft", usage=usage, lineage=lineage)
    status = Status.ACCEPTED if decision is Decision.ACCEPT else Status.REJECTED
    item = Item(
        id=item_id(task.id),
        task=task.id,
        kind=kind,
        status=status,
        reasons=() if status is Status.ACCEPTED else (reasons or ("unspecified",)),
        messages=last.messages if last else (),
        fields=last.fields if last else {},
        chunks=task.chunks,
        entities=task.entities,
        evidence=last.evidence if last else (),
        attributes={"draw": task.kind, **task.attributes},
        drafts=tuple(drafts),
        verdicts=tuple(verdicts),
        prompts=dict(sorted(lineage.prompts.items())),
        models=dict(sorted(lineage.models.items())),
        usage=usage,
        calls=_unnamed(lineage.calls, drafts, verdicts),
    )
    return Outcome(status, (item,), item.reasons[0] if item.reasons else "")


def failure(
    task: Task,
    kind: str,
    reason: str,
    error: str,
    *,
    raw: str = "",
    usage: Usage | None = None,
    lineage: Lineage | None = None,
) -> Outcome:
    """Makes a failed task's outcome: one failed item that keeps the error and the raw model text."""
    item = Item(
        id=item_id(task.id),
        task=task.id,
        kind=kind,
        status=Status.FAILED,
        reasons=(reason,),
        chunks=task.chunks,
        entities=task.entities,
        attributes={"draw": task.kind, **task.attributes},
        error=storable(error)[:2000],
        raw=storable(raw)[:RAW_LIMIT],
        usage=usage or Usage(),
        prompts=dict(sorted(lineage.prompts.items())) if lineage else {},
        models=dict(sorted(lineage.models.items())) if lineage else {},
        calls=tuple(lineage.calls) if lineage else (),
    )
    return Outcome(Status.FAILED, (item,), reason)


def failure_of(task: Task, kind: str, error: Exception, usage: Usage, lineage: Lineage) -> Outcome:
    """Makes the outcome of a task whose flow raised `error`."""
    if isinstance(error, ModelError):
        return failure(task, kind, error.reason, str(error), raw=error.raw or "", usage=usage, lineage=lineage)
    if isinstance(error, NotStored):
        return failure(task, kind, "not_stored", f"the planner names what is not there: {error}", usage=usage)
    reason = "flow_error" if isinstance(error, GristmillError) else f"flow_error:{type(error).__name__}"
    text = f"{type(error).__name__}: {error}{_place(error)}"
    return failure(task, kind, reason, text, usage=usage, lineage=lineage)


def _place(error: BaseException) -> str:
    """Names the line of the user's own code that raised: the innermost one outside installed packages."""
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        code, root = frame.f_code, frame.f_globals.get("__name__", "").partition(".")[0]
        installed = "site-packages" in code.co_filename or root in sys.stdlib_module_names
        if not installed and root != __package__.partition(".")[0]:
            place = f" ({Path(code.co_filename).name}, line {line}, in {code.co_name})"
    return place


def unkept(task: Task, outcome: Outcome, error: Exception) -> Outcome:
    """Turns an outcome whose values JSON cannot carry into a failure that says so and keeps what was paid."""
    (item,) = outcome.items
    return failure_of(task, item.kind, error, item.usage, Lineage(item.models, item.prompts, list(item.all_calls)))


def duplicate(outcome: Outcome, claimed: Claimed) -> Outcome:
    """Turns an accepted outcome into a rejected one: somebody holds the like of its text already."""
    (item,) = outcome.items
    draft = item.drafts[-1].index if item.drafts else 0
    verdict = duplicate_verdict("pool", draft, Decision.REJECT, claimed)
    update = {"status": Status.REJECTED, "reasons": verdict.reasons, "verdicts": (*item.verdicts, verdict)}
    return Outcome(Status.REJECTED, (item.model_copy(update=update),), verdict.reasons[0])


def _unnamed(calls: list[Call], drafts: list[Draft], verdicts: list[Verdict]) -> tuple[Call, ...]:
    named = {call for one in (*drafts, *verdicts) for call in getattr(one, "calls", ())}  # a flow may leave anything
    return tuple(call for call in calls if call not in named)


def in_round(outcome: Outcome, number: int) -> Outcome:
    """Returns the outcome with the round of its campaign on its items."""
    if number == 1:
        return outcome
    items = tuple(item.model_copy(update={"round": number}) for item in outcome.items)
    return Outcome(outcome.status, items, outcome.reason)


def _decide(state: FlowState, drafts: list[Draft], verdicts: list[Verdict]) -> tuple[Decision, tuple[str, ...]]:
    """Takes the flow's own decision; a flow that leaves none is judged by the verdicts on its last draft."""
    decision = state.get("decision")
    if decision:
        return Decision(decision), tuple(state.get("reasons") or _reasons(verdicts))
    last = drafts[-1].index if drafts else 0
    against = [verdict for verdict in verdicts if verdict.draft == last and verdict.decision is not Decision.ACCEPT]
    return (Decision.REJECT, _reasons(against)) if against else (Decision.ACCEPT, ())


def code_of(reason: str) -> str:
    """Returns a reason that is a code as it is, and `other` for one that is a text: a flow may say what it likes."""
    return reason if not reason or CODE.fullmatch(reason) else "other"


def storable(text: str) -> str:
    """Takes out credentials, and halves of surrogate pairs, which no UTF-8 can carry."""
    return redact(text).encode(errors="replace").decode()


def _reasons(verdicts: list[Verdict]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reason for verdict in verdicts for reason in verdict.reasons))
