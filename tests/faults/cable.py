"""Two network namespaces and a cable between them that can be pulled. The machine's own network is not touched.

In `near` a port leads to Redis, `far` is where a worker runs; there another port leads to the model server. Both lead
over sockets in the file system, which namespaces share, to proxies in the test's own process.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from dropping_proxy import DroppingProxy
from processes import until

NEAR, FAR = "10.213.7.1", "10.213.7.2"
REDIS_PORT, MODEL_PORT = 6379, 8000
PROXY = Path(__file__).parent / "dropping_proxy.py"


def available() -> bool:
    """Whether this user may make namespaces and cables. A container without CAP_NET_ADMIN may not."""
    if not all(shutil.which(name) for name in ("ip", "unshare", "nsenter", "sleep")):
        return False
    probe = ["unshare", "--net", "ip", "link", "add", "one", "type", "veth", "peer", "name", "two"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


class Cable:
    """`async with Cable(folder, redis.url, model.url) as cable`: a worker's way to Redis, with its plug in our hand.

    In the far namespace Redis is `url` and the model server `model`; a command with `prefix` before it runs there.
    """

    def __init__(self, folder: Path, redis: str, model: str) -> None:
        self._sockets = {redis: folder / "redis.sock", model: folder / "model.sock"}
        self._redis, self._model = redis, model
        self._processes: list[asyncio.subprocess.Process] = []
        self._open = AsyncExitStack()
        self.url = f"redis://{NEAR}:{REDIS_PORT}{urlsplit(redis).path}"
        self.model = f"http://127.0.0.1:{MODEL_PORT}{urlsplit(model).path}"
        self.prefix: tuple[str, ...] = ()

    async def __aenter__(self) -> Cable:
        try:
            await self._make()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _make(self) -> None:
        for to, path in self._sockets.items():
            await self._open.enter_async_context(DroppingProxy(to, at=f"unix://{path}"))
        near, far = [await self._namespace() for _ in range(2)]
        self._near, self.prefix = _inside(near), _inside(far)
        await _do(*self._near, "ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(far))
        for prefix, address in ((self._near, NEAR), (self.prefix, FAR)):
            await _do(*prefix, "ip", "address", "add", f"{address}/30", "dev", "cable")
            for name in ("lo", "cable"):
                await _do(*prefix, "ip", "link", "set", name, "up")
        await self._passing(self._near, f"tcp://{NEAR}:{REDIS_PORT}", self._redis)
        await self._passing(self.prefix, f"tcp://127.0.0.1:{MODEL_PORT}", self._model)

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            await process.wait()
        await self._open.aclose()

    async def cut(self) -> None:
        """Pulls the cable at the near end: the far one sends into nothing and hears nothing."""
        await _do(*self._near, "ip", "link", "set", "cable", "down")

    async def heal(self) -> None:
        """Puts the cable in again."""
        await _do(*self._near, "ip", "link", "set", "cable", "up")

    async def _namespace(self) -> int:
        """Makes a network namespace that lives as long as a process of ours; returns that one's pid."""
        process = await asyncio.create_subprocess_exec("unshare", "--net", "sleep", "600")
        self._processes.append(process)
        ours = os.readlink("/proc/self/ns/net")
        await until(lambda: os.readlink(f"/proc/{process.pid}/ns/net") != ours)
        return process.pid

    async def _passing(self, prefix: tuple[str, ...], at: str, to: str) -> None:
        command = (*prefix, sys.executable, str(PROXY), at, f"unix://{self._sockets[to]}")
        self._processes.append(await asyncio.create_subprocess_exec(*command))


def _inside(pid: int) -> tuple[str, ...]:
    return ("nsenter", "--target", str(pid), "--net")


async def _do(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, f"{' '.join(command)}: {said.decode()}"
