"""Answers to the prompts of searches over responses. `schemas.py` has their base."""

from __future__ import annotations

from pydantic import Field

from .answers import Answer


class Mark(Answer):
    name: str
    value: float = Field(ge=0, le=10)


class Marks(Answer):
    """Answers `reward-response`: a mark from 0 to 10 for each criterion."""

    reason: str = ""
    marks: list[Mark] = Field(min_length=1)
