"""`gristmill review RUN`: opens a run and serves its pages until Ctrl-C."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import webbrowser
from pathlib import Path

import uvicorn
from rich.console import Console

from ...errors import ConfigError
from .app import create_app
from .site import Access, Site, new_secret

LOG = logging.getLogger(__name__)
SHORTEST = 16  # characters of a token that a person chooses


def access_of(host: str, port: int, token: str, reviewer: str, names: tuple[str, ...] = ()) -> Access:
    """Returns who may look, checked.

    Raises:
        ConfigError: an address beyond this machine without a token, or a token that can be guessed.
    """
    if token and len(token) < SHORTEST:
        raise ConfigError(f"a token of {len(token)} characters can be guessed; give {SHORTEST} or more")
    if not token and not is_loopback(host):
        raise ConfigError(
            f"--host {host} lets other machines in: give --token, {SHORTEST} characters or more, which they open the "
            f"page with; there is no TLS here, so put a proxy with it before a network that you do not trust"
        )
    return Access(
        host=host,
        port=port,
        token=token or new_secret(),
        reviewer=reviewer,
        names=frozenset(name.lower() for name in (*names, "" if is_loopback(host) else socket.gethostname()) if name),
        secret=new_secret(),
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bound(host: str, port: int) -> socket.socket:
    """Returns a listening socket, so that its port is known before anything is printed.

    Raises:
        ConfigError: the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(512)
    except OSError as error:
        found.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}; give another --port") from None
    return found


async def serve(
    folder: Path,
    url: str,
    *,
    host: str,
    port: int,
    token: str,
    reviewer: str,
    names: tuple[str, ...],
    browser: bool,
    console: Console,
) -> None:
    """Serves the run in `folder` (kept at `url`, empty where the folder knows) until it is interrupted.

    Raises:
        ConfigError: the address, the port or the token cannot be.
        StoreError: the run cannot be opened.
    """
    with bound(host, port) as listening:
        access = access_of(host, listening.getsockname()[1], token, reviewer, names)
        site = Site(folder, url, access)
        try:
            with console.status("reading the run") as status:
                await site.ready(lambda items: status.update(f"reading the run: {items:,} items"))
        except BaseException:
            await site.aclose()
            raise
        # access_log: its lines would hold the token.
        config = uvicorn.Config(
            create_app(site),
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        console.print(f"review {site.name} at", access.url, soft_wrap=True, style="bold", highlight=False, markup=False)
        console.print("Ctrl-C ends it; what was decided is kept", style="dim")
        server = uvicorn.Server(config)
        if browser:
            asyncio.get_running_loop().call_later(0.5, webbrowser.open, access.url)
        await server.serve(sockets=[listening])
