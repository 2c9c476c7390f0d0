"""What packing a task's sources costs, and how much of the prompts begins as others do.

    python benchmarks/packed_context.py [--tasks 400]

The example corpus is cut into chunks of 128 tokens, its graph is built by the offline model, and `entigraph` plans
tasks over it; those that need two chunks or more are looked at. Each task's prompts (write, judge, revise) are rendered
as a flow would send them. A block of 16 tokens, counted as 64 characters, is reused when all up to its end was in an
earlier prompt: what vLLM's prefix cache finds while nothing is thrown out. "as planned" is the order of chunks that
planners give, "by chance" the same tasks with their chunks shuffled. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

from gristmill.agents.context.packing import Packing
from gristmill.agents.extraction.extractor import extractor
from gristmill.agents.state import FlowContext, FlowState
from gristmill.agents.variables import gather
from gristmill.graphs.knowledge.build import build
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.planners.base import PlanView
from gristmill.graphs.recipes.entigraph import ENTIGRAPH, EntiGraphOptions
from gristmill.models.factory import wrap
from gristmill.models.layers.meter import Meter
from gristmill.models.offline.model import Offline
from gristmill.prompts.library import PromptLibrary
from gristmill.storage.chunking import chunk
from gristmill.storage.documents import read_documents
from gristmill.storage.records import Chunk, Document, Task

CORPUS = Path(__file__).resolve().parent.parent / "examples" / "corpus"
PROMPTS = {
    "write-entity-passage": ("passages", "entities", "relations", "form"),
    "judge-entity-passage": ("passages", "entities", "form"),
    "revise-entity-passage": ("passages", "entities", "relations", "form"),
}
REST = {"title": "A title", "text": "A text.", "questions": [], "evidence": [], "reasons": ["unclear"], "comment": "",
        "reviewer_note": "", "earlier_attempt": ""}  # fmt: skip
BLOCK = 64  # characters; about 16 tokens


def state_of(task: Task, chunks: dict[str, Chunk], graph: KnowledgeGraph, order: Sequence[str]) -> FlowState:
    return {
        "task": task,
        "chunks": [chunks[id] for id in order],
        "entities": [graph.entities[id] for id in task.entities],
        "relations": [graph.relations[id] for id in task.relations],
    }


def reused(states: Sequence[FlowState], packing: Packing) -> tuple[float, float]:
    """Returns the share of blocks that begin as an earlier prompt did, and the mean characters of a prompt."""
    library, known = PromptLibrary(), set[str]()
    hits = blocks = characters = prompts = 0
    for state in states:
        for name, variables in PROMPTS.items():
            given = packing.given(*(one for one in variables if one != "form"))
            messages = library.get(name).render({**REST, **gather(state, variables, given)})
            text = "\n".join(message.content for message in messages)
            here = [text[:end] for end in range(BLOCK, len(text) + 1, BLOCK)]
            hits += sum(one in known for one in here)
            known.update(here)
            blocks, characters, prompts = blocks + len(here), characters + len(text), prompts + 1
    return hits / max(1, blocks), characters / max(1, prompts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=400)
    options = parser.parse_args()
    documents = [one for one in read_documents([str(CORPUS)]) if isinstance(one, Document)]
    chunks = [one for document in documents for one in chunk(document, max_tokens=128)]
    model = wrap(Offline(), calls=None, budget=None, meter=Meter())
    graph = asyncio.run(build(chunks, extractor(), FlowContext(models={"default": model}))).graph
    shares = {"pair": 1.0, "triple": 1.0, "distant": 1.0, "community": 0.5}
    plan = EntiGraphOptions(shares=shares)
    planned = ENTIGRAPH.planner(PlanView(chunks, graph), 4 * options.tasks, random.Random(1), plan)
    tasks = [task for task in planned if len(task.chunks) > 1][: options.tasks]
    by_id = {one.id: one for one in chunks}
    chance = random.Random(2)
    orders: dict[str, Callable[[Task], Sequence[str]]] = {
        "as planned": lambda task: task.chunks,
        "by chance": lambda task: chance.sample(task.chunks, len(task.chunks)),
    }
    figures: dict[str, float] = {"tasks": len(tasks)}
    for room in (4_000, 300):
        for label, order in orders.items():
            states = [state_of(task, by_id, graph, order(task)) for task in tasks]
            began = process_time()
            for state in states:
                Packing(room)(state)
            spent = 1000 * (process_time() - began) / len(states)
            share, length = reused(states, Packing(room))
            print(
                f"{room:>6} tokens  {label:<11} {share:6.1%} reused  {length:8,.0f} characters  {spent:.2f} ms a pack"
            )
            key = f"{label.replace(' ', '_')}_{room}"
            figures |= {f"reused_{key}": round(share, 3), f"pack_ms_{key}": round(spent, 3)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
