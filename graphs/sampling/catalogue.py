"""All samplers by name: `sampler("path", hops=3)`. A new one is a module of its own and a line here, or `register`."""

from __future__ import annotations

from .anchors import ANCHOR, LONG_TAIL
from .budgets import BFS, DFS
from .communities import COMMUNITY
from .egos import EGO
from .entities import ENTITY
from .meeting import MEETING_PATH
from .motifs import MOTIF
from .pairs import DISTANT, PAIR
from .registry import register, sampler, samplers
from .similar import SIMILAR
from .uncertainty import UNCERTAINTY
from .walks import PATH, TRIPLE

__all__ = ["register", "sampler", "samplers"]

for _kind in (
    ENTITY, PAIR, DISTANT, SIMILAR, TRIPLE, PATH, MEETING_PATH, EGO, BFS, DFS, COMMUNITY, MOTIF, ANCHOR, LONG_TAIL,
    UNCERTAINTY,
):  # fmt: skip
    register(_kind)
