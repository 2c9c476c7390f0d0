"""Preference pairs: what was accepted against what was turned down, for the very same prompt.

Three sources. *Refinement*: the accepted text against an earlier draft of the same item that a verdict sent back or
rejected. *Edit*: a person's wording against the draft that they edited. *Rejection*: an accepted item against a
rejected one of the same kind and prompt, made from the same task or chunks. Of the first and the last a pair is made
only when the verdict speaks against the answer: a duplicate is not a worse answer, nor one in whose place a person
took another. Where an item's prompt is not that of its draft, as when a question was written anew before it was
answered, the better half is the next draft with the draft's own prompt that a verdict accepted. Of an item and the one
that it was sent back for, the refinement says it once; where the person took the note back, only what the critics said
of the first counts, as between any two.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from ..records import Decision, Draft, Item, Message, Status, Verdict
from ..returns import REFINES
from ..reviews import Action, Review
from .shapes import LeftOut, Row, turns

SUPERSEDED = "superseded"  # the reason of an accepted item in whose place another version of it counts
NOT_ABOUT_THE_ANSWER = frozenset(
    {"duplicate", "near_duplicate", "unsuitable", "trivial", "too_easy", "wrong_kind", "off_topic", "unanswerable"}
    | {"same_idea", SUPERSEDED}
)
KEPT_BACK = frozenset({"pii", "secret", "contaminated"})
"""Reasons of a text that is in no data set, not as the worse half either: somebody's address, a benchmark's words."""


@dataclass
class RejectionPairs:
    """Matches accepted with rejected items by prompt, in two passes over the same items.

    The first (`note`) keeps 16 bytes for each prompt, the second (`match`) items whose prompt both sides have, until
    all of them are there. Of a prompt that was tried often, every rejected answer is in one pair, and the accepted ones
    take turns: all with all would be mostly of the few prompts that are hardest.
    """

    _accepted: Counter[bytes] = field(default_factory=Counter)
    _rejected: Counter[bytes] = field(default_factory=Counter)
    _waiting: dict[bytes, list[Item]] = field(default_factory=dict)

    def note(self, item: Item) -> None:
        """Remembers the prompt of an accepted or rejected item."""
        if (key := _key(item)) is not None:
            (self._accepted if item.status is Status.ACCEPTED else self._rejected)[key] += 1

    def waits(self, item: Item) -> bool:
        """Says whether a partner of `item` may still come."""
        key = _key(item)
        return key is not None and key in self._accepted and key in self._rejected

    def match(self, item: Item) -> Iterator[tuple[Item, Item]]:
        """Yields (accepted, rejected) for all items of this prompt once `item` is the last of them."""
        key = _key(item)
        if key is None or not self.waits(item):
            return
        self._waiting.setdefault(key, []).append(item)
        if len(self._waiting[key]) >= self._accepted[key] + self._rejected[key]:
            yield from _matched(self._waiting.pop(key))

    def rest(self) -> Iterator[tuple[Item, Item]]:
        """Yields those of prompts of which an item that was noted did not come again."""
        for items in self._waiting.values():
            yield from _matched(items)
        self._waiting = {}


def _matched(items: Sequence[Item]) -> Iterator[tuple[Item, Item]]:
    accepted = [item for item in items if item.status is Status.ACCEPTED]
    taken: Counter[str] = Counter()
    for worse in items:
        if worse.status is Status.ACCEPTED:
            continue
        if able := [better for better in accepted if _pairs(better, worse)]:
            chosen = min(able, key=lambda better: (_same_answer(better, worse), taken[better.id]))
            taken[chosen.id] += 1
            yield chosen, worse


def _same_answer(left: Item, right: Item) -> bool:
    return left.messages[-1].content.split() == right.messages[-1].content.split()


def rejection_pair(accepted: Item, rejected: Item) -> Row | LeftOut:
    """Returns the pair of two items with the same prompt, or why there is none."""
    verdict = _last(rejected.verdicts, Decision.REJECT, Decision.REVISE)
    try:
        if KEPT_BACK.intersection(rejected.reasons):
            raise LeftOut("kept_back")
        return _pair(
            accepted,
            accepted.id,
            rejected.messages[-1],
            origin="rejection",
            rejected_from=rejected.id,
            reasons=rejected.reasons,
            critique=verdict.text if verdict is not None else "",
        )
    except LeftOut as left_out:
        return left_out


def refinement_pairs(item: Item, decision: Review | None = None) -> Iterator[Row | LeftOut]:
    """Yields, for each draft of an accepted item that was turned down, a pair or why there is none.

    The last draft is no worse half, unless a person edited it, as `decision` says: then it is one whatever the critics
    said of it, and its wording is not the item's.
    """
    edited = len(item.drafts) - 2 if decision is not None and decision.action is Action.EDIT else -1
    for place, draft in enumerate(item.drafts):
        if draft.messages == item.messages:
            continue
        against = [
            verdict
            for verdict in item.verdicts
            if verdict.draft == draft.index and verdict.decision is not Decision.ACCEPT
        ]
        if not against and place != edited:
            continue
        reasons = tuple(dict.fromkeys(reason for verdict in against for reason in verdict.reasons))
        texts = [verdict.text for verdict in against if verdict.text]
        origin = "refinement"
        if decision is not None and place == edited:
            origin, texts = "edit", [decision.note] if decision.note else texts
        try:
            yield _refinement(item, draft, reasons, "\n".join(texts), origin)
        except LeftOut as left_out:
            yield left_out


def _refinement(item: Item, draft: Draft, reasons: tuple[str, ...], critique: str, origin: str) -> Row:
    if origin == "refinement" and reasons and set(reasons) <= NOT_ABOUT_THE_ANSWER:
        raise LeftOut("reason_not_about_the_answer")
    if KEPT_BACK.intersection(reasons):
        raise LeftOut("kept_back")
    if not _answered(item.messages) or not _answered(draft.messages):
        raise LeftOut("no_prompt")
    better: Item | Draft | None = item
    if draft.messages[:-1] != item.messages[:-1]:
        better = _better(item, draft)
    if better is None:
        raise LeftOut("prompt_changed")
    return _pair(
        better,
        item.id if isinstance(better, Item) else f"{item.id}/draft/{better.index}",
        draft.messages[-1],
        origin=origin,
        rejected_from=f"{item.id}/draft/{draft.index}",
        reasons=reasons,
        critique=critique,
    )


def _better(item: Item, draft: Draft) -> Draft | None:
    """The first draft behind `draft` with the same prompt that a verdict accepted and none spoke against."""
    accepted = {verdict.draft for verdict in item.verdicts if verdict.decision is Decision.ACCEPT}
    refused = {verdict.draft for verdict in item.verdicts if verdict.decision is not Decision.ACCEPT}
    behind = (one for one in item.drafts if one.index > draft.index and one.messages[:-1] == draft.messages[:-1])
    return next((one for one in behind if one.index in accepted - refused and _answered(one.messages)), None)


def _pair(
    better: Item | Draft,
    chosen_from: str,
    rejected: Message,
    *,
    origin: str,
    rejected_from: str,
    reasons: Sequence[str],
    critique: str,
) -> Row:
    if rejected.content.split() == better.messages[-1].content.split():
        raise LeftOut("same_answer")
    return {
        "prompt": turns(better.messages[:-1]),
        "chosen": turns(better.messages[-1:]),
        "rejected": turns([rejected]),
        "origin": origin,
        "chosen_from": chosen_from,
        "rejected_from": rejected_from,
        "reasons": list(reasons),
        "critique": critique,
    }


def _key(item: Item) -> bytes | None:
    """Hashes kind and prompt; None for an item that can be on neither side of a pair."""
    if item.status not in (Status.ACCEPTED, Status.REJECTED) or not _answered(item.messages):
        return None
    if item.status is Status.REJECTED and item.reasons and set(item.reasons) <= NOT_ABOUT_THE_ANSWER:
        return None
    return hashlib.blake2b(orjson.dumps([item.kind, turns(item.messages[:-1])]), digest_size=16).digest()


def _answered(messages: Sequence[Message]) -> bool:
    return len(messages) > 1 and messages[-1].role == "assistant" and bool(messages[-1].content.strip())


def _pairs(accepted: Item, rejected: Item) -> bool:
    """Whether they are from one source, and the rejected one is none that the accepted was made from by a note."""
    if accepted.attributes.get(REFINES) == rejected.id:
        same = {draft.index for draft in accepted.drafts if draft.messages == rejected.messages}
        if any(one.draft in same and one.decision is not Decision.ACCEPT for one in accepted.verdicts):
            return False  # it is a draft of the accepted item, too, with the note against it: a refinement
    return _same_source(accepted, rejected)


def _same_source(left: Item, right: Item) -> bool:
    return left.task == right.task or (bool(left.chunks) and set(left.chunks) == set(right.chunks))


def _last(verdicts: Sequence[Verdict], *decisions: Decision) -> Verdict | None:
    return next((verdict for verdict in reversed(verdicts) if verdict.decision in decisions), None)
