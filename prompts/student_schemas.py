"""Answers to the prompts of recipes with a student in the loop. `schemas.py` has their base."""

from __future__ import annotations

from .answers import Answer


class Rationales(Answer):
    """Answers `s3-rationales`."""

    rationales: list[str]


class QueryAnswer(Answer):
    """Answers `answer-query`."""

    response: str = ""
    answer: str


class ReferenceAnswer(Answer):
    """Answers `answer-for-reference`."""

    valid: bool
    response: str = ""
    answer: str = ""
