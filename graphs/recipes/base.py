"""What a recipe is: a planner (what to make next) and a flow (how one task becomes an item), under a name.

A planner sees a `PlanView` and returns new tasks; it never sees a model. A flow sees one task; it never sees the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ...storage.records import Item, Verdict
from ..planners.base import Planner, PlanView

if TYPE_CHECKING:  # types only: a planner draws without networkx or langgraph being imported for its sake
    from langgraph.graph import StateGraph


NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "documents": "documents to work from",
        "graph": "the knowledge graph, which the campaign builds from the documents",
        "seeds": "items to start from, one a row",
        "labels": "a label on each row",
        "base model": "a model that goes on with raw text",
        "logprobs": "a server that gives log-probabilities",
        "several models": "more than one model",
        "code runner": "programs run in a sandbox",
    }
)
"""What a recipe may need, and what that means."""


SOURCES = frozenset({"documents", "graph", "seeds", "labels"})
"""The needs that a campaign's documents meet."""


ROWS = frozenset({"seeds", "labels"})
"""Those of them that are rows of a table."""


LastWord = Callable[[PlanView, Item], Verdict]
"""`(view, item) -> verdict`: accepts or rejects an item that the flow accepted, where accepted items are known. It asks
no model; it may take its time, one item at a time."""


@dataclass(frozen=True)
class Recipe:
    """A planner and a flow under a name.

    name:    what the campaign file says, e.g. `grounded-qa`.
    paper:   the paper it follows, empty for none; the recipe's module says what is faithful to it and what is not.
    gives:   the kind of its items: `qa`, `reasoning`, `pretraining`; `sft` where the user's flow decides.
    needs:   a subset of `NEEDS`: a campaign builds the knowledge graph only for recipes that need it, and asks for
             documents only where they, seeds or labels are needed.
    roles:   the roles that its flow asks, each bound to a model by the campaign.
    options: the pydantic model of its options; every field has a default.
    planner: see `Planner`.
    flow:    options → the StateGraph that one task runs through; None where only the user can say (`rows`).
    settings: keys of the campaign that stand where the user says nothing of them, such as how its graph is made.
    hands_over: whether its planner hands rounds over to a campaign's trainer.
    last_word: options → what decides on items after their flow, at the coordinator of a fleet; None for nothing.
    apart:    groups of roles that make sense only with more than one model among them, such as a strong one and a
              target. Nodes tell of theirs too (`NodeInfo.apart`), by the options that they are made with.
    """

    name: str
    summary: str
    paper: str
    gives: str
    needs: frozenset[str]
    roles: tuple[str, ...]
    options: type[BaseModel]
    planner: Planner
    flow: Callable[[Any], StateGraph[Any, Any, Any, Any]] | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    hands_over: bool = False
    last_word: Callable[[Any], LastWord | None] | None = None
    apart: tuple[tuple[str, ...], ...] = ()
