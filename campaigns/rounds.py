"""The rounds of a campaign: a new one begins when people's decisions have changed what its critics are told.

A start takes up what is decided by then and keeps it to its end, so that all that it judges is judged alike.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..agents.precedents import PROMPT, Precedents
from ..agents.state import FlowContext
from ..errors import ConfigError
from ..prompts.library import PromptLibrary
from ..storage.precedents import ROUNDS, PrecedentSet, Round, gather, mark_of, read_set, rounds_of
from ..storage.store import RunStore, mark_statement
from .spec import CampaignSpec


def set_now(spec: CampaignSpec, store: RunStore, prompts: PromptLibrary) -> PrecedentSet:
    """Returns the precedents that people's marks make now, within what the campaign allows."""
    allowed = spec.precedents
    return gather(store, most=allowed.most, max_tokens=allowed.max_tokens, template=prompts.get(PROMPT).version)


async def open_round(spec: CampaignSpec, store: RunStore, prompts: PromptLibrary) -> tuple[Round, Precedents | None]:
    """Returns the round that this start works in, and its precedents; both are in the store by then.

    It is a new one when the precedents or the least scores differ from the last start's; a round in which nothing was
    made is begun anew under its number.
    """
    before = rounds_of(store)
    found = set_now(spec, store, prompts)
    ((last,),) = store.rows("SELECT coalesce(max(seq), 0) FROM items")
    now = Round(
        version=found.version,
        precedents=len(found.precedents),
        minimum=minimum_of(spec),
        began=datetime.now(UTC),
        after=last,
    )
    if not before and last:  # a run of before there were rounds: nothing was shown to its critics
        before = [Round(minimum=now.minimum)]
    if before and (before[-1].version, before[-1].minimum) == (now.version, now.minimum):
        now = before.pop()
    elif before:
        made = before[-1].after < last
        now = now.model_copy(update={"number": before[-1].number + made})
        before = before if made else before[:-1]
    marks = [mark_statement(ROUNDS, [one.model_dump(mode="json") for one in (*before, now)])]
    if now.version:
        marks.append(mark_statement(mark_of(now.version), found.model_dump(mode="json")))
    await store.write(*marks)
    return now, Precedents.of(found)


def minimum_of(spec: CampaignSpec) -> dict[str, float]:
    """Returns the least scores that the campaign's options ask of its critics."""
    found = spec.options.get("minimum")
    return dict(found) if isinstance(found, dict) else {}


async def _none(version: str) -> object:
    raise ConfigError(f"a task comes with precedents {version}, and nothing here knows where precedents are")


@dataclass
class Contexts:
    """The contexts that tasks run in: one for each set of precedents, `plain` for tasks without.

    `fetch` gives the JSON values of the set that a version names, None where there is none; they are checked here.
    """

    plain: FlowContext
    fetch: Callable[[str], Awaitable[object]] = _none
    _known: dict[str, FlowContext] = field(default_factory=dict)

    def add(self, precedents: Precedents | None) -> None:
        """Makes a set known that need not be fetched."""
        if precedents is not None:
            self._known[precedents.version] = replace(self.plain, precedents=precedents)

    async def of(self, version: str) -> FlowContext:
        """Returns the context for tasks that come with the precedents `version`, "" for none.

        Raises:
            StoreError: they are missing or were changed.
            ConfigError: this process would show them by another prompt.
        """
        if not version:
            return self.plain
        if version not in self._known:
            found = read_set(await self.fetch(version), version)
            if found.template != (mine := self.plain.prompts.get(PROMPT).version):
                raise ConfigError(
                    f"the coordinator shows precedents by version {found.template} of the prompt '{PROMPT}', this "
                    f"worker has {mine}; bring both to the same prompt folders"
                )
            self.add(Precedents.of(found))
        return self._known[version]
