"""A whole campaign against a real vLLM. Random weights write noise, so what must hold is the books and the records."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from places import CORPUS

from gristmill.agents.critic import critic
from gristmill.agents.generator import generator
from gristmill.agents.refiner import refiner
from gristmill.campaigns.campaign import Campaign, CampaignReport
from gristmill.graphs.flows.reference import Flow, reference_flow
from gristmill.models.spec import ModelSpec
from gristmill.storage.records import Status
from gristmill.storage.store import RunStore

pytestmark = pytest.mark.vllm

TASKS = 20


def flow() -> Flow:
    """Generate, judge, refine once: every call asks for a JSON schema."""
    return reference_flow(
        proposer=None,
        generator=generator(given={"kind": lambda _: "definition"}),
        critic=critic(minimum={}),
        refiner=refiner(),
        max_rounds=1,
    )


@pytest.fixture
async def spec(http: aiohttp.ClientSession, vllm_url: str, served_model: str) -> ModelSpec:
    """The served model, pushed towards closing a string: noise under a schema would else run to its last token."""
    body = {"model": served_model, "prompt": '"', "add_special_tokens": False}
    async with http.post(f"{vllm_url.removesuffix('/v1')}/tokenize", json=body) as reply:
        (quote,) = (await reply.json())["tokens"]
    return ModelSpec(
        model=f"openai_api/{served_model}",
        base_url=vllm_url,
        timeout=120,
        retries=1,
        repairs=1,
        extra={"logit_bias": {str(quote): 5.0}},
    )


def campaign(folder: Path, spec: ModelSpec) -> Campaign:
    return Campaign(
        "noise",
        [CORPUS],
        flow=flow(),
        models={"default": spec},
        max_tasks=TASKS,
        concurrency=8,
        runs=str(folder),
        chunks={"max_tokens": 64},
    )


async def test_twenty_tasks_end_with_balanced_books(tmp_path: Path, spec: ModelSpec) -> None:
    report = await campaign(tmp_path, spec).execute()
    print(f"\n{report.books} {report.reasons} {report.usage}")
    assert report.books.balanced
    assert report.books.planned == TASKS
    assert report.books.pending == 0
    assert sum(report.reasons.values()) == TASKS
    # The server answers every call within its schema, so that noise is judged and not just failed.
    assert report.books.accepted + report.books.rejected >= TASKS / 4
    assert report.usage.output_tokens > TASKS
    check_records(report)


def check_records(report: CampaignReport) -> None:
    """Each item has the drafts and verdicts that led to its status, and its failure is never empty."""
    store = RunStore.read(report.folder)
    items = list(store.items())
    assert len(items) == TASKS
    for item in items:
        if item.status is Status.ACCEPTED:
            assert item.drafts
            assert item.verdicts
            assert item.messages
        else:
            assert item.reasons


async def test_running_it_again_calls_nothing(tmp_path: Path, spec: ModelSpec) -> None:
    first = await campaign(tmp_path, spec).execute()
    again = await campaign(tmp_path, spec).execute()
    assert again.books == first.books
    assert again.usage.calls == 0
