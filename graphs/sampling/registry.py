"""Samplers by name. The built-in ones are entered by `catalogue`, which is what to import; users add their own."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from ...errors import ConfigError
from .base import SamplerKind
from .sampler import Sampler

_kinds: dict[str, SamplerKind] = {}


def register(kind: SamplerKind) -> SamplerKind:
    """Enters a kind of sampler under its name, for recipes' options and `sampler`; the same kind again is harmless.

    Raises `ConfigError` when another kind has the name.
    """
    if _kinds.get(kind.name, kind) != kind:
        raise ConfigError(f"a sampler is called '{kind.name}' already; give yours another name")
    _kinds[kind.name] = kind
    return kind


def samplers() -> Mapping[str, SamplerKind]:
    """Returns all kinds by name."""
    return MappingProxyType(_kinds)


def sampler(name: str, **options: Any) -> Sampler:
    """Returns the sampler called `name` with these options.

    Raises:
        ConfigError: there is no such sampler, or an option does not exist or cannot be; names what there is.
    """
    kind = _kinds.get(name)
    if kind is None:
        near = get_close_matches(str(name), _kinds, n=1)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"no sampler is called '{name}'{meant} (there are: {', '.join(_kinds)})")
    try:
        return Sampler(kind, kind.options.model_validate(options))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "options"
        known = f"(options are: {', '.join(kind.options.model_fields)})"
        if first["type"] == "extra_forbidden":
            near = get_close_matches(place, kind.options.model_fields, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"sampler '{name}': {place}: no such option{meant} {known}") from error
        raise ConfigError(f"sampler '{name}': {place}: {first['msg']} {known}") from error
