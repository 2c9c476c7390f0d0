"""numpy and what stands on it, loaded when first used: they are of the extras `evals` and `graph`, not of the core."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError


class Lazy:
    """A module that is imported when something of it is first used.

    Raises `ConfigError` then, naming the library and the extra that has it, where it is not installed.
    """

    def __init__(self, module: str, library: str, extra: str) -> None:
        self._module, self._library, self._extra = module, library, extra

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            module = import_module(self._module)
        except ImportError as error:
            raise ConfigError(
                f"this is worked out with {self._library}, which is not installed: "
                f"pip install 'gristmill[{self._extra}]'"
            ) from error
        found = getattr(module, name)
        setattr(self, name, found)  # the next time it is there at once
        return found


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]
    """Vectors of texts: (n, d), float32, each row of length one, or all zero for a text without a vector."""
else:
    np = Lazy("numpy", "numpy", "evals")
    Matrix = Any

__all__ = ["Lazy", "Matrix", "np"]
