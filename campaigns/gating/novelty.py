"""What a campaign's novelty gate looks for, as data: the part `[novelty]` of a campaign."""

from __future__ import annotations

import os
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ...agents.verifiers.duplicates import MOST_ATTEMPTS
from ...evals.duplicates.gate import Likeness

HASHED = "hashed"
LOCAL = "sentence-transformers:"


class NoveltySpec(BaseModel):
    """Which texts are too like another one to be accepted.

    near:     Jaccard index of word shingles from which on two texts are one; 0 looks for equal texts only.
    shingle:  words to a shingle.
    semantic: cosine of vectors from which on two texts are one; 0 asks no embedder.
    embedder: what makes the vectors: the name of one of the models, `hashed`, or `sentence-transformers:` and a model.
    against:  earlier runs, and data sets (files, folders; `set.jsonl:title` names columns): their texts are taken.
    fields:   the draft fields whose text must be new; empty for those that the flow's gate names.
    attempts: drafts that may be written in place of a duplicate, where the flow can, before the task is rejected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    near: float = Field(default=0.8, ge=0, le=1)
    shingle: int = Field(default=3, ge=1, le=16)
    semantic: float = Field(default=0.0, ge=0, le=1)
    embedder: str = Field(default=HASHED, min_length=1)
    against: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    attempts: int = Field(default=1, ge=0, le=MOST_ATTEMPTS)

    @field_validator("against", "fields", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        if isinstance(value, str | os.PathLike):
            raise ValueError(f"must be a list, write [{str(value)!r}]")
        if isinstance(value, list | tuple) and "" in value:
            raise ValueError("has an empty text; name what is meant, or leave it out")
        return value

    @model_validator(mode="after")
    def _near_can_be_found(self) -> Self:
        if 0 < self.near < 0.2:
            raise ValueError(
                f"near is {self.near:g}; give a Jaccard index of 0.2 to 1, or 0 to look for equal texts only"
            )
        return self

    @property
    def likeness(self) -> Likeness:
        """From which likeness on two texts are one."""
        return Likeness(self.near, self.shingle, self.semantic)
