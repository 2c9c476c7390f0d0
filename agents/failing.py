"""Failing queries: a reference and a target model answer one, and it is kept where the target fails.

After ReverseGen (Li et al. 2024, arXiv:2410.16736).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, Literal

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..evals.answers import same_answer
from ..models.contract import Reply
from ..prompts.student_schemas import QueryAnswer, ReferenceAnswer
from ..storage.records import Decision, Draft, Verdict
from .asking import ask, draft_of, label_of, parsed_as, together
from .messages import instruction_response
from .state import FlowContext, FlowState, Node, NodeInfo, describe, require_two
from .variables import last_draft
from .worse import with_worse

Measure = Literal["answer", "entropy"]
INVALID, RIGHT, SURE = "invalid", "target_right", "target_sure"
WRONG = "target_wrong"  # the reason against a target's response
REFER, ANSWER = "answer-for-reference", "answer-query"
SAID = ("instruction",)


def failing(
    *,
    target: str = "target",
    reference: str = "reference",
    measure: Measure = "answer",
    samples: int = 1,
    least_wrong: float = 0.5,
    least_entropy: float = 1.193,
) -> Node:
    """Returns a node that appends a draft, the newest instruction with the reference's response, and a verdict.

    The reference says first whether the query is valid (else `invalid`, and the target is not asked). Then the target
    answers `samples` times. By `answer` it fails where `least_wrong` of its answers differ from the reference's (else
    `target_right`); by `entropy` where the entropy of its answers, in nats, equal ones together, is `least_entropy` or
    more (else `target_sure`). The draft keeps the target's `target_answers`. Where it fails and one is wrong, the first
    such response comes before as a draft of its own, rejected as `target_wrong`, so that exports make a preference pair
    of the two.

    Raises:
        ConfigError: the measure is neither; a threshold is out of reach; when it runs, both roles are one model.
    """
    _check(measure, samples, least_wrong, least_entropy)
    parts = (
        NodeInfo(reference, REFER, frozenset(SAID), answer=ReferenceAnswer),
        NodeInfo(target, ANSWER, frozenset(SAID), answer=QueryAnswer),
    )

    @describe(
        reads=("task", "drafts"), writes=("drafts", "verdicts", "decision", "reasons"), parts=parts,
        apart=((reference, target),),
    )  # fmt: skip
    async def compare(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        require_two(runtime.context, (reference, target))
        reply = await ask(state, runtime, role=reference, prompt=REFER, variables=SAID)
        right = parsed_as(ReferenceAnswer, reply, reference, REFER)
        if not right.valid or not right.answer.strip():
            return _rejected(state, reference, INVALID, reply.calls, reply.model)
        replies = await together(
            ask(state, runtime, role=target, prompt=ANSWER, variables=SAID, sample=at) for at in range(samples)
        )
        said = [parsed_as(QueryAnswer, one, target, ANSWER) for one in replies]
        answers = [one.answer for one in said]
        wrong = [one for one in said if not same_answer(one.answer, right.answer)]
        unsure = answer_entropy(answers)
        if measure == "answer":
            reasons = () if len(wrong) >= least_wrong * samples and wrong else (RIGHT,)
        else:
            reasons = () if unsure >= least_entropy else (SURE,)
        fields = {
            **last_draft(state).fields,
            "response": right.response.strip() or right.answer,
            "answer": right.answer,
            "target_answers": answers,
        }
        spoken = replies[said.index(wrong[0])] if wrong and not reasons else None
        draft = draft_of(
            state, runtime, reply, by=reference, prompt=REFER, messages=instruction_response, fields=fields
        )
        verdict = Verdict(
            by=target,
            draft=draft.index,
            decision=Decision.REJECT if reasons else Decision.ACCEPT,
            reasons=reasons,
            scores={"wrong": len(wrong) / samples},
            text=f"{len(wrong)} of {samples} answers differ; entropy {unsure:.3f} nats",
            prompt=label_of(runtime, ANSWER),
            model=replies[0].model,
            calls=tuple(call for one in replies if one is not spoken for call in one.calls),
        )
        worse = [] if spoken is None else [_worse(state, runtime, spoken, wrong[0], verdict)]
        drafts, verdicts = await with_worse(runtime.context, draft, worse)
        return {
            "drafts": drafts,
            "verdicts": [*verdicts, verdict.model_copy(update={"draft": drafts[-1].index})],
            "decision": verdict.decision,
            "reasons": reasons,
        }

    return compare


def _worse(
    state: FlowState, runtime: Runtime[FlowContext], reply: Reply, said: QueryAnswer, verdict: Verdict
) -> tuple[Draft, Verdict]:
    """The target's wrong answer as a draft, with what speaks against it."""
    told = {"response": said.response.strip() or said.answer, "answer": said.answer}
    draft = draft_of(
        state, runtime, reply, by=verdict.by, prompt=ANSWER, messages=instruction_response,
        fields={**last_draft(state).fields, **told},
    )  # fmt: skip
    against = {"decision": Decision.REJECT, "reasons": (WRONG,), "calls": ()}
    return draft, verdict.model_copy(update=against)


def answer_entropy(answers: Sequence[str]) -> float:
    """The entropy of answers in nats, those that say the same together; log k where k answers all differ.

    Answers without a word are one group.
    """
    groups: dict[str, int] = {}
    for answer in answers:
        head = next((known for known in groups if known == answer or same_answer(answer, known)), answer)
        groups[head] = groups.get(head, 0) + 1
    return entropy(groups.values())


def entropy(votes: Collection[int]) -> float:
    """The entropy of votes in nats: each number, above 0, is how many are for one thing (Shannon 1948)."""
    total = sum(votes)
    return -math.fsum(each / total * math.log(each / total) for each in votes) + 0.0


def _check(measure: str, samples: int, least_wrong: float, least_entropy: float) -> None:
    if measure not in ("answer", "entropy"):
        raise ConfigError(f"a target's failure is measured by '{measure}'; choose 'answer' or 'entropy'")
    if samples < 1 or not 0 < least_wrong <= 1:
        raise ConfigError(f"samples is {samples} and least_wrong {least_wrong}; need 1 at least, and a share in (0, 1]")
    if measure == "entropy" and not 0 < least_entropy <= math.log(samples):
        raise ConfigError(
            f"least_entropy is {least_entropy}, and {samples} answers have {math.log(samples):.3f} nats at most; lower "
            f"it, or raise samples"
        )


def _rejected(state: FlowState, by: str, reason: str, calls: Any, model: str) -> dict[str, Any]:
    verdict = Verdict(
        by=by, draft=last_draft(state).index, decision=Decision.REJECT, reasons=(reason,), calls=calls, model=model
    )
    return {"verdicts": [verdict], "decision": Decision.REJECT, "reasons": (reason,)}
