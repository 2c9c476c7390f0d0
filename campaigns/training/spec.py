"""Who trains on the items of a round, as data: the part `[train]` of a campaign."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TrainSpec(BaseModel):
    """Who trains on the items of a round, for recipes that hand them over.

    hook:    `module:function` of your own, called at the end of each round; empty for none.
    minutes: how long one call may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hook: str = ""
    minutes: float = Field(default=1440.0, gt=0)
