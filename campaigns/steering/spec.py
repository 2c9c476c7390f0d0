"""What a campaign file says of steering, as data."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ...errors import ConfigError

DIMENSIONS = ("draw", "attributes", "document", "chunk", "entity")

Weight = Annotated[float, Field(ge=0, le=1000)]
Portion = Annotated[float, Field(gt=0, le=1)]
Most = Annotated[int, Field(ge=0)]


class SteerSpec(BaseModel):
    """How a campaign chooses among the tasks that its planner draws. A cell is written `dimension=value`.

    on:          whether it chooses at all; else tasks run in the planner's own order.
    dimensions:  what makes cells: `draw`, `chunk`, `document`, `entity`, `relation`, `community`, the name of a text
                 attribute such as `kind`, or `attributes` for all of them.
    weights:     how much of a cell is wanted beside others of its dimension, 1 where none is given; 0 draws none.
    shares:      the part of the accepted and pending tasks that a cell is to have.
    at_most:     how many accepted items a cell may have.
    rarity:      how strongly what few tasks touch is preferred: 0 not at all, 1 in proportion.
    threshold:   a cell whose tasks' novelty falls under this is saturated and no longer drawn.
    after:       finished tasks of a cell before that is looked at.
    memory:      how many finished tasks the novelty of a cell looks back over; older ones fade.
    exploration: the part of the tasks that tries saturated cells again.
    window:      tasks that are chosen at a time.
    spread:      candidates that are looked at for each task chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: bool = False
    dimensions: tuple[str, ...] = Field(default=DIMENSIONS, min_length=1)
    weights: dict[str, Weight] = Field(default_factory=dict)
    shares: dict[str, Portion] = Field(default_factory=dict)
    at_most: dict[str, Most] = Field(default_factory=dict)
    rarity: float = Field(default=0.5, ge=0, le=4)
    threshold: float = Field(default=0.2, ge=0, lt=1)
    after: int = Field(default=12, ge=2)
    memory: int = Field(default=20, ge=2, le=10_000)
    exploration: float = Field(default=0.02, ge=0, le=0.5)
    window: int = Field(default=32, ge=1, le=10_000)
    spread: int = Field(default=4, ge=1, le=64)

    @field_validator("weights", "shares", "at_most")
    @classmethod
    def _cells_are_cells(cls, cells: dict[str, float]) -> dict[str, float]:
        for name in cells:
            dimension, equals, value = name.partition("=")
            if not (dimension and equals and value):
                raise ValueError(f'\'{name}\' is no cell; write it as "dimension=value", such as "kind=definition"')
        return cells

    @field_validator("shares")
    @classmethod
    def _shares_fit(cls, shares: dict[str, float]) -> dict[str, float]:
        sums: dict[str, float] = {}
        for name, share in shares.items():
            dimension = name.partition("=")[0]
            sums[dimension] = sums.get(dimension, 0.0) + share
        for dimension, total in sums.items():
            if total > 1 + 1e-9:
                raise ValueError(f"the shares of '{dimension}' add up to {total:g}; they may be 1 at most")
        return shares

    def check(self) -> None:
        """Raises `ConfigError` for a cell of a dimension that is not steered."""
        attributes = "attributes" in self.dimensions
        fixed = {"draw", "chunk", "document", "entity", "relation", "community"}
        for table, cells in (("weights", self.weights), ("shares", self.shares), ("at_most", self.at_most)):
            for name in cells:
                dimension = name.partition("=")[0]
                if dimension not in self.dimensions and not (attributes and dimension not in fixed):
                    raise ConfigError(
                        f"steer.{table} names '{name}', and steer.dimensions has no '{dimension}'; add it there"
                    )


class AttributesSpec(BaseModel):
    """What tasks are given besides what their planner draws: attributes that prompts show, and cells to steer by.

    values:     dimension → its values.
    propose:    dimensions whose values a model proposes, once, when the run begins.
    dimensions: how many dimensions it proposes itself.
    each:       how many values it proposes for a dimension.
    class_of:   the attribute of tasks whose values are `classes`, such as `kind`; values are then proposed for each.
    classes:    classes that are easily confused: of what is proposed, each keeps what fits no other.
    personas:   how many personas it proposes, of the documents' passages and then of each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    propose: tuple[str, ...] = ()
    dimensions: int = Field(default=0, ge=0, le=20)
    each: int = Field(default=8, ge=2, le=100)
    class_of: str = ""
    classes: tuple[str, ...] = ()
    personas: int = Field(default=0, ge=0, le=10_000)

    @field_validator("values")
    @classmethod
    def _values_are_there(cls, values: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, some in values.items():
            if not some or not all(one.strip() for one in some):
                raise ValueError(f"'{name}' needs values, none of them empty")
        return values

    @model_validator(mode="after")
    def _classes_fit(self) -> Self:
        if bool(self.class_of) != bool(self.classes) or len(self.classes) == 1:
            raise ValueError("class_of and classes belong together, and two classes at least")
        return self

    @property
    def asks(self) -> bool:
        """Whether a model proposes anything."""
        return bool(self.propose or self.dimensions or self.personas)
