"""The graph of a run as a file for other tools, straight from the store's tables."""

from __future__ import annotations

from pathlib import Path

from ...errors import ConfigError
from ...graphs.exchange.facts import StoredFacts
from ...graphs.exchange.formats import FORMATS
from ...storage.store import RunStore


def require_graph(store: RunStore) -> None:
    """Raises `ConfigError` when the run has no knowledge graph."""
    if store.mark("graph") is None:
        raise ConfigError(f"the run in {store.shown} has no knowledge graph: its recipe needs none, or it is not built")


def write_graph(store: RunStore, format_: str, out: Path | None) -> Path:
    """Writes the graph of a run, by default into its folder; returns where. Raises what the format's writer raises."""
    require_graph(store)
    chosen = FORMATS[format_]
    path = out or store.folder / chosen.name
    path.parent.mkdir(parents=True, exist_ok=True)  # the run's own folder may be on another machine
    facts = StoredFacts(store)
    chosen.write(facts, path, facts.places() if chosen.placed else {})
    return path
