"""Answers to the prompts that read knowledge points out of problems. `schemas.py` has their base."""

from __future__ import annotations

from pydantic import Field

from .answers import Answer


class KnowledgePoints(Answer):
    """Answers `extract-points`: what a problem takes to solve, a short name each."""

    points: list[str]


class PointScore(Answer):
    """`number` is that of the point in the list that was shown, from 1; scores are in [0, 1]."""

    number: int
    relevance: float = Field(ge=0, le=1)
    clarity: float = Field(ge=0, le=1)


class PointScores(Answer):
    """Answers `score-points`."""

    scores: list[PointScore]
