"""The taxonomy of question kinds: a data file, so that a kind is added without code."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import ConfigError

BUILT_IN = Path(__file__).with_name("question_kinds.toml")


class QuestionKind(BaseModel):
    """One kind of question; see the head of `question_kinds.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = Field(min_length=1)
    group: Literal["recall", "relate", "reason", "rewrite"] = "recall"
    default: bool = False


class _Taxonomy(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: tuple[QuestionKind, ...] = Field(min_length=1)


@lru_cache(maxsize=16)
def taxonomy(extra: Path | None = None) -> dict[str, QuestionKind]:
    """Returns the built-in kinds by name, and those of the file `extra`, which win.

    Raises:
        ConfigError: the file is missing, is no TOML, or is not of the shape; names the file and the place.
    """
    kinds = _read(BUILT_IN)
    return kinds if extra is None else {**kinds, **_read(extra)}


def choose(names: tuple[str, ...], extra: Path | None = None) -> tuple[QuestionKind, ...]:
    """Returns the kinds called `names`, or the default ones for no names.

    When a file of the user's is given and none is named, all its kinds that say `default = true` join.

    Raises:
        ConfigError: no kind has that name; names the nearest.
    """
    known = taxonomy(extra)
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"no question kind is called '{name}'{meant} (there are: {', '.join(known)})")
    if names:
        return tuple(known[name] for name in dict.fromkeys(names))
    return tuple(kind for kind in known.values() if kind.default)


def _read(path: Path) -> dict[str, QuestionKind]:
    try:
        with path.open("rb") as file:
            found = _Taxonomy.model_validate(tomllib.load(file))
    except OSError as error:
        raise ConfigError(f"taxonomy '{path}' cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"taxonomy '{path}' is no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"taxonomy '{path}' at '{place}': {first['msg']}") from error
    return {kind.name: kind for kind in found.kind}
