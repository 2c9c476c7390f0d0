"""The models of a campaign by role, and those that a trainer gave: a task names the one that answers a role for it.

The task carries it, so that a worker of a fleet asks the same model as the coordinator would, and an item says by which
it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ConfigError
from ...graphs.planners.rounds import SERVED
from ...models.contract import Model
from ...models.spec import ModelSpec
from ...storage.records import Task
from ..spec import CampaignSpec


class Serving(dict[str, Model]):
    """The models by role. `make` builds a stack of layers around a model of a spec."""

    def __init__(self, models: Mapping[str, Model], spec: CampaignSpec, make: Callable[[ModelSpec], Model]) -> None:
        super().__init__(models)
        self._spec = spec
        self._make = make
        self._made: dict[tuple[str, str, str], Model] = {}

    def of(self, task: Task) -> Mapping[str, Model]:
        """Returns the models that a task asks: these, with those that it names in their place.

        Raises:
            ConfigError: the role's model is an object, and what is to follow it is none of the campaign's models.
        """
        named = task.attributes.get(SERVED)
        if not isinstance(named, Mapping):
            return self
        return {**self, **{str(role): self._successor(str(role), given) for role, given in named.items()}}

    def _successor(self, role: str, given: Mapping[str, Any]) -> Model:
        name, url = str(given.get("model", "")), str(given.get("base_url", ""))
        if name in self and not url:
            return self[name]
        if (role, name, url) not in self._made:
            source = self._spec.models.get(self._spec.roles.get(role, role)) or self._spec.models.get("default")
            if source is None:
                raise ConfigError(
                    f"role '{role}' is to be answered by '{name or url}', and its model is an object of Python; give "
                    f"the campaign a model of that name, or the role's model as a string"
                )
            update: dict[str, Any] = {"model": f"{source.backend}/{name}"} if name else {}
            if url:
                update |= {"base_url": url, "base_urls": ()}
            self._made[role, name, url] = self._make(ModelSpec.of({**source.model_dump(), **update}))
        return self._made[role, name, url]

    async def aclose(self) -> None:
        """Closes the models that were made here."""
        for model in self._made.values():
            await model.aclose()
