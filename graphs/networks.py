"""networkx, loaded when it is first used: it costs 12 MB and 0.1 s, and many campaigns have no graph."""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx
else:

    def _later(name: str) -> object:
        if name in sys.modules:
            return sys.modules[name]
        spec = find_spec(name)
        loader = LazyLoader(spec.loader)
        spec.loader = loader
        module = sys.modules[name] = module_from_spec(spec)
        loader.exec_module(module)
        return module

    nx = _later("networkx")

__all__ = ["nx"]
