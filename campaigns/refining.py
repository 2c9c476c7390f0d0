"""How a task runs whose item a person sent back: from the item's last draft and the note, or the whole flow anew."""

from __future__ import annotations

from collections.abc import Sequence

from ..agents.state import FlowState, Pool
from ..agents.variables import EARLIER
from ..evals.duplicates.claimed import Claimed
from ..storage.queue import Refinement, Work
from ..storage.records import Decision, Task, Verdict
from ..storage.returns import NOTE, REFINES, is_refine, sent_back_item, versions_of
from ..storage.reviews import REVIEWER
from ..storage.store import RunStore


def refinement_of(task: Task, store: RunStore) -> Refinement | None:
    """Returns what a refine task goes on from; None for any other task."""
    if not is_refine(task):
        return None
    item = sent_back_item(task, store)
    return Refinement(
        item=task.attributes[REFINES],
        note=task.attributes[NOTE],
        draft=item.drafts[-1] if item is not None and item.drafts else None,
        versions=versions_of(task, store),
    )


def first_state(work: Work, *, at_refine: bool) -> FlowState:
    """Returns the state that a task's flow starts from.

    At the refine node the last draft is there, with the note as a person's verdict on it. Before the whole flow the
    draft's text stands among the values, for a generator to see what was sent back.
    """
    state: FlowState = {
        "task": work.task,
        "chunks": list(work.chunks),
        "entities": list(work.entities),
        "relations": list(work.relations),
    }
    found = work.refinement
    if found is None or found.draft is None:
        return state
    if not at_refine:
        text = "\n\n".join(message.content for message in found.draft.messages)
        return {**state, "values": {EARLIER: text}}
    asked = Verdict(by=REVIEWER, draft=0, decision=Decision.REVISE, text=found.note)
    return {**state, "drafts": [found.draft.model_copy(update={"index": 0})], "verdicts": [asked]}


class VersionsPool:
    """A pool in which the versions of one item are no duplicates of each other. Implements `agents.state.Pool`.

    `versions` are the ids of their tasks. A text that another version holds stays with that version.
    """

    def __init__(self, pool: Pool, versions: tuple[str, ...]) -> None:
        self._pool = pool
        self._versions = versions

    async def claim(self, text: str, owner: str, *, alike: bool = True, besides: Sequence[str] = ()) -> Claimed:
        """Takes `text` for `owner`, unless another owner that is no version holds its like."""
        return await self._pool.claim(text, owner, alike=alike, besides=(*self._versions, *besides))

    async def held(self, owner: str) -> list[bytes]:
        return await self._pool.held(owner)

    async def keep(self, owner: str) -> None:
        await self._pool.keep(owner)

    async def release(self, owner: str) -> None:
        await self._pool.release(owner)
