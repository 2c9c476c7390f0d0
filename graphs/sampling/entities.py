"""`entity`: one entity."""

from __future__ import annotations

from .base import Opening, RootByRoot, SamplerKind, SamplerOptions
from .draws import Group
from .roots import NONE


class _Entities(RootByRoot):
    mend = "the graph has no entity; see `gristmill graph`, or change the entity types"

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening.graph)
        self._root = opening.root_by_root(None)

    def propose(self) -> Group | None:
        root = self._root()
        return None if root == NONE else (root,)


def _open(options: SamplerOptions, opening: Opening) -> _Entities:
    return _Entities(opening)


ENTITY = SamplerKind("entity", "one entity", SamplerOptions, _open)
