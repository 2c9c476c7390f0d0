"""The base of what prompts are answered with."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of all answers. Unknown fields are ignored: models add them, and they harm nobody."""

    model_config = ConfigDict(extra="ignore")
