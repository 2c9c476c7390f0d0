"""Asks a model about the grey zone: pairs that rules neither join nor keep apart, with both contexts before it.

Each answer becomes a ruling, stored before the next question needs it, so a pair is paid for once and never again. The
pairs are those that rules and people leave open, whatever models said of others, so neither the order of the answers
nor an interruption changes what is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from ...agents.names import one_line
from ...agents.state import FlowContext, NodeInfo
from ...errors import AccessDenied, ModelError, SchemaMismatch, ServerLost
from ...prompts.schemas import SameEntity
from ...storage.records import Record, Span, Usage, content_id
from ...storage.rulings import Ruled, Ruling, in_force
from ..knowledge.each import for_each
from .found import ranked
from .references import Reference
from .resolve import resolve
from .settings import Doubt, ResolutionSettings
from .types import Types

ASKS = (NodeInfo("resolver", "same-entity", frozenset({"entries"}), answer=SameEntity),)
SENTENCES, WIDTH = 4, 300  # passages of each side that are shown, and the characters of each on either side of the name
DESCRIPTIONS, ALIASES, NEIGHBOURS = 6, 6, 12
LONGEST = 400  # characters of a description that are shown
ACTIONS = {"same": Ruled.MERGE, "different": Ruled.SPLIT, "unsure": Ruled.UNSURE}


class JudgeBooks(Record):
    """What became of the doubtful pairs: `doubts = known + asked + failed + beyond`.

    known:  a model answered before.
    asked:  it answered now, by decision (`merge`, `split`, `unsure`).
    failed: by the error's reason; the pair stays a doubt.
    beyond: more than `max_model_pairs`.
    """

    doubts: int = 0
    known: int = 0
    asked: dict[str, int] = Field(default_factory=dict)
    failed: dict[str, int] = Field(default_factory=dict)
    beyond: int = 0
    usage: Usage = Usage()

    @property
    def balanced(self) -> bool:
        """Whether every pair is accounted for."""
        return self.doubts == self.known + sum(self.asked.values()) + sum(self.failed.values()) + self.beyond


async def judge(
    references: Mapping[str, Reference],
    rulings: Iterable[Ruling],
    context: FlowContext,
    *,
    text_of: Callable[[str], str],
    store: Callable[[Ruling], Awaitable[None]] | None = None,
    settings: ResolutionSettings | None = None,
    types: Types | None = None,
    role: str = "resolver",
    prompt: str = "same-entity",
    concurrency: int = 16,
) -> tuple[list[Ruling], JudgeBooks]:
    """Asks about the most likely pairs of the grey zone, `settings.max_model_pairs` at most; each fails alone.

    `text_of` gives a chunk's text by its id. `store` is awaited with each ruling as it comes.

    Returns:
        The new rulings, by pair, and the books. Resolve again with them and the old ones.

    Raises:
        AccessDenied, ServerLost, BudgetExceeded, ConfigError: every further call would fail too.
    """
    settings, rulings = settings or ResolutionSettings(), list(rulings)
    everything = open_pairs(references, rulings, settings, types)
    chosen = everything[: settings.max_model_pairs]
    known = {(one.left, one.right) for one in in_force(rulings) if not one.personal}
    waiting = [doubt for doubt in chosen if (doubt.left, doubt.right) not in known]
    made: list[Ruling] = []
    failed: Counter[str] = Counter()
    usage: list[Usage] = []

    async def one(doubt: Doubt) -> None:
        sides = [references[doubt.left], references[doubt.right]]
        try:
            entries = [entry_of(side, text_of) for side in sides]
            reply = await context.ask(role, prompt, {"entries": entries})
            usage.append(reply.usage)
            if not isinstance(reply.parsed, SameEntity):
                raise SchemaMismatch(
                    f"prompt '{prompt}' was answered with {type(reply.parsed).__name__}, not SameEntity; give it "
                    f"`schema: SameEntity` in its front matter, and its model the repair layer that parses",
                    raw=reply.text,
                )
        except (AccessDenied, ServerLost):
            raise
        except ModelError as error:
            failed[error.reason] += 1
            return
        by = f"{one_line(reply.model) or 'model'}: {prompt}@{context.prompts.get(prompt).version}"[:300]
        made.append(_ruling(doubt, reply.parsed, by))
        if store is not None:
            await store(made[-1])

    await for_each(waiting, one, concurrency=concurrency)
    books = JudgeBooks(
        doubts=len(everything),
        known=len(chosen) - len(waiting),
        asked=dict(sorted(Counter(str(ruling.action) for ruling in made).items())),
        failed=dict(sorted(failed.items())),
        beyond=len(everything) - len(chosen),
        usage=sum(usage, Usage()),
    )
    return sorted(made, key=lambda ruling: (ruling.left, ruling.right)), books


def open_pairs(
    references: Mapping[str, Reference],
    rulings: Iterable[Ruling],
    settings: ResolutionSettings,
    types: Types | None = None,
) -> Sequence[Doubt]:
    """Returns the pairs that rules and people leave open, the most likely first; what models said does not count."""
    personal = [one for one in rulings if one.personal]
    doubts = resolve(references, personal, settings, types=types).doubts
    return sorted(doubts, key=lambda doubt: (-doubt.score, doubt.left, doubt.right))


def entry_of(reference: Reference, text_of: Callable[[str], str]) -> dict[str, Any]:
    """Returns what a model is shown of a reference: names, type, descriptions, sentences of the sources, neighbours."""
    content = reference.content
    aliases = [name for name in (*ranked(content.names), *ranked(content.aliases)) if name != reference.name]
    return {
        "name": reference.name,
        "type": reference.type,
        "aliases": list(dict.fromkeys(aliases))[:ALIASES],
        "descriptions": [text[:LONGEST] for text in ranked(content.descriptions)[:DESCRIPTIONS]],
        "evidence": [passage(text_of(span.chunk), span) for span in _spread(content.spans())],
        "neighbours": sorted(reference.neighbours)[:NEIGHBOURS],
    }


def passage(text: str, span: Span) -> str:
    """Returns the sentence around a span, or so much of it as `WIDTH` on either side has, on one line."""
    start = max(0, span.start - WIDTH)
    end = min(len(text), span.end + WIDTH)
    before = max(text.rfind(mark, start, span.start) for mark in (". ", "? ", "! ", "\n"))
    after = min((at for mark in (". ", "? ", "! ", "\n") if (at := text.find(mark, span.end, end)) >= 0), default=end)
    return " ".join(text[start if before < 0 else before + 1 : after + 1].split())


def _spread(spans: Sequence[Span]) -> list[Span]:
    """A few mentions, of as many chunks as there are."""
    first: dict[str, Span] = {}
    for span in spans:
        first.setdefault(span.chunk, span)
    rest = [span for span in spans if first[span.chunk] is not span]
    return [*first.values(), *rest][:SENTENCES]


def _ruling(doubt: Doubt, answer: SameEntity, by: str) -> Ruling:
    return Ruling(
        id=content_id("ruling", doubt.left, doubt.right, by),
        action=ACTIONS[answer.decision],
        left=doubt.left,
        right=doubt.right,
        reason=one_line(answer.reason)[:500],
        score=answer.confidence,
        by=by,
        at=datetime.now(UTC),
    )
