"""The searcher: a pool of models writes responses to one prompt, step by step as a policy says; the best is kept.

Each response is scored as soon as it is there, and the policy sees the rewards. Within a task the steps follow each
other, as far as the policy wants it so; tasks run beside each other as always. A step's number is part of its request
(and of its seed), so no two steps are one call, and a task that runs again asks the same requests in the same order:
finished calls are hits in the cache. A call that failed is asked again then, and may be answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime

from ...errors import AccessDenied, BadReply, ConfigError, ModelError, ServerLost
from ...models.contract import Reply
from ...prompts.wanted import Text
from ...storage.records import Decision, Draft, Verdict
from ..asking import ask, draft_of, together
from ..messages import instruction_response
from ..state import FlowContext, FlowState, Node, NodeInfo, describe, require_two
from ..variables import OF_REVIEWER, passage_text
from ..worse import fit
from .policies import Pick, Policy, Step, Tried, best, require_writers
from .reward import Judge, Reward, Rewarded

WRITE, IMPROVE = "write-response", "improve-response"
LOW_REWARD = "low_reward"
Asked = Callable[[FlowState], str]
WRITING = frozenset({"instruction", "responses", *OF_REVIEWER})


@dataclass(frozen=True)
class _Response:
    """What came of a step: a text with its reward, or the error that stood in its way."""

    step: Step
    prompt: str
    reply: Reply | None = None
    rewarded: Rewarded | None = None
    error: ModelError | None = None

    @property
    def tried(self) -> Tried:
        return Tried(self.step, None if self.rewarded is None else self.rewarded.value)


def searcher(
    policy: Policy,
    writers: Sequence[str],
    *,
    reward: Reward | None = None,
    pick: Pick = best,
    write: str = WRITE,
    improve: str = IMPROVE,
    asked: Asked = passage_text,
    minimum: Mapping[str, float] | None = None,
    margin: float = 0.0,
    several: bool = False,
) -> Node:
    """Returns a node that appends a draft and a verdict for each response to one prompt, the chosen one last.

    The worst response gets a verdict `revise` with the reason `low_reward`, so exports pair it with the chosen one;
    all others are accepted with their scores. A response that failed costs its step and no more: the books of the
    last draft say how many. Where none could be scored, the last error is raised.

    Args:
        writers: the roles that the policy names.
        reward: scores a response; a `Judge` when absent.
        pick: which response becomes the item.
        write: the prompt that a response without references is written by.
        improve: the prompt of one that is shown others, in the variable `responses`.
        asked: what is responded to; the task's own text when absent.
        minimum: least score in [0, 1] of the chosen response by name, `reward` or one of its parts; with a lower or
            absent one the task is rejected, `low_<name>`.
        margin: how much lower the worst reward has to be, at least, for a pair.
        several: raise `ConfigError` when all writers are answered by one and the same model.

    Raises:
        ConfigError: a minimum or `margin` is outside [0, 1], or a writer is named twice.
    """
    pool = require_writers(writers)
    score = Judge() if reward is None else reward
    floors = dict(minimum or {})
    for name, value in (("margin", margin), *((f"minimum['{name}']", least) for name, least in floors.items())):
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} is {value}; rewards are in [0, 1]")
    asks = dict.fromkeys((write, improve))
    parts = tuple(NodeInfo(role, prompt, WRITING, answer=Text()) for role in pool for prompt in asks)

    async def respond(
        state: FlowState, runtime: Runtime[FlowContext], number: int, step: Step, texts: Sequence[str]
    ) -> _Response:
        prompt = improve if texts else write
        instruction = asked(state)
        more = {"instruction": instruction, "responses": list(texts)}
        reply = None
        try:
            reply = await ask(
                state, runtime, role=step.writer, prompt=prompt, variables=OF_REVIEWER, more=more, sample=number
            )
            if not reply.text.strip():
                raise BadReply("the response has no words", raw=reply.text)
            rewarded = await score(state, runtime, instruction, reply.text.strip())
        except (AccessDenied, ServerLost):
            raise  # they concern the campaign, and the task goes on where it is
        except ModelError as error:
            return _Response(step, prompt, reply, error=error)
        return _Response(step, prompt, reply, rewarded)

    apart = (tuple(pool),) if several else ()

    @describe(
        reads=("task", "chunks"), writes=("drafts", "verdicts"), parts=(*parts, *score.parts), apart=apart
    )  # fmt: skip
    async def search(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        for group in apart:
            require_two(runtime.context, group)
        found: list[_Response] = []
        while steps := policy([one.tried for one in found], state["task"].id):
            texts = [[_text(found[number]) for number in step.shown] for step in steps]
            found += await together(
                respond(state, runtime, number, step, shown)
                for number, (step, shown) in enumerate(zip(steps, texts, strict=True), len(found))
            )
        return await _told(state, runtime, found, pick, floors, margin, asked(state))

    return search


async def _told(
    state: FlowState,
    runtime: Runtime[FlowContext],
    found: Sequence[_Response],
    pick: Pick,
    floors: Mapping[str, float],
    margin: float,
    instruction: str,
) -> dict[str, Any]:
    """The drafts and verdicts of a search that is over; a response that nobody could score has no verdict."""
    chosen = pick([one.tried for one in found])
    if chosen is None:
        raise next((one.error for one in reversed(found) if one.error is not None), None) or BadReply(
            "the search wrote no response"
        )
    order = [*(number for number in range(len(found)) if number != chosen), chosen]
    drafts = {
        number: _draft(state, runtime, one, reply, number, instruction)
        for number in order
        if (reply := (one := found[number]).reply) is not None
    }
    drafts[chosen] = drafts[chosen].model_copy(update={"note": _books(found)})
    against: dict[int, tuple[Decision, tuple[str, ...]]] = {}
    if (worst := await _worst(runtime.context, found, drafts, chosen, margin)) is not None:
        against[worst] = (Decision.REVISE, (LOW_REWARD,))
    scores = {} if (kept := found[chosen].rewarded) is None else kept.all_scores
    if low := tuple(f"low_{name}" for name, least in floors.items() if scores.get(name, 0.0) < least):
        against[chosen] = (Decision.REJECT, low)
    first = len(state.get("drafts", []))
    places = {number: first + place for place, number in enumerate(drafts)}
    return {
        "drafts": [draft.model_copy(update={"index": places[number]}) for number, draft in drafts.items()],
        "verdicts": [
            _verdict(rewarded, places[number], *against.get(number, (Decision.ACCEPT, ())))
            for number in drafts
            if (rewarded := found[number].rewarded) is not None
        ],
    }


async def _worst(
    context: FlowContext, found: Sequence[_Response], drafts: Mapping[int, Draft], chosen: int, margin: float
) -> int | None:
    """The response of the lowest reward, where it is lower than the chosen one's by `margin`, and at all.

    It becomes half of a pair, so one that the campaign's guards turn down is passed over.
    """
    top = found[chosen].tried.reward or 0.0
    lower = [(one.rewarded.value, number) for number, one in enumerate(found) if one.rewarded is not None]
    for value, number in sorted(lower):
        if not (value < top and top - value >= margin):
            return None
        if await fit(context, drafts[number]):
            return number
    return None


def _draft(
    state: FlowState, runtime: Runtime[FlowContext], one: _Response, reply: Reply, number: int, instruction: str
) -> Draft:
    fields = {
        "instruction": instruction,
        "response": _text(one),
        "number": number,
        "shown": list(one.step.shown),
        "reward": one.tried.reward,
    }
    note = "" if one.error is None else f"no reward: {one.error.reason}"
    return draft_of(
        state, runtime, reply, by=one.step.writer, prompt=one.prompt, messages=instruction_response, fields=fields,
        note=note,
    )  # fmt: skip


def _verdict(rewarded: Rewarded, index: int, decision: Decision, reasons: tuple[str, ...]) -> Verdict:
    return Verdict(
        by=rewarded.by,
        draft=index,
        decision=decision,
        reasons=reasons,
        scores=rewarded.all_scores,
        text=rewarded.text,
        prompt=rewarded.prompt,
        model=rewarded.model,
        calls=rewarded.calls,
    )


def _text(one: _Response) -> str:
    return "" if one.reply is None else one.reply.text.strip()


def _books(found: Sequence[_Response]) -> str:
    """How many responses of whom there were, and why others failed, for a person to read."""
    written = Counter(one.step.writer for one in found if one.rewarded is not None)
    failed = Counter(one.error.reason for one in found if one.error is not None)
    told = [f"{count} by {writer}" for writer, count in sorted(written.items())]
    told += [f"{count} failed ({reason})" for reason, count in sorted(failed.items())]
    return f"chosen of {len(found)} responses: {', '.join(told)}"
