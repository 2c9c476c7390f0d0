"""numpy, loaded when it is first used: it is of the extra `graph`, and graphs of ordinary size do without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
else:

    class _Numpy:
        def __getattr__(self, name: str) -> Any:
            try:
                import numpy
            except ImportError as error:
                raise ConfigError(
                    "large graphs are worked on with numpy, which is not installed: pip install 'gristmill[graph]'"
                ) from error
            found = getattr(numpy, name)
            setattr(self, name, found)  # the next time it is there at once
            return found

    np = _Numpy()

__all__ = ["np"]
