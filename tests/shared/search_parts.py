"""Prompts to be searched for, and what a search kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipes_searches import CASES, PROMPTS

from gristmill.campaigns.datasets import export_run

ONE = replace(CASES["toa"], rows=PROMPTS[:1], more={"concurrency": 1})


def pairs(folder: Path) -> list[dict[str, Any]]:
    out = folder / "out"
    export_run(folder / "runs" / "t", out=out, formats=("dpo",))
    return [json.loads(line) for path in (out / "dpo").glob("*.jsonl") for line in path.read_text().splitlines()]
