"""A campaign of problems in rounds, each of which is handed to a trainer."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

PROBLEMS = [{"text": f"What is {number} times {number}?", "answer": str(number * number)} for number in range(12, 20)]


def answer(body: dict[str, Any]) -> str:
    """Right in six of ten cases, by problem, seed and model: the same question has the same answer."""
    number = int(re.findall(r"What is (\d+) times", body["messages"][-1]["content"])[-1])
    draw = random.Random(f"{number} {body.get('seed')} {body['model']}")  # nothing secret
    way = " ".join(f"{draw.getrandbits(32):x}" for _ in range(4))
    return f"By {way} it is, says {body['model']}, \\boxed{{{number * number if draw.random() < 0.6 else 1}}}"


def handed(folder: Path) -> list[dict[str, Any]]:
    path = folder / "handed.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
