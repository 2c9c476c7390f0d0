"""vLLM in process: the `vllm_engine` back end, through all layers, on the tiny model."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from vllm_server import PYTHON, ROOT, SETTINGS

pytestmark = pytest.mark.vllm


def test_the_engine_answers_as_a_server_does(tiny_model: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(PYTHON), str(ROOT / "tests/shared/vllm_in_process.py"), str(tiny_model)],
        cwd=tmp_path,
        env=os.environ | SETTINGS,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["choices"] == 2
    assert all(1 <= tokens <= 8 for tokens in said["logprobs"])
    assert said["usage"][0] > 0
    assert said["usage"][1] == sum(said["logprobs"])
    assert said["prompt_logprobs"][0] is None
    assert len(said["prompt_logprobs"]) == said["prompt_tokens"]
    assert all(value <= 0 for value in said["prompt_logprobs"][1:])
    assert said["parsed"] == "Ruling"
    assert said["repeats"]
    assert "max_model_len" in said["refused"]
    assert said["at_once"] == 32
    assert said["calls"] == 37
