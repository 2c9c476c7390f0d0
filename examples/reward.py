"""The reward of search.toml: a function from an instruction and a response to a number in [0, 1]; it costs no call."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROWS = map(json.loads, (Path(__file__).parent / "sums.jsonl").read_text(encoding="utf-8").splitlines())
ANSWERS = {row["text"]: row["answer"] for row in ROWS}
BRIEF = 25  # words that a good response gets by with


def right(instruction: str, response: str) -> float:
    """More than a half for a response that ends with the known answer, most for a short one."""
    figures = re.findall(r"-?\d+(?:\.\d+)?", response)
    if not figures or figures[-1] != ANSWERS[instruction]:
        return 0.0
    return 0.5 + 0.5 * min(1.0, BRIEF / len(response.split()))
