"""What a graph of knowledge points is made of, and how they are read. Who reads them is `points.py`."""

from __future__ import annotations

from pydantic import Field

from ...storage.records import Record
from .schema import GraphSchema

POINT = "knowledge point"
TOGETHER = "taken together with"
"""The type of the relation of two points that one problem takes. It has no direction."""
SCHEMA = GraphSchema.model_validate(
    {"entity_types": {POINT: "what solving a problem takes"}, "relation_types": {TOGETHER: "by one problem"}}
)


class PointSettings(Record):
    """How knowledge points are read, with `extractor = "points"`.

    most:      points of one problem, at most.
    solution:  the columns that may hold a problem's solution; the model is shown the first that a row has.
    relevance: least score in [0, 1] by which a point stays, given by the model of the role `filter`.
    clarity:   the same of its name; with both at 0 no model is asked.
    """

    most: int = Field(default=10, ge=1, le=30)
    solution: tuple[str, ...] = ("solution", "answer")
    relevance: float = Field(default=0.5, ge=0, le=1)
    clarity: float = Field(default=0.5, ge=0, le=1)

    @property
    def filters(self) -> bool:
        """Whether any point could be dropped for its scores."""
        return self.relevance > 0 or self.clarity > 0
