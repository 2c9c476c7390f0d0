"""Lines of a log, parsed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any


def parsed(text: str) -> list[dict[str, Any]]:
    """Every line of `text` as a JSON object; splits at whatever any reader may take for a line's end."""
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        assert list(one)[:4] == ["time", "level", "logger", "message"]
        assert one["time"].endswith("Z")
        assert datetime.fromisoformat(one["time"]).utcoffset() is not None
    return found
