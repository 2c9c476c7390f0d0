"""The reward of a response: one number in [0, 1], from a judge, from a reward model, or from a measure of the user's.

What comes of it is steered by it, so a reward that is no number is an error and never a guess.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from types import MappingProxyType
from typing import Protocol

from langgraph.runtime import Runtime

from ...errors import BadReply, ConfigError, SchemaMismatch
from ...models.contract import Reply
from ...prompts.schemas import Marks
from ...prompts.wanted import Text
from ...storage.records import Call
from ..asking import ask, label_of, parsed_as
from ..names import code_of
from ..state import FlowContext, FlowState, NodeInfo

CRITERIA: Mapping[str, str] = MappingProxyType(
    {
        "helpful": "Does the response do what the instruction asks, as the one who asks means it?",
        "correct": "Is what it says right?",
        "complete": "Does it leave out nothing that matters?",
        "clear": "Is it well ordered and easy to read, without filler?",
    }
)
REWARD = "reward"  # the score that is the reward itself
MOST = 10  # the highest mark
_NUMBER = re.compile(
    r"\s{0,9}(?:[\w -]{1,40}[:=]\s{0,9})?([-+]?\d{1,12}(?:\.\d{1,18})?(?:[eE][-+]?\d{1,2})?)[\s.]{0,9}"
)

Measure = Callable[[str, str], float | Awaitable[float]]
"""`(instruction, response) -> number` in [0, 1], async or not."""


@dataclass(frozen=True)
class Rewarded:
    """A reward and where it came from; `scores` are its parts in [0, 1], `text` is a remark."""

    value: float
    by: str
    scores: Mapping[str, float] = field(default_factory=dict)
    text: str = ""
    prompt: str = ""
    model: str = ""
    calls: tuple[Call, ...] = ()

    @property
    def all_scores(self) -> dict[str, float]:
        """The parts and, as `reward`, the reward itself."""
        return {**self.scores, REWARD: self.value}


class Reward(Protocol):
    """Scores responses. `parts` tell the flow check whom it asks.

    Raises `ModelError` where no number came of a call, `ConfigError` where a user's measure gave none.
    """

    @property
    def parts(self) -> tuple[NodeInfo, ...]: ...

    async def __call__(
        self, state: FlowState, runtime: Runtime[FlowContext], instruction: str, response: str
    ) -> Rewarded: ...


@dataclass(frozen=True)
class Judge:
    """A model marks each criterion from 0 to 10; the reward is the mean in tenths.

    criteria: name → what it asks. An answer that does not mark them all is a `SchemaMismatch`: means of fewer could not
              be compared.
    """

    role: str = "reward"
    prompt: str = "reward-response"
    criteria: Mapping[str, str] = field(default_factory=lambda: CRITERIA)

    def __post_init__(self) -> None:
        codes = [code_of(name) for name in self.criteria]
        if not codes or not all(codes) or len({*codes, REWARD}) <= len(codes):
            raise ConfigError(
                f"criteria are {list(self.criteria)}; give at least one, each a name of its own that is not '{REWARD}'"
            )

    @property
    def parts(self) -> tuple[NodeInfo, ...]:
        given = frozenset({"instruction", "response", "criteria"})
        return (NodeInfo(self.role, self.prompt, given, answer=Marks),)

    async def __call__(
        self, state: FlowState, runtime: Runtime[FlowContext], instruction: str, response: str
    ) -> Rewarded:
        criteria = [{"name": code_of(name), "question": question} for name, question in self.criteria.items()]
        more = {"instruction": instruction, "response": response, "criteria": criteria}
        reply = await ask(state, runtime, role=self.role, prompt=self.prompt, variables=(), more=more)
        answer = parsed_as(Marks, reply, self.role, self.prompt)
        given = {code_of(mark.name): mark.value / MOST for mark in answer.marks}
        if unmarked := [one["name"] for one in criteria if one["name"] not in given]:
            raise SchemaMismatch(f"no mark was given for: {', '.join(unmarked)}", raw=reply.text)
        scores = {one["name"]: given[one["name"]] for one in criteria}
        value = fmean(scores.values())
        return _rewarded(runtime, reply, value, self.role, self.prompt, scores, answer.reason)


@dataclass(frozen=True)
class RewardModel:
    """A reward model that a server offers as a chat model: it reads the conversation and answers with a number.

    Any number serves: x becomes 1 / (1 + exp((centre - x) / scale)). Give the model's usual reward and its spread,
    or rewards far from 0 cannot be told apart.
    """

    role: str = "reward"
    prompt: str = "reward-conversation"
    centre: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.centre) and 0 < self.scale < math.inf):
            raise ConfigError(f"centre is {self.centre} and scale {self.scale}; give a number, and one above 0")

    @property
    def parts(self) -> tuple[NodeInfo, ...]:
        return (NodeInfo(self.role, self.prompt, frozenset({"instruction", "response"}), answer=Text()),)

    async def __call__(
        self, state: FlowState, runtime: Runtime[FlowContext], instruction: str, response: str
    ) -> Rewarded:
        more = {"instruction": instruction, "response": response}
        reply = await ask(state, runtime, role=self.role, prompt=self.prompt, variables=(), more=more)
        found = _NUMBER.fullmatch(reply.text)
        if found is None:
            raise BadReply(
                f"the reward model answered {reply.text[:80]!r} in place of a number; name a reward model, or let a "
                f'judge score: reward = "judge"',
                raw=reply.text,
            )
        raw = float(found[1])
        value = (1 + math.tanh((raw - self.centre) / self.scale / 2)) / 2  # the same, and never an overflow
        return _rewarded(runtime, reply, value, self.role, self.prompt, {}, f"reward {raw:g}")


@dataclass(frozen=True)
class Measured:
    """A function of the user's scores a response, and no model is asked. `name` is on the verdicts."""

    measure: Measure
    name: str

    @property
    def parts(self) -> tuple[NodeInfo, ...]:
        return ()

    async def __call__(
        self, state: FlowState, runtime: Runtime[FlowContext], instruction: str, response: str
    ) -> Rewarded:
        found = self.measure(instruction, response)
        value = await found if inspect.isawaitable(found) else found
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ConfigError(f"reward '{self.name}' gave {value!r} for a response; it has to be a number in [0, 1]")
        return Rewarded(float(value), self.name)


def _rewarded(
    runtime: Runtime[FlowContext],
    reply: Reply,
    value: float,
    role: str,
    prompt: str,
    scores: Mapping[str, float],
    text: str,
) -> Rewarded:
    return Rewarded(value, role, scores, text[:500], label_of(runtime, prompt), reply.model, reply.calls)
