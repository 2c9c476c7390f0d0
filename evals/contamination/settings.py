"""What a campaign says of contamination, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .ngrams import COMMON, WORDS


class ContaminationSettings(BaseModel):
    """Which evaluation sets no item may repeat. Without `sets` nothing is compared.

    sets:    files and folders, relative to the campaign file; `set.jsonl:question,answer` names the columns.
    n:       words in a row that an item must not share with a row of them.
    near:    wording this alike (Jaccard index of shingles of three words) is rejected too, 0.2 to 1; 0 compares none.
    semantic: cosine of vectors from which on a text is rejected too; 0 compares none. `novelty.embedder` makes them.
    common:  runs of about half as many words that more than this many texts of the sets have are phrases, not evidence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sets: tuple[str, ...] = ()
    n: int = Field(default=WORDS, ge=5, le=100)
    common: int = Field(default=COMMON, ge=1)
    near: float = Field(default=0.0, ge=0, le=1)
    semantic: float = Field(default=0.0, ge=0, le=1)

    @field_validator("near")
    @classmethod
    def _off_or_enough(cls, value: float) -> float:
        if 0 < value < 0.2:
            raise ValueError(f"is {value:g}; give 0 for none, or 0.2 to 1 (0.8 is usual)")
        return value

    @field_validator("sets", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            raise ValueError(f"must be a list, write [{str(value)!r}]")
        return value
