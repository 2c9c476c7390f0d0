"""Takes outcomes into the pool and the store: the one place where a task ends, in one process and in a fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..agents.state import Pool
from ..agents.verifiers.duplicates import gated_text
from ..errors import ModelError, NotStored, StoreError
from ..evals.duplicates.claimed import Claimed
from ..models.layers.meter import Lineage
from ..storage.identities import Identities
from ..storage.precedents import Round
from ..storage.queue import Work
from ..storage.records import Decision, Item, Status, Task, Usage, Verdict
from ..storage.returns import is_refine, versions_of
from ..storage.store import RunStore
from .outcome import Outcome, duplicate, failure_of, unkept
from .refining import VersionsPool, refinement_of
from .worker import FATAL, Worker

if TYPE_CHECKING:  # types only: a campaign without a graph does not load networkx
    from ..graphs.knowledge.graph import KnowledgeGraph


class Admission:
    """Ends tasks: claims the text of what was accepted, commits, and keeps the claim.

    No two items have equal messages. Likeness is asked of the draft fields `gated` alone, those that the flow's own
    gate looks at: items on one passage may share most of their messages. Here it is asked once more because in a fleet
    without Redis each worker has seen its own drafts only.
    """

    def __init__(
        self,
        store: RunStore,
        pool: Pool,
        kind: str,
        gated: tuple[str, ...] = (),
        last_word: Callable[[Item], Verdict] | None = None,
    ) -> None:
        self.store = store
        self.pool = pool
        self.kind = kind
        self.gated = gated
        self._last_word = last_word
        self._one_at_a_time = asyncio.Lock()

    async def admit(self, task: Task, outcome: Outcome) -> Outcome:
        """Commits how `task` ended; an accepted text that somebody else holds already is rejected as a duplicate.

        Raises `StoreError` when the store refuses.
        """
        if outcome.status is Status.ACCEPTED and self._last_word is not None:
            outcome = await self._decided(task, outcome, self._last_word)
        if outcome.status is Status.ACCEPTED:
            outcome = await self._unless_taken(task, outcome)
        if outcome.status is not Status.ACCEPTED:
            await self.pool.release(task.id)
        try:
            await self.store.finish(task.id, outcome.status, outcome.items, claims=await self.pool.held(task.id))
        except StoreError:
            raise
        except Exception as error:  # the flow left values that JSON cannot carry
            await self.pool.release(task.id)
            outcome = unkept(task, outcome, error)
            await self.store.finish(task.id, outcome.status, outcome.items)
        await self.pool.keep(task.id)
        return outcome

    async def _decided(self, task: Task, outcome: Outcome, last_word: Callable[[Item], Verdict]) -> Outcome:
        """Has the recipe decide on an item that its flow accepted, in a thread: it may train a student first."""
        (item,) = outcome.items
        try:
            async with self._one_at_a_time:
                verdict = await asyncio.to_thread(last_word, item)
        except FATAL:
            raise
        except Exception as error:  # a recipe of a user's own may raise anything
            return unkept(task, outcome, error)
        update: dict[str, Any] = {"verdicts": (*item.verdicts, verdict)}
        if verdict.decision is Decision.ACCEPT:
            return Outcome(outcome.status, (item.model_copy(update=update),), outcome.reason)
        update |= {"status": Status.REJECTED, "reasons": verdict.reasons}
        return Outcome(Status.REJECTED, (item.model_copy(update=update),), verdict.reasons[0])

    async def _unless_taken(self, task: Task, outcome: Outcome) -> Outcome:
        pool = VersionsPool(self.pool, versions_of(task, self.store)) if is_refine(task) else self.pool
        try:
            claimed = await self._claim(pool, task, outcome)
        except FATAL:
            raise
        except (
            ModelError
        ) as error:  # the embedder cannot do with this one text: the task fails, as it would in the flow
            return unkept(task, outcome, error)
        return outcome if claimed.twin is None else duplicate(outcome, claimed)

    async def _claim(self, pool: Pool, task: Task, outcome: Outcome) -> Claimed:
        claimed = await pool.claim(_text_of(outcome), task.id, alike=False)
        if claimed.twin is None and self.gated:
            (item,) = outcome.items
            claimed = await pool.claim(gated_text(item.fields, self.gated), task.id)
        return claimed


class Local:
    """Runs tasks in this process: records from the store, the flow, admission."""

    def __init__(
        self, worker: Worker, admission: Admission, graph: KnowledgeGraph | None, round_: Round | None = None
    ) -> None:
        self._worker = worker
        self._admission = admission
        self._graph = graph
        self._round = round_ or Round()

    def withdraw(self) -> None:
        """Nothing: every task that was handed over has begun."""

    async def run(self, task: Task) -> Outcome:
        """Runs `task`, commits its outcome, and returns it.

        Raises:
            BudgetExceeded, AccessDenied, ServerLost, ConfigError, StoreError: the campaign must stop; the task stays
                pending.
        """
        admission = self._admission
        try:
            outcome = await self._worker.outcome(work_of(task, admission.store, self._graph, self._round))
        except NotStored as error:  # a planner named a record that is not there
            outcome = failure_of(task, admission.kind, error, Usage(), Lineage())
        except FATAL:
            await admission.pool.release(task.id)
            raise
        return await admission.admit(task, outcome)


def work_of(task: Task, store: RunStore, graph: KnowledgeGraph | None, round_: Round) -> Work:
    """Gathers the records that a task starts from; raises `NotStored` when one is not there."""
    chunks = tuple(store.chunk(key) for key in task.chunks)
    if graph is None:
        return Work.model_construct(
            task=task,
            chunks=chunks,
            refinement=refinement_of(task, store),
            round=round_.number,
            precedents=round_.version,
        )
    entities, relations = (_today(store, keys, graph, task) for keys in (task.entities, task.relations))
    return Work.model_construct(
        task=task,
        chunks=chunks,
        entities=tuple(graph.entities[key] for key in entities),
        relations=tuple(graph.relations[key] for key in relations),
        refinement=refinement_of(task, store),
        round=round_.number,
        precedents=round_.version,
    )


def _today(store: RunStore, keys: Sequence[str], graph: KnowledgeGraph, task: Task) -> Iterable[str]:
    """What ids lead to now: an entity may have been merged since a task was drawn from it. Each once.

    What a person sent back is mended by its passages, also where the graph has lost what it was drawn from.
    """
    away = [key for key in keys if key not in graph.entities and key not in graph.relations]
    if not away:
        return keys
    now = Identities(store).today(away)
    lost = {key for key in away if now[key] not in graph.entities and now[key] not in graph.relations}
    if lost and not is_refine(task):
        raise NotStored(f"the graph has no entity or relation with id '{min(lost)}'")
    return dict.fromkeys(now.get(key, key) for key in keys if key not in lost)


def _text_of(outcome: Outcome) -> str:
    return "\n".join(message.content for item in outcome.items for message in item.messages)
