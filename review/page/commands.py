"""What `gristmill graph RUN --html` does. Options and help stand in cli.py."""

from __future__ import annotations

from pathlib import Path

from ...campaigns.commands.graph_files import require_graph
from ...campaigns.folders import find_run
from ...campaigns.terminal import open_console
from ...storage.store import RunStore
from .writing import write_page


def write(run: Path, *, store: str, out: Path | None) -> int:
    """Writes the page, by default into the run's folder."""
    opened = RunStore.read(*find_run(run, store))
    try:
        require_graph(opened)
        path = out or opened.folder / "graph.html"
        path.parent.mkdir(parents=True, exist_ok=True)  # the run's own folder may be on another machine
        held = write_page(opened, path)
    finally:
        opened.close_reading()
    console = open_console()
    console.print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    shown, all_ = len(held["nodes"]), held["entities"]
    if shown < all_ or len(held["edges"]) < held["relations"]:
        console.print(
            f"it holds the {shown:,} of {all_:,} entities that most others are joined to, "
            f"and {len(held['edges']):,} of {held['relations']:,} relations"
        )
    return 0
