"""`gristmill` as a process that is waited for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def gristmill(*arguments: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as a process of its own, in which a warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "gristmill.cli", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
