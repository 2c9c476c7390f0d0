"""The taxonomy of instruction agents by skill: a data file, so that a skill or an agent is added without code."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...errors import ConfigError

BUILT_IN = Path(__file__).with_name("agent_skills.toml")
AS_IS = "as-is"  # the transformation that leaves a text


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = Field(min_length=1)


class Transformation(_Part):
    """A form that a text is brought into before anything is asked of it."""


class Skill(_Part):
    """A skill with its instruction agents; see the head of `agent_skills.toml`."""

    shows_source: bool = True
    transformations: tuple[str, ...] = Field(default=(AS_IS,), min_length=1)
    agents: tuple[str, ...] = Field(min_length=1)


class Skills(BaseModel):
    """Skills and the transformations that they name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    skill: tuple[Skill, ...] = ()
    transformation: tuple[Transformation, ...] = ()

    @property
    def forms(self) -> dict[str, str]:
        """Transformation → what the text becomes."""
        return {one.name: one.description for one in self.transformation}

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.skill and not self.transformation:
            raise ValueError("neither a skill nor a transformation is in it")
        return self


@lru_cache(maxsize=16)
def skills(extra: Path | None = None) -> Skills:
    """Returns the built-in skills and transformations with those of the file `extra`, which win.

    Raises:
        ConfigError: the file is missing, is no TOML, or is not of the shape, or a skill names a transformation that
            does not exist; names the file and the place.
    """
    found = _read(BUILT_IN)
    if extra is not None:
        mine = _read(extra)
        named = {one.name: one for one in (*found.skill, *mine.skill)}
        forms = {one.name: one for one in (*found.transformation, *mine.transformation)}
        found = Skills(skill=tuple(named.values()), transformation=tuple(forms.values()))
    for skill in found.skill:
        for name in skill.transformations:
            if name != AS_IS and name not in found.forms:
                raise ConfigError(
                    f"skill '{skill.name}' names the transformation '{name}', which does not exist "
                    f"(there are: {AS_IS}, {', '.join(found.forms)})"
                )
    return found


def chosen_skills(names: tuple[str, ...], extra: Path | None = None) -> dict[str, Skill]:
    """Returns the skills called `names`, or all for no names; raises `ConfigError` naming the nearest."""
    known = {one.name: one for one in skills(extra).skill}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"no skill is called '{name}'{meant} (there are: {', '.join(known)})")
    return {name: known[name] for name in (names or known)}


def _read(path: Path) -> Skills:
    try:
        with path.open("rb") as file:
            return Skills.model_validate(tomllib.load(file))
    except OSError as error:
        raise ConfigError(f"taxonomy '{path}' cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"taxonomy '{path}' is no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"taxonomy '{path}' at '{place}': {first['msg']}") from error
