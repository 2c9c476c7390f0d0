"""Which decisions of people a critic is shown before the draft that it judges, and how.

The same for all items of a round, so that a server's prefix cache holds them, but for one rule: never one from a
document that the judged item is made from. The texts are data of others, wrapped as such.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from ..prompts.library import PromptLibrary
from ..storage.precedents import Precedent, PrecedentSet
from ..storage.records import Decision
from .names import code_of

PROMPT = "show-precedents"


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands before a critic's prompt, and what its version adds to the prompt's: `+p` and 8 hex digits."""

    text: str
    mark: str


@dataclass(frozen=True)
class Precedents:
    """The set of a round, ready to be shown. `version` is the set's."""

    chosen: PrecedentSet
    version: str
    _shown: dict[tuple[str, tuple[str, ...]], Shown] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, chosen: PrecedentSet) -> Precedents | None:
        """Returns None for an empty set: prompts then are what they are without this."""
        return cls(chosen, version) if (version := chosen.version) else None

    def to(self, critic: str, documents: Collection[str], prompts: PromptLibrary) -> Shown | None:
        """Returns what `critic` is shown before an item made from `documents`; None for nothing.

        Raises `PromptError` when the prompt of a user's own that shows them does not render.
        """
        few = choose(self.chosen, critic, documents)
        if not few:
            return None
        key = critic, tuple(one.item for one in few)
        found = self._shown.get(key)
        if found is None:
            values = {"precedents": [values_of(one, critic) for one in few]}
            text = "\n\n".join(message.content for message in prompts.get(PROMPT).render(values))
            found = self._shown[key] = Shown(text, f"+p{self.version[:8]}")
        return found


def choose(chosen: PrecedentSet, critic: str, documents: Collection[str]) -> tuple[Precedent, ...]:
    """Returns the precedents that `critic` is shown, in their order, accepted and not accepted drafts in turn.

    None is from one of `documents`; where these are not known, there are none at all. Either side has half of the
    places at most, so that many decisions of one kind do not teach the critic to say always the same.
    """
    if not documents:
        return ()
    fits = [one for one in chosen.precedents if not set(one.documents) & set(documents) and teaches(one, critic)]
    accepted = [one for one in fits if one.decision is Decision.ACCEPT]
    others = [one for one in fits if one.decision is not Decision.ACCEPT]
    half, left = (chosen.most + 1) // 2, chosen.max_tokens
    sides, found = {True: 0, False: 0}, list[Precedent]()
    for one in (one for pair in zip_longest(accepted, others) for one in pair if one is not None):
        side = one.decision is Decision.ACCEPT
        if len(found) < chosen.most and sides[side] < half and one.tokens <= left:
            found.append(one)
            sides[side] += 1
            left -= one.tokens
    return tuple(found)


def teaches(one: Precedent, critic: str) -> bool:
    """Whether the decision says something of what `critic` said of that draft.

    A person who accepts says that every judge should have; one who does not says nothing against the judges of a panel
    that looked at another thing and had accepted it.
    """
    said = next((said for said in one.said if said.critic == critic), None)
    if said is None:
        return False
    return one.decision is Decision.ACCEPT or said.decision is not Decision.ACCEPT or len(one.said) == 1


def values_of(one: Precedent, critic: str) -> Mapping[str, Any]:
    """Returns what the prompt is told of a precedent. Codes stand outside of the tags, so they are made codes."""
    said = next(said for said in one.said if said.critic == critic)
    return {
        "draft": one.draft,
        "quotes": one.quotes,
        "said": said.decision.value,
        "given": _codes(said.reasons),
        "comment": said.text,
        "decision": one.decision.value,
        "reasons": _codes(one.reasons),
        "note": one.note,
        "wording": one.wording,
    }


def _codes(reasons: Collection[str]) -> list[str]:
    return [code for reason in reasons if (code := code_of(reason))]
