"""What the prompts of recipes that start from documents are answered with; `schemas` has them under their names."""

from __future__ import annotations

from pydantic import Field

from .answers import Answer


class Rewriting(Answer):
    """Answers `rephrase-passage` and `rewrite-for-audience`."""

    text: str = Field(min_length=1)


class Audience(Answer):
    genre: str = Field(min_length=1)
    audience: str = Field(min_length=1)


class Audiences(Answer):
    """Answers `propose-audiences`."""

    pairs: list[Audience]
