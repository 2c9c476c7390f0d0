"""Gristmill: verified, diverse instruction data from seed documents, every item led back to its source.

The public names below are loaded when first used, so that `import gristmill` costs little.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# LangGraph's permissive default lets a forged checkpoint name any callable to run; it reads this at import.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

if TYPE_CHECKING:
    from gristmill.agents.state import FlowContext, FlowState, describe
    from gristmill.campaigns.campaign import Campaign, CampaignReport
    from gristmill.campaigns.fleet.fleet import Fleet
    from gristmill.campaigns.telemetry.telemetry import Telemetry
    from gristmill.errors import GristmillError
    from gristmill.graphs.flows.reference import reference_flow
    from gristmill.graphs.planners.base import PlanView
    from gristmill.graphs.recipes.base import Recipe
    from gristmill.models.contract import Model, Reply, Request, Sampling
    from gristmill.models.scripted import Scripted
    from gristmill.models.spec import ModelSpec
    from gristmill.storage.records import (
        Chunk,
        Decision,
        Document,
        Draft,
        Entity,
        Item,
        Message,
        Relation,
        Span,
        Status,
        Task,
        Verdict,
    )
    from gristmill.storage.store import RunStore

__version__ = "0.1.0"

_HOMES = {
    "Campaign": "campaigns.campaign",
    "CampaignReport": "campaigns.campaign",
    "Chunk": "storage.records",
    "Decision": "storage.records",
    "Document": "storage.records",
    "Draft": "storage.records",
    "Entity": "storage.records",
    "Fleet": "campaigns.fleet.fleet",
    "FlowContext": "agents.state",
    "FlowState": "agents.state",
    "GristmillError": "errors",
    "Item": "storage.records",
    "Message": "storage.records",
    "Model": "models.contract",
    "ModelSpec": "models.spec",
    "PlanView": "graphs.recipes.base",
    "Recipe": "graphs.recipes.base",
    "Relation": "storage.records",
    "Reply": "models.contract",
    "Request": "models.contract",
    "RunStore": "storage.store",
    "Sampling": "models.contract",
    "Scripted": "models.scripted",
    "Span": "storage.records",
    "Status": "storage.records",
    "Task": "storage.records",
    "Telemetry": "campaigns.telemetry.telemetry",
    "Verdict": "storage.records",
    "describe": "agents.state",
    "reference_flow": "graphs.flows.reference",
}

__all__ = [
    "Campaign",
    "CampaignReport",
    "Chunk",
    "Decision",
    "Document",
    "Draft",
    "Entity",
    "Fleet",
    "FlowContext",
    "FlowState",
    "GristmillError",
    "Item",
    "Message",
    "Model",
    "ModelSpec",
    "PlanView",
    "Recipe",
    "Relation",
    "Reply",
    "Request",
    "RunStore",
    "Sampling",
    "Scripted",
    "Span",
    "Status",
    "Task",
    "Telemetry",
    "Verdict",
    "describe",
    "reference_flow",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'gristmill' has no attribute '{name}'")
    return getattr(import_module(f"gristmill.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
