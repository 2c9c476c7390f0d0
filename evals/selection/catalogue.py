"""All strategies by name: `selector("k-means-quality", clusters=64)`.

A new one is a module of its own and a line here, or `register`.
"""

from __future__ import annotations

from .balance import BALANCE
from .d4 import D4_STRATEGY
from .facility import FACILITY
from .k_center import K_CENTER
from .k_means_quality import K_MEANS_QUALITY, K_MEANS_QUALITY_ITERATIVE
from .plain import QUALITY, RANDOM
from .selector import Selector, register, selector, strategies
from .zip_fit import ZIP_FIT

__all__ = ["Selector", "register", "selector", "strategies"]

for _strategy in (
    RANDOM, QUALITY, K_MEANS_QUALITY, K_MEANS_QUALITY_ITERATIVE, K_CENTER, D4_STRATEGY, FACILITY, ZIP_FIT, BALANCE,
):  # fmt: skip
    register(_strategy)
