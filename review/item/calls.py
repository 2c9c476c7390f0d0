"""The calls behind an item, step by step: what the models answered as received, and what each answer took.

Replies stand in the run's store under the keys that drafts and verdicts name. They are read here for people, with less
demands than a campaign has: what is no reply in the openai protocol's shape is shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ...models.redact import redact
from ...storage.records import Call, Item

SHOWN = 100_000  # characters of one reply
ALL = 400_000  # characters of all replies of an item
KEYS = 200  # replies of an item that are read
NOT_TOLD = (
    "Which calls made it is not kept: this item is from a gristmill that did not note them, or from a flow of "
    "your own that does not name them."
)
NO_CACHE = "The raw reply is not kept: the campaign ran without a cache."
GONE = "The raw reply is not kept: it was no longer in the fleet's cache, or the run's calls were removed."
FAILED = "The call failed, so there is no reply that could be read; what came is among what went wrong."
TOO_MANY = "The item has more raw replies than are shown here."


@dataclass(frozen=True, slots=True)
class Reply:
    """A kept body, read: one text a choice as the model wrote it, its thoughts where the server tells them apart.

    `whole` is the body as received, where no text could be found in it. `cut` counts the characters that are left out.
    """

    texts: tuple[str, ...] = ()
    thoughts: tuple[str, ...] = ()
    finish: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    whole: str = ""
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a step: what the books say, and its reply, or `why` there is none to show."""

    call: Call
    model: str
    reply: Reply | None = None
    why: str = ""

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens in and out: as booked, or of an answer from the cache as the server counted them when it was made."""
        booked = self.call.input_tokens, self.call.output_tokens
        if self.reply is None or booked != (0, 0):
            return booked
        return self.reply.input_tokens, self.reply.output_tokens


@dataclass(frozen=True, slots=True)
class Step:
    """What some calls were for: a draft, a verdict, or what a role did besides (`draft` is None)."""

    what: str
    by: str
    draft: int | None
    prompt: str
    calls: tuple[Asked, ...]

    @property
    def input_tokens(self) -> int:
        return sum(one.tokens[0] for one in self.calls)

    @property
    def output_tokens(self) -> int:
        return sum(one.tokens[1] for one in self.calls)

    @property
    def usd(self) -> float:
        return sum(one.call.usd for one in self.calls)

    @property
    def seconds(self) -> float:
        """Model time; calls of one step may have been in flight together."""
        return sum(one.call.seconds for one in self.calls)


def keys_of(item: Item) -> list[str]:
    """Returns the keys of the replies that the page of `item` shows."""
    return [call.key for call in item.all_calls if call.key][:KEYS]


def steps_of(item: Item, bodies: Mapping[str, bytes]) -> tuple[Step, ...]:
    """Returns the steps that asked a model: first what belongs to no draft, then each draft and the verdicts on it.

    `bodies` are the kept replies by key. Empty for an item that names no call.
    """
    reader = _Reader(item, bodies, set(keys_of(item)))
    return tuple(reader.steps())


def said_without(item: Item) -> str:
    """Returns why an item that names no call has none to show; "" where models were not asked."""
    return NOT_TOLD if not item.all_calls and item.usage.calls + item.usage.cached_calls else ""


def read(raw: bytes, most: int = SHOWN) -> Reply:
    """Reads a kept body, hostile as it may be; at most `most` characters of it."""
    text = raw.decode("utf-8", "replace")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _bare(text, most)
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list):
        return _bare(text, most)
    messages = [_message(choice) for choice in choices]
    texts = [said for message in messages if (said := _text(message, "content", "text", "refusal"))]
    thoughts = [said for message in messages if (said := _text(message, "reasoning_content", "reasoning"))]
    if not texts and not thoughts:
        return _bare(text, most)
    left, cut = most, 0
    shown: list[list[str]] = [[], []]
    for place, found in enumerate((texts, thoughts)):
        for said in found:
            said = redact(said)
            shown[place].append(said[:left])
            cut += max(0, len(said) - left)
            left = max(0, left - len(said))
    usage = body.get("usage")
    first = choices[0] if choices and isinstance(choices[0], dict) else {}
    return Reply(
        texts=tuple(shown[0]),
        thoughts=tuple(shown[1]),
        finish=_word(first.get("finish_reason")),
        model=_word(body.get("model")),
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cut=cut,
    )


@dataclass
class _Reader:
    item: Item
    bodies: Mapping[str, bytes]
    wanted: set[str]
    left: int = ALL
    seen: dict[str, Asked] = field(default_factory=dict)

    def steps(self) -> Iterator[Step]:
        item = self.item
        by_role: dict[str, list[Call]] = {}
        for call in item.calls:
            by_role.setdefault(call.role, []).append(call)
        for role, calls in by_role.items():
            yield self._step("", role, None, "", calls)
        drafts = {draft.index for draft in item.drafts}
        for verdict in item.verdicts:  # before the draft that they name is there, for a flow that is not ours
            if verdict.calls and verdict.draft not in drafts:
                yield self._step("verdict", verdict.by, None, verdict.prompt, verdict.calls)
        for draft in item.drafts:
            if draft.calls:
                yield self._step("draft", draft.by, draft.index, draft.prompt, draft.calls)
            for verdict in item.verdicts:
                if verdict.calls and verdict.draft == draft.index:
                    yield self._step("verdict", verdict.by, draft.index, verdict.prompt, verdict.calls)

    def _step(self, what: str, by: str, draft: int | None, prompt: str, calls: Iterable[Call]) -> Step:
        return Step(what, by, draft, prompt, tuple(self._asked(call) for call in calls))

    def _asked(self, call: Call) -> Asked:
        model = self.item.models.get(call.role, "")
        if call.error:
            return Asked(call, model, why=FAILED)
        if not call.key:
            return Asked(call, model, why=NO_CACHE)
        if call.key not in self.wanted or self.left <= 0:
            return Asked(call, model, why=TOO_MANY)
        raw = self.bodies.get(call.key)
        if raw is None:
            return Asked(call, model, why=GONE)
        reply = read(raw, min(SHOWN, self.left))
        self.left -= sum(map(len, (*reply.texts, *reply.thoughts, reply.whole)))
        return Asked(call, model, reply)


def _message(choice: Any) -> dict[str, Any]:
    if not isinstance(choice, dict):
        return {}
    message = choice.get("message")
    return message if isinstance(message, dict) else choice


def _text(message: dict[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := message.get(name), str) and value), "")


def _bare(text: str, most: int) -> Reply:
    text = redact(text)
    return Reply(whole=text[:most], cut=max(0, len(text) - most))


def _word(value: Any) -> str:
    return redact(value[:200]) if isinstance(value, str) else ""


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 < value < 10**9 else 0
