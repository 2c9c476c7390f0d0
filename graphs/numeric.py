"""numpy as the graph uses it: of the extra `graph`; graphs of ordinary size do without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..evals.numeric import Lazy

if TYPE_CHECKING:
    import numpy as np
else:
    np = Lazy("numpy", "numpy", "graph")

__all__ = ["np"]
