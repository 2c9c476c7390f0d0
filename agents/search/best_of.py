"""Best of k: several models answer several times, and the answer stays that a metric likes best.

After active inheritance (Shimabucoro et al. 2024, arXiv:2407.01490).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from langgraph.runtime import Runtime

from ...errors import ConfigError, Truncated
from ...evals.folding import words
from ...evals.quality.profile import Metric, profile
from ...models.contract import Reply
from ...prompts.wanted import Text
from ...storage.records import Decision, Verdict
from ..asking import ask, draft_of
from ..messages import Messages, instruction_response
from ..state import FlowContext, FlowState, Node, NodeInfo, describe, require_two
from ..variables import OF_REVIEWER, TRAITS, Given

BY, EMPTY = "best_of", "empty"


def best_of(
    *,
    roles: Sequence[str],
    metrics: Mapping[str, Metric],
    by: str,
    samples: int = 1,
    highest: bool = True,
    prompt: str = "sample-response",
    given: Given,
    response_as: str = "response",
    messages: Messages = instruction_response,
) -> Node:
    """Returns a node that appends a draft: `given`'s fields and the response that the metric `by` likes best.

    Each of `roles` answers `samples` times, all at once. Answers without a word and those that were cut off are passed
    over; where none has a word, the draft has no response and is rejected (`empty`). Of equal ones the first role's
    first stays. The draft's field `candidates` has each answer with its `role`, its `model` and its `profile` by all
    `metrics`, and `chosen` is the place of the one that stayed.

    Raises:
        ConfigError: `by` is none of the metrics, there is no role, or fewer than two answers in all; when it runs, two
            roles are one model, or a metric gives no number.
        Truncated: when it runs, every answer was cut off.
    """
    if by not in metrics:
        raise ConfigError(f"the best is to be found by '{by}', and the metrics are {', '.join(metrics) or 'none'}")
    if len(set(roles)) < len(roles) or len(roles) * samples < 2:
        raise ConfigError(
            f"{len(roles)} roles ({', '.join(roles)}) with {samples} answers each leave no choice; name each role "
            f"once, and ask for two answers at least"
        )
    names = tuple(dict.fromkeys((*given, *OF_REVIEWER, TRAITS)))
    parts = tuple(NodeInfo(role, prompt, frozenset(names), answer=Text()) for role in roles)

    pairs = tuple(combinations(roles, 2))

    @describe(
        reads=("task", "chunks"), writes=("drafts", "verdicts", "decision", "reasons"), parts=parts, apart=pairs
    )  # fmt: skip
    async def choose(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        for pair in pairs:
            require_two(runtime.context, pair)
        asked = [(role, sample) for role in roles for sample in range(samples)]
        results = await asyncio.gather(
            *(
                ask(state, runtime, role=role, prompt=prompt, variables=names, given=given, sample=sample)
                for role, sample in asked
            ),
            return_exceptions=True,
        )
        replies: list[tuple[str, Reply]] = []
        for (role, _), result in zip(asked, results, strict=True):
            if isinstance(result, Truncated):
                continue
            if isinstance(result, BaseException):
                raise result
            replies.append((role, result))
        if not replies:
            raise next(result for result in results if isinstance(result, Truncated))
        whole = [(role, one) for role, one in replies if words(one.text)]
        candidates: list[dict[str, Any]] = [
            {"role": role, "model": one.model, response_as: one.text.strip(), "profile": profile(one.text, metrics)}
            for role, one in whole
        ]
        sign = 1 if highest else -1
        place = max(range(len(whole)), key=lambda at: sign * candidates[at]["profile"][by], default=-1)
        role, reply = whole[place] if whole else replies[0]
        fields = {name: of(state) for name, of in given.items()}
        note = "no answer has a word"
        if whole:
            fields |= {response_as: reply.text.strip(), "candidates": candidates, "chosen": place}
            end = "highest" if highest else "lowest"
            note = f"{by} {candidates[place]['profile'][by]:g}, {end} of {len(candidates)}"
        calls = tuple(call for _, one in replies for call in one.calls)
        draft = draft_of(
            state, runtime, reply, by=role, prompt=prompt, messages=messages, fields=fields, note=note, calls=calls
        )
        if whole:
            return {"drafts": [draft]}
        verdict = Verdict(by=BY, draft=draft.index, decision=Decision.REJECT, reasons=(EMPTY,), text=note)
        return {"drafts": [draft], "verdicts": [verdict], "decision": Decision.REJECT, "reasons": (EMPTY,)}

    return choose
