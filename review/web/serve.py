"""`gristmill review RUN`: opens a run and serves its pages until Ctrl-C."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EADDRINUSE
from pathlib import Path

import uvicorn
from rich.console import Console

from ...errors import ConfigError
from .app import create_app
from .security import leading_to
from .site import Access, Site, new_secret

SHORTEST = 16  # characters of a token that a person chooses
NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]+(\.[a-z0-9_-]+)*")
LONGEST = 100  # characters of a reviewer's name, which each decision holds
LAUNCHER = "open-review.html"  # in the run's folder while a browser is being opened


def access_of(host: str, port: int, token: str, reviewer: str, names: tuple[str, ...] = ()) -> Access:
    """Returns who may look, checked.

    Raises:
        ConfigError: an address beyond this machine without a token, a token that can be guessed, a name that is none.
    """
    if token and len(token) < SHORTEST:
        raise ConfigError(f"a token of {len(token)} characters can be guessed; give {SHORTEST} or more")
    if not token and not is_loopback(host):
        raise ConfigError(
            f"--host {host} lets other machines in: give --token, {SHORTEST} characters or more, which they open the "
            f"page with; there is no TLS here, so put a proxy with it before a network that you do not trust"
        )
    if not reviewer.isprintable() or not 0 < len(reviewer) <= LONGEST:
        raise ConfigError(f"--reviewer {reviewer[:LONGEST]!r}: give a name of 1 to {LONGEST} printable characters")
    own = (*names, *(() if is_loopback(host) else (socket.gethostname(),)))
    if wrong := [name for name in names if not NAME.fullmatch(name.lower())]:
        raise ConfigError(f"--name {wrong[0]!r} is no host name; give it as browsers show it, without http:// and port")
    return Access(
        host=host,
        port=port,
        token=token or new_secret(),
        reviewer=reviewer,
        names=frozenset(name.lower() for name in own),
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
    except (OSError, UnicodeError) as error:
        found.close()
        told = error.strerror if isinstance(error, OSError) else "no address"
        if isinstance(error, OSError) and error.errno == EADDRINUSE:  # never another port unasked
            raise ConfigError(
                f"cannot listen on {host} port {port}: {told}, perhaps by another `gristmill review`: use that one or "
                f"end it. A browser keeps what it has not sent by address and port, so under another --port those "
                f"decisions wait until this one is back"
            ) from None
        raise ConfigError(f"cannot listen on {host} port {port}: {told}; give another --port or --host") from None
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
        announce(site, console)
        with launched(site, browser):
            warming = asyncio.create_task(site.warm())
            await server_of(site).serve(sockets=[listening])
            await warming


def server_of(site: Site) -> uvicorn.Server:
    """Returns what answers for a site, once it is given a socket that listens."""
    # access_log: its lines would hold the token. proxy_headers: nothing here believes what a client says of itself.
    config = uvicorn.Config(
        create_app(site),
        log_config=None,
        access_log=False,
        proxy_headers=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)


def announce(site: Site, console: Console) -> None:
    """Says where the pages are, to others too where they are let in."""
    console.print(
        f"review {site.name} at", site.access.url, style="bold", soft_wrap=True, highlight=False, markup=False
    )
    for name in () if is_loopback(site.access.host) else sorted(site.access.names):
        console.print("  from elsewhere", site.access.url_at(name), soft_wrap=True, highlight=False, markup=False)
    console.print("Ctrl-C ends it; what was decided is kept", style="dim")


@contextmanager
def launched(site: Site, browser: bool) -> Iterator[None]:
    """Opens the pages in the user's browser, where `browser` says so, soon after it is entered.

    Through a file that only the user reads: the arguments of a process, which everybody on the machine can list, would
    tell the token.
    """
    if not browser:
        yield
        return
    file = site.folder / LAUNCHER
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(leading_to(site.access.url))
    # In a daemon thread: a browser in the terminal would hold up the server, or its end.
    opening = threading.Timer(0.5, webbrowser.open, [file.absolute().as_uri()])
    opening.daemon = True
    opening.start()
    try:
        yield
    finally:
        opening.cancel()
        file.unlink(missing_ok=True)
