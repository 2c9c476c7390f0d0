"""Decisions of people that critics are shown as examples, and the rounds of a campaign in which they were.

A set of precedents is named by the hash of all that a critic sees of it, so that an item can say by which one it was
judged, and a worker can check that it has the right one. Nothing here knows how a prompt looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import AwareDatetime, Field

from ..errors import NotStored, StoreError
from .chunking import count_tokens
from .records import Decision, Item, Record, Verdict, content_id
from .reviews import REVIEWER, Action, Review, Reviews, decision_of, is_precedent
from .store import RunStore

ROUNDS = "rounds"  # the mark that lists them
DRAFT, REMARK = 1600, 400  # characters kept of a draft or of its new wording, and of a note or a critic's comment
QUOTES = 3  # quotes of the source that are kept
RESERVE = 4  # times as many on either side as are shown: for items whose own document has to be left out
FRAME = 60  # tokens of the words around a precedent's texts
DECIDED = {
    Action.ACCEPT: Decision.ACCEPT,
    Action.EDIT: Decision.REVISE,
    Action.SEND_BACK: Decision.REVISE,
    Action.REJECT: Decision.REJECT,
}


class Said(Record):
    """What a critic had said of the draft."""

    critic: str
    decision: Decision
    reasons: tuple[str, ...] = ()
    text: str = ""


class Precedent(Record):
    """A draft that a person judged: what the critics had said, what the person decided, and why.

    `wording` is the draft as the person rewrote it, empty where it was not. `documents` are the ids of those that the
    draft was made from. `tokens` is about what it takes in a prompt. Texts are cut in their middle when they are long.
    """

    item: str
    documents: tuple[str, ...]
    draft: str
    decision: Decision
    at: AwareDatetime
    quotes: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()
    reasons: tuple[str, ...] = ()
    note: str = ""
    wording: str = ""
    tokens: int = 0

    @property
    def overruled(self) -> bool:
        """Whether a critic had said otherwise than the person."""
        good = self.decision is Decision.ACCEPT
        return any((said.decision is Decision.ACCEPT) is not good for said in self.said)


class PrecedentSet(Record):
    """The precedents of a round, the most instructive first, and how many of them a critic is shown at most.

    There are more than that, so that one whose document is the judged item's own can be replaced. `template` is the
    version of the prompt that shows them.
    """

    precedents: tuple[Precedent, ...] = ()
    most: int = 8
    max_tokens: int = 2000
    template: str = ""

    @property
    def version(self) -> str:
        """24 hex digits of a hash of all this; empty when there are no precedents, whatever the rest says."""
        if not self.precedents:
            return ""
        return content_id("precedents", self.model_dump(mode="json")).partition("-")[2]


class Round(Record):
    """A stretch of a campaign in which critics were told the same.

    `version` and `precedents` are the set's and its size; `minimum` the least scores that critics had to give.
    `after` is the number of the last item that ended before it.
    """

    number: int = Field(default=1, ge=1)
    version: str = ""
    precedents: int = 0
    minimum: dict[str, float] = Field(default_factory=dict)
    began: AwareDatetime | None = None
    after: int = 0


def gather(store: RunStore, *, most: int = 8, max_tokens: int = 2000, template: str = "") -> PrecedentSet:
    """Returns the set that people's marks make now.

    Those that overrule a critic come first, then those that say why, then the newest. A draft whose documents are not
    known is none: it could be of the same one as the item judged.
    """
    found = sorted(marked(store), key=lambda one: one.item)
    found.sort(key=lambda one: (one.overruled, bool(one.note or one.wording or one.reasons), one.at), reverse=True)
    sides: dict[bool, list[Precedent]] = {True: [], False: []}
    for one in found if most else ():
        side = sides[one.decision is Decision.ACCEPT]
        if len(side) < RESERVE * most:
            side.append(one)
    kept = {one.item for side in sides.values() for one in side}
    chosen = tuple(one for one in found if one.item in kept)
    return PrecedentSet(precedents=chosen, most=most, max_tokens=max_tokens, template=template)


def marked(store: RunStore) -> Iterator[Precedent]:
    """Yields all that people have marked, as far as a critic can be shown it."""
    reviews = Reviews(store)
    for (id,) in store.rows("SELECT DISTINCT item FROM reviews WHERE action = ? ORDER BY item", Action.PRECEDENT.value):
        history = reviews.history(id)
        decision = decision_of(history)
        if decision is None or not is_precedent(history):
            continue
        try:
            item = store.item(id)
            documents = tuple(dict.fromkeys(store.document_of(chunk) for chunk in item.chunks))
        except StoreError:  # its failed task runs again
            continue
        if item.messages and documents:
            yield precedent_of(item, decision, documents, remark_of(history))


def remark_of(history: Sequence[Review]) -> str:
    """Returns what a person wrote when they marked the decision that stands: it was decided without a note then."""
    marks = [one for one in history if one.action in {Action.PRECEDENT, Action.NO_PRECEDENT} or one.action in DECIDED]
    return marks[-1].note if marks and marks[-1].action is Action.PRECEDENT else ""


def precedent_of(item: Item, decision: Review, documents: Sequence[str], remark: str = "") -> Precedent:
    """Makes a precedent of an item and the decision that stands on it. `remark` is what its mark says besides."""
    draft = cut("\n\n".join(message.content for message in item.messages), DRAFT)
    wording = cut("\n\n".join(message.content for message in decision.messages), DRAFT)
    quotes = tuple(cut(span.quote, REMARK) for span in item.evidence[:QUOTES] if span.quote.strip())
    said = tuple(
        Said(critic=one.by, decision=one.decision, reasons=one.reasons, text=cut(one.text, REMARK))
        for one in last_verdicts(item).values()
        if one.prompt or not any(other.prompt for other in item.verdicts)  # a program learns nothing from examples
    )
    note = cut("\n".join(filter(None, (decision.note, remark))), REMARK)
    texts = (draft, wording, note, *quotes, *(one.text for one in said))
    return Precedent(
        item=item.id,
        documents=tuple(documents),
        draft=draft,
        decision=DECIDED[decision.action],
        at=decision.at,
        quotes=quotes,
        said=said,
        reasons=decision.reasons,
        note=note,
        wording=wording,
        tokens=FRAME + sum(count_tokens(text) for text in texts if text),
    )


def last_verdicts(item: Item) -> Mapping[str, Verdict]:
    """Returns each critic's last verdict on the item's last draft, by critic: what is judged when a person decides.

    A person's own is none: where nothing came of a note, it stands on the last draft.
    """
    last = item.drafts[-1].index if item.drafts else 0
    return {verdict.by: verdict for verdict in item.verdicts if verdict.draft == last and verdict.by != REVIEWER}


def cut(text: str, most: int) -> str:
    """Returns `text`, without its middle when it has more than `most` characters."""
    text = text.strip()
    return text if len(text) <= most else f"{text[: most // 2].rstrip()} […] {text[-(most // 2) :].lstrip()}"


def rounds_of(store: RunStore) -> list[Round]:
    """Returns the rounds of a run, the first one first; none before its first start."""
    return [Round.model_validate(one) for one in store.mark(ROUNDS) or []]


def mark_of(version: str) -> str:
    """Returns the name of the mark under which the store keeps a set."""
    return f"precedents {version}"


def read_set(body: object, version: str) -> PrecedentSet:
    """Returns a set from its JSON values; raises `NotStored` when it is missing or another than `version` names."""
    if body is None:
        raise NotStored(f"the precedents {version} are nowhere; start the coordinator again, which tells them anew")
    found = PrecedentSet.model_validate(body)
    if found.version != version:
        raise NotStored(f"what is kept as precedents {version} are {found.version or 'none'}; they were changed")
    return found
