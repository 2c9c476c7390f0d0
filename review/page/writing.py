"""Writes the page of a run's graph: one file, see `filled`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ...graphs.exchange.files import placed_file
from ...storage.store import RunStore
from .contents import Json, contents
from .filled import filled

STATIC = Path(__file__).with_name("static")
SCRIPTS = ("layout.js", "picture.js", "panel.js", "graph.js", "scene.js", "page.js")


def write_page(store: RunStore, path: Path) -> Json:
    """Writes the page of a run's graph; returns what it holds.

    Raises `NotStored` when the run has none, and `StoreError` when the file cannot be written.
    """
    held = contents(store, store.folder.name)
    with placed_file(path) as file:
        file.write(page_of(held))
    return held


def page_of(held: Json) -> bytes:
    """Returns the page in UTF-8."""
    return filled(
        _text("page.html"),
        title=f"{held['name']}: knowledge graph",
        style=_text("page.css"),
        scripts=[_text(name) for name in SCRIPTS],
        data=held,
    )


@cache
def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
