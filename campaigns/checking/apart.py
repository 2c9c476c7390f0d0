"""Roles that need different models: whether a campaign gives them any, before it spends anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from orjson import OPT_SORT_KEYS, dumps

from ...errors import ConfigError
from ...graphs.flows.check import AnyFlow, builder_of, infos_of
from ...graphs.recipes.base import Recipe
from ...models.contract import Model
from ...models.spec import OFFLINE, ModelSpec
from ..spec import CampaignSpec

Key = tuple[str, ...]


def groups_of(recipe: Recipe, flow: AnyFlow, roles: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Yields the groups of roles that need more than one model: those of the recipe whose roles are all asked, then
    what the flow's nodes tell, each once."""
    told = (group for node in builder_of(flow).nodes.values() for info in infos_of(node) for group in info.apart)
    asked = (group for group in recipe.apart if set(group) <= set(roles))
    yield from dict.fromkeys((*asked, *told))


def require_apart(spec: CampaignSpec, groups: Iterator[tuple[str, ...]], given: Mapping[str, Model]) -> None:
    """Raises `ConfigError` for a group of roles that one and the same model would answer, with the lines to add.

    Models are the same where name, servers and `extra` are, whatever they are called in the campaign; objects of Python
    where their `name` is.
    """
    for group in groups:
        bound = [bound_to(role, spec, given) for role in group]
        if "" not in bound and len({_key(name, spec, given) for name in bound}) == 1:
            raise ConfigError(_message(group, bound, spec, given))


def bound_to(role: str, spec: CampaignSpec, given: Mapping[str, Model]) -> str:
    """The name of the role's model in the campaign, empty where it has none."""
    name = spec.roles.get(role, role)
    return next((one for one in (name, "default") if one in given or one in spec.models), "")


def _key(name: str, spec: CampaignSpec, given: Mapping[str, Model]) -> Key:
    if name in given:
        return ("object", given[name].name)
    one = spec.models[name]
    servers = sorted(replica.url for replica in one.replicas)
    return (one.model, *servers, dumps(one.extra, default=repr, option=OPT_SORT_KEYS).decode())


def _message(group: Sequence[str], bound: Sequence[str], spec: CampaignSpec, given: Mapping[str, Model]) -> str:
    role, name = group[-1], bound[-1]
    which = f"the object '{given[name].name}'" if name in given else spec.models[name].where
    places = ", ".join(dict.fromkeys(f"models.{one}" for one in bound))
    said = (
        f"the roles {', '.join(group)} are all answered by {which} ({places}), and what they answer is compared; give "
        f"'{role}' another model"
    )
    if name in given and len(set(bound)) > 1:
        return f'{said}; objects are told apart by their name: Scripted(..., name="{role}")'
    if name in given:
        return f"{said}: models={{..., '{role}': Scripted(..., name=\"{role}\")}}, or a string in place of the object"
    if role in spec.roles:
        return f'{said}:\n\n[roles]\n{role} = "..."  # in place of "{spec.roles[role]}"'
    return f'{said}:\n\n[models.{role}]\nmodel = "{_other(spec.models[name])}"'


def _other(one: ModelSpec) -> str:
    return OFFLINE[1] if one.model == OFFLINE[0] else f"{one.backend}/..."
