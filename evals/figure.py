"""One measured figure, as reports show it: a value or the reason why there is none, never NaN."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with what is needed to judge it.

    name:      stable, as in JSON, e.g. `distinct_2`.
    value:     None where it is not defined; `note` says why then.
    unit:      "share", "tokens", "effective items", ...; empty for a plain number.
    low, high: bounds of the 95% interval where it was sampled or is an estimate.
    of:        how many texts, pairs or votes it stands on.
    note:      what a reader has to know: sampled, cut, fallback, undefined because.
    """

    name: str
    value: float | None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    of: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        for bound in (self.value, self.low, self.high):
            if bound is not None and not isfinite(bound):
                raise ValueError(f"{self.name} is {bound}; give None and a note")
        if self.value is None and not self.note:
            raise ValueError(f"{self.name} has no value and no note that says why")
