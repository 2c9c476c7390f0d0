"""The critic: accepts a draft, sends it back to be refined, or rejects it, always with a reason.

Reason codes are a closed list, so that counts per reason mean something: a code that a model made up is kept in the
verdict's text and counted as `other`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..models.contract import Reply
from ..prompts.schemas import Judgement
from ..storage.records import Decision, Verdict
from .asking import ask, label_of, parsed_as, shown_to, spans_of
from .names import code_of
from .precedents import Shown
from .state import FlowContext, FlowState, Node, describe
from .variables import Given, last_draft

REASONS = (
    "ungrounded",
    "unanswerable",
    "trivial",
    "duplicate",
    "unclear",
    "wrong_kind",
    "misses_entity",
    "too_short",
    "incorrect",
    "too_easy",
    "off_topic",
)
OTHER = "other"
UNSTATED = "unstated"
JUDGE_QUESTION = ("passage", "question", "answer", "evidence", "kind")


def critic(
    *,
    role: str = "critic",
    prompt: str = "judge-question-answer",
    variables: tuple[str, ...] = JUDGE_QUESTION,
    given: Given | None = None,
    minimum: Mapping[str, float] | None = None,
    reasons: tuple[str, ...] = REASONS,
    by: str | None = None,
    final: bool = False,
    unasked: tuple[str, ...] = (),
) -> Node:
    """Returns a node that appends a verdict on the newest draft and writes `decision` and `reasons`.

    What people decided on drafts from other documents stands before its prompt, where they marked some for it.

    Args:
        minimum: least score in [0, 1] by score name; a lower or absent one turns an acceptance into a revision with
            the reason `low_<name>`, because a model that scores honestly often still says `accept`. The flow check
            refuses a name that the prompt does not score.
        reasons: the codes that the prompt may answer with.
        by: the name on the verdict; the role when absent.
        final: nothing is mended behind it: what it would send back is rejected.
        unasked: scores of the prompt that it is not asked for here, so that no minimum may be on them.

    Raises:
        ConfigError: a minimum is outside [0, 1], or on what is `unasked`.
    """
    floors = floors_of(minimum)
    if idle := [name for name in floors if name in unasked]:
        raise ConfigError(f"minimum names '{idle[0]}', which nothing is scored for here; leave it out")
    names = tuple(dict.fromkeys((*variables, *(given or {}))))

    @describe(
        role=role,
        prompt=prompt,
        variables=names,
        reads=("task", "chunks", "drafts"),
        writes=("verdicts", "decision", "reasons"),
        answer=Judgement,
        scores=floors,
    )
    async def criticise(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        shown = shown_to(by or role, state, runtime)
        reply = await ask(state, runtime, role=role, prompt=prompt, variables=names, given=given, shown=shown)
        verdict = verdict_of(
            state,
            runtime,
            reply,
            by=by or role,
            role=role,
            prompt=prompt,
            minimum=floors,
            reasons=reasons,
            shown=shown,
        )
        if final and verdict.decision is Decision.REVISE:
            verdict = verdict.model_copy(update={"decision": Decision.REJECT})
        accepted = verdict.decision is Decision.ACCEPT
        return {
            "verdicts": [verdict],
            "decision": verdict.decision,
            "reasons": () if accepted else verdict.reasons,
        }

    return criticise


def unjudged(minimum: Mapping[str, float]) -> Node | None:
    """Returns no critic, for a flow that is to have none; raises `ConfigError` where least scores are set for it."""
    if minimum:
        raise ConfigError("minimum is set, and judge is false, so nothing is scored; set judge = true, or leave it out")
    return None


def floors_of(minimum: Mapping[str, float] | None) -> dict[str, float]:
    """Returns the least scores by name; raises `ConfigError` for one that no score could miss or reach."""
    for name, least in (minimum or {}).items():
        if not 0 <= least <= 1:
            raise ConfigError(f"minimum['{name}'] is {least}; scores are in [0, 1]")
    return dict(minimum or {})


def verdict_of(
    state: FlowState,
    runtime: Runtime[FlowContext],
    reply: Reply,
    *,
    by: str,
    role: str,
    prompt: str,
    minimum: Mapping[str, float],
    reasons: tuple[str, ...] = REASONS,
    shown: Shown | None = None,
) -> Verdict:
    """Makes the verdict on the newest draft from a `Judgement`, given after the precedents `shown`."""
    judgement = parsed_as(Judgement, reply, role, prompt)
    decision = Decision(judgement.decision)
    scores = {code_of(score.name): score.value for score in judgement.scores if code_of(score.name)}
    notes = [judgement.comment] if judgement.comment else []
    codes = dict.fromkeys(code if (code := code_of(said)) in reasons else OTHER for said in judgement.reasons)
    if made_up := [said for said in judgement.reasons if code_of(said) not in reasons]:
        notes.append(f"other reasons given: {', '.join(made_up)}")
    if low := [name for name, least in minimum.items() if scores.get(name, 0.0) < least]:
        codes |= dict.fromkeys(f"low_{name}" for name in low)
        decision = Decision.REVISE if decision is Decision.ACCEPT else decision
        if unscored := [name for name in low if name not in scores]:
            notes.append(f"no score was given for: {', '.join(unscored)}")
    if decision is not Decision.ACCEPT and not codes:
        codes = {UNSTATED: None}
    evidence, lost = spans_of(judgement.evidence, state)
    if lost:
        notes.append(f"quotes not found in the source: {len(lost)}")
    return Verdict(
        by=by,
        draft=last_draft(state).index,
        decision=decision,
        reasons=tuple(codes),
        scores=scores,
        text="\n".join(notes),
        evidence=evidence,
        prompt=label_of(runtime, prompt, shown),
        model=reply.model,
        calls=reply.calls,
    )
