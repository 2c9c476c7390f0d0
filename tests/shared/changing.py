"""Documents that change on the disk, and a campaign that reads them again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from write_and_judge import PROMPTS, flow, judged

from gristmill import Campaign, ModelSpec, Request, Scripted
from gristmill.storage.records import Item

MILL = "The windmill at Kelling was built in 1820. Its four sails drove two pairs of stones."


PIER = "The pier at Cromer was opened in 1901. Its lifeboat station stands at the end."


MARSH = "Salt marsh at Stiffkey floods twice a day. Sea lavender flowers there in July."


def answer(request: Request) -> Any:
    return f"Explain: {request.variables['passage']}" if request.role == "generator" else judged()


def write(folder: Path, **texts: str) -> None:
    documents = folder / "documents"
    documents.mkdir(exist_ok=True)
    for name, text in texts.items():
        (documents / f"{name}.txt").write_text(text)


def campaign(folder: Path, model: Any = None, **values: Any) -> Campaign:
    defaults: dict[str, Any] = {"prompts": [str(PROMPTS)], "runs": str(folder / "runs"), "flow": flow()}
    return Campaign(
        "coast", [folder / "documents"], models={"default": model or Scripted(answer)}, **{**defaults, **values}
    )


def texts(items: Iterable[Item]) -> set[str]:
    return {item.messages[0].content.removeprefix("Explain: ") for item in items}


GRAPH_TEXTS = {
    "mill": "Kelling Mill stands near Holt. Kelling Mill was built by James Stannard in 1820.",
    "holt": "Holt is a town in Norfolk. James Stannard lived in Holt.",
    "norfolk": "Norfolk is a county in England. Cromer Pier is in Norfolk.",
    "pier": "Cromer Pier was opened in 1901. Cromer Pier has a theatre.",
}


def graph_campaign(folder: Path) -> Campaign:
    models = {"default": ModelSpec(model="offline")}
    return Campaign(
        "graph", [folder / "documents"], recipe="entigraph", models=models, runs=str(folder / "runs"), target=2
    )
