"""Items of every status, kind and reason, mixed."""

from __future__ import annotations

import json
from typing import Any

from write_and_judge import judged


def mixed(body: dict[str, Any]) -> str | None:
    """Rejects the rows whose number ends in 3."""
    if not body.get("response_format"):
        return None
    bad = "3: the valve number" in json.dumps(body["messages"])
    return json.dumps(judged("reject", "trivial") if bad else judged())
