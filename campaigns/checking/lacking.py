"""What a campaign lacks although its parts fit together: a model that answers the prompts, options that nobody else can
give. Checked before anything is spent."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from ...errors import ConfigError
from ...graphs.flows.check import AnyFlow, builder_of, infos_of
from ...graphs.planners.base import PlanView
from ...graphs.recipes.base import Recipe
from ...graphs.recipes.examples import example_of
from ...models.contract import Model
from ..spec import CampaignSpec
from .apart import bound_to

SHOWN = 4  # prompts in a message


def require_answers(spec: CampaignSpec, flow: AnyFlow, given: Mapping[str, Model]) -> None:
    """Raises `ConfigError` for a role that asks the offline model a prompt which it has no rule for.

    It goes by what the flow's nodes tell: a prompt that one asks only at times counts, too. `given` are models that
    are objects.
    """
    rules = {name for name, model in spec.models.items() if model.backend == "offline"}
    if not rules:
        return
    from ...models.offline.rules import RULES  # its word lists are read only by those who use it

    lost: dict[str, list[str]] = {}
    for role, prompt in sorted(set(_asked(flow))):
        if bound_to(role, spec, given) in rules and prompt not in RULES:
            lost.setdefault(role, []).append(prompt)
    for role, prompts in lost.items():
        listed = ", ".join(f"'{prompt}'" for prompt in prompts[:SHOWN]) + (", ..." if len(prompts) > SHOWN else "")
        raise ConfigError(
            f"role '{role}' asks {listed}, which the model '{spec.models[bound_to(role, spec, given)].model}' has no "
            f"rule for (docs/offline.md lists what it answers), so every such call would fail; bind a real one:\n\n"
            f'[models.{role}]\nmodel = "openai_api/..."'
        )


def _asked(flow: AnyFlow) -> Iterator[tuple[str, str]]:
    """Yields the roles of a flow's nodes with the prompts that they ask."""
    for node in builder_of(flow).nodes.values():
        for info in infos_of(node):
            if info.role is not None and info.prompt is not None:
                yield info.role, info.prompt


def require_asked(recipe: Recipe, options: BaseModel, seed: int) -> None:
    """Raises `ConfigError`, the planner's own, for an option that only the user can give and that is not given."""
    default = recipe.options()
    if any(getattr(options, name) == getattr(default, name) for name in example_of(recipe).asked):
        recipe.planner(PlanView(()), 1, random.Random(seed), options)  # noqa: S311  # draws tasks, no secrets
