"""Where a run is kept: SQLite in its folder, or a PostgreSQL database that the folder points to.

The pointer is a small file without credentials: a password comes from GRISTMILL_STORE, PGPASSWORD or ~/.pgpass.
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from ..errors import ConfigError, StoreError
from .database import Database
from .postgres import PostgresDatabase
from .postgres_connection import Server
from .sqlite import FILE, SqliteDatabase, translate

POINTER = "store.json"
STORE_VARIABLE = "GRISTMILL_STORE"


def has_run(folder: Path) -> bool:
    """Whether `folder` is a run's folder."""
    return (folder / FILE).is_file() or (folder / POINTER).is_file()


def store_of(folder: Path, given: str) -> str:
    """Returns the URL for a run: the one that was `given`; where `folder` does not say yet, the environment's."""
    if given or has_run(folder):
        return given
    return os.environ.get(STORE_VARIABLE, "")


def open_database(folder: Path, store: str) -> Database:
    """Opens the run of `folder` for writing; see `RunStore.open`."""
    server, run = _pointed(folder, store)
    if server is None:
        return SqliteDatabase.open(folder)
    if (folder / FILE).is_file():
        raise ConfigError(
            f"the run in {folder} is kept in SQLite, and a run does not move: leave out the store {server.shown}, or "
            f"give the campaign another name"
        )
    opened = PostgresDatabase.open(server, run, new=not _elsewhere(folder, server))
    try:
        _point(folder, server, run)
    except OSError as error:
        opened.close()
        raise translate(error, folder) from error
    return opened


def join_database(folder: Path, store: str) -> Database:
    """Opens the run of `folder` beside the process that works on it; see `RunStore.join`."""
    server, run = _pointed(folder, store)
    return SqliteDatabase.join(folder) if server is None else PostgresDatabase.read(server, run)


def read_database(folder: Path, store: str) -> Database:
    """Opens the run of `folder` for reading; see `RunStore.read`."""
    server, run = _pointed(folder, store)
    return SqliteDatabase.read(folder) if server is None else PostgresDatabase.read(server, run)


def _pointed(folder: Path, store: str) -> tuple[Server | None, str]:
    """Returns the server that has the run (None for SQLite), and what the run is called there."""
    url, run = _pointer(folder)
    if store:
        return Server(store), run
    if not url:
        return None, run
    # Where the environment names the same place, it may have the password too.
    server, ambient = Server(url), os.environ.get(STORE_VARIABLE, "")
    if ambient and server.is_same_place(Server(ambient)):
        server = Server(ambient)
    return server, run


def _elsewhere(folder: Path, server: Server) -> bool:
    """Whether the folder's run was kept at another place than `server`: then it must be there already."""
    url, _ = _pointer(folder)
    return bool(url) and not server.is_same_place(Server(url))


def _pointer(folder: Path) -> tuple[str, str]:
    path = folder / POINTER
    if not path.is_file():
        return "", folder.name
    try:
        data = orjson.loads(path.read_bytes())
        return str(data["store"]), str(data["run"])
    except OSError as error:
        raise translate(error, path) from error
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f"{path} does not say where the run is; remove it and name the database with --store or {STORE_VARIABLE}"
        ) from None


def _point(folder: Path, server: Server, run: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = orjson.dumps(
        {"store": server.public_url, "run": run}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    new = folder / f".{POINTER}-{os.getpid()}"
    new.write_bytes(data)
    new.replace(folder / POINTER)
