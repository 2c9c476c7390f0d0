"""What recipes share that search for the best response to prompts that are there: planner, reward, flow."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from ...agents.names import code_of
from ...agents.search.policies import Pick, Policy, best
from ...agents.search.reward import CRITERIA, REWARD, Judge, Measured, Reward, RewardModel
from ...agents.search.searcher import IMPROVE, searcher
from ...errors import ConfigError, meant
from ...prompts.named import load_named
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, Planner, PlanView, lazily
from ..planners.seeds import rows

MOST_RESPONSES = 512


class SearchOptions(Options):
    """Options of all searches.

    reward:   who scores: `judge` (marks by criteria), `model` (a reward model that answers a chat with a number), or
              `module:function` of yours, `(instruction, response) -> number in [0, 1]`.
    criteria: what the judge marks: name → question; the reward is their mean.
    centre:   a usual number of the reward model.
    scale:    the spread of the reward model's numbers.
    minimum:  least score by name of what is kept, `reward` or a criterion; else the prompt is rejected.
    margin:   how much lower the worst reward is, at least, where a preference pair is made.
    """

    reward: str = "judge"
    criteria: dict[str, str] = Field(default_factory=lambda: dict(CRITERIA), min_length=1)
    centre: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    minimum: dict[str, float] = Field(default_factory=dict)
    margin: float = Field(default=0.0, ge=0, le=1)

    @property
    def policy(self) -> Policy:
        """The plan of the search."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        _ = self.policy
        self.rewarding()
        known = [REWARD, *(map(code_of, self.criteria) if self.reward == "judge" else ())]
        for name in self.minimum:
            if name not in known:
                raise ConfigError(f"minimum names '{name}', which is no score here{meant(name, known)}")
        return self

    def rewarding(self) -> Reward:
        """Returns what scores a response.

        Raises:
            ConfigError: `reward` is neither `judge` nor `model`, and names no function.
        """
        if self.reward == "judge":
            return Judge(criteria=self.criteria)
        if self.reward == "model":
            return RewardModel(centre=self.centre, scale=self.scale)
        if ":" not in self.reward:
            raise ConfigError(
                f"reward is '{self.reward}'; choose 'judge', 'model', or a function of yours, such as 'my_reward:score'"
            )
        measure = load_named(self.reward, "reward")
        if not callable(measure):
            raise ConfigError(f"reward '{self.reward}' is a {type(measure).__name__}; it has to be a function")
        return Measured(measure, self.reward.rpartition(":")[2])


def each_prompt(name: str) -> Planner:
    """Returns the planner of the recipe `name`: one task a row, whose text is the prompt, in the order of the rows."""

    def draw(view: PlanView, rng: random.Random, options: Any) -> Iterator[Task]:
        for chunk in rows(view, name):
            yield Task.of("prompt", chunks=(chunk.id,))

    return lazily(draw)


def search_flow(
    options: SearchOptions,
    writers: Sequence[str],
    *,
    pick: Pick = best,
    improve: str = IMPROVE,
    several: bool = False,
) -> Flow:
    """Builds the flow: the search, and the campaign's guards on the response that was chosen."""
    return reference_flow(
        proposer=None,
        generator=searcher(
            options.policy,
            writers,
            reward=options.rewarding(),
            pick=pick,
            improve=improve,
            minimum=options.minimum,
            margin=options.margin,
            several=several,
        ),
        critic=None,
    )
