"""Writes the report as one file that stands for itself; uPlot and the house's tokens come from the review pages."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ..page.filled import filled

STATIC = Path(__file__).with_name("static")
WEB = Path(__file__).parent.parent / "web" / "static"
MATCHES = 200  # of the contamination table


def page_of(told: dict[str, Any]) -> bytes:
    """Returns the page of what `as_dict` returned, in UTF-8."""
    there, dirty = told["against"], told["contamination"]
    beside = f" beside {there['name']}" if there else ""
    if dirty is not None:
        told = {**told, "contamination": {**dirty, "matches": dirty["matches"][:MATCHES]}}
    return filled(
        _text(STATIC / "report.html"),
        title=f"{told['set']['name']}{beside}: report",
        style="\n".join(map(_text, (WEB / "base.css", WEB / "vendor" / "uplot.min.css", STATIC / "report.css"))),
        scripts=[_text(WEB / "vendor" / "uplot.min.js"), *(_text(STATIC / name) for name in ("plots.js", "report.js"))],
        data=told,
    )


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
