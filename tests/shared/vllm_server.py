"""A real vLLM server on this machine's CPU, over a tiny model with random weights, stopped by its own pid."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from places import ROOT
from redis_server import free_port

PYTHON = ROOT / ".venv-vllm/bin/python"
NAME = "tiny"
CONTEXT = 4096
START_DEADLINE = 300.0
SETTINGS = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
# Without chunked prefill: on the CPU, a request with a seed whose prompt is processed in two steps kills the engine
# (`RuntimeError: CPU Generator does not use offset`, vLLM 0.32).
# Without whitespace: random weights would put it between JSON's marks until the tokens run out.
OPTIONS = (
    "--enforce-eager",
    "--dtype",
    "bfloat16",
    "--no-enable-chunked-prefill",
    "--structured-outputs-config",
    '{"backend": "xgrammar", "disable_any_whitespace": true}',
)


def make_model(folder: Path) -> Path:
    """The tiny model in `folder`, its tokenizer trained on the example documents."""
    if not PYTHON.exists():
        raise RuntimeError(f"{PYTHON} is missing; `make test-vllm` builds that environment")
    pages = sorted(path for path in (ROOT / "examples/corpus").iterdir() if path.is_file())
    command = [str(PYTHON), str(ROOT / "benchmarks/tiny_model.py"), str(folder), *map(str, pages)]
    subprocess.run(command, check=True, capture_output=True, timeout=120, env=os.environ | SETTINGS)
    return folder


class VLLMServer:
    """One server process group. `start` returns when it answers; `stop` ends it and its engine."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.model = model
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> str:
        """`http://127.0.0.1:PORT`; the openai protocol is under `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve the model. RuntimeError, with the end of the log, when it does not answer in five minutes."""
        # Not the console script: it looks for a distribution called vllm, and the CPU build is called vllm-cpu.
        command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(self.model)]
        command += ["--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--max-model-len", str(CONTEXT), *OPTIONS]
        log = self.folder / "vllm.log"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | SETTINGS,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.healthy():
                return
            time.sleep(0.5)
        self.stop()
        raise RuntimeError(f"vLLM did not start:\n{log.read_text(errors='replace')[-4000:]}")

    def healthy(self) -> bool:
        """Whether the server answers now."""
        try:
            with urllib.request.urlopen(f"{self.root}/health", timeout=2) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """SIGTERM to the process group that we started, SIGKILL after 20 seconds. Harmless when it does not run."""
        if self.process is None:
            return
        group = os.getpgid(self.process.pid) if self.process.poll() is None else self.process.pid
        for word in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(group, word)
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                pass
        self.process = None
