"""How one accepted item becomes a row of each format.

A shape takes an `Item` and returns its rows of JSON values, one but for `triplets`, or raises `LeftOut` with a reason
code that the export counts. A row carries the item's `id`, so that it leads back to its source; those of `triplets` do
not, because their trainers take every column for text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from ..records import Item, Message
from ..reviews import Review

Row = dict[str, Any]
Shape = Callable[[Item, Sequence[str]], Row | list[Row]]
"""`(item, document ids) -> row`, or several rows."""

CALLS: Mapping[str, Any] = {
    "calls": True,
    "drafts": {"__all__": {"calls": True}},
    "verdicts": {"__all__": {"calls": True}},
}
_SHAREGPT_NAMES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}


class LeftOut(Exception):
    """An item that a format cannot hold. Never leaves this package: the export counts `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def record(item: Item, documents: Sequence[str]) -> Row:
    """The whole record: every draft, verdict and span, and the documents that it came from.

    Calls are left out: their keys lead to replies that only the run's store has.
    """
    return {**item.model_dump(mode="json", exclude=CALLS), "documents": list(documents)}


def told(decision: Review | None) -> Row | None:
    """What a person decided, as JSON values; its wording is the item's own."""
    if decision is None:
        return None
    return decision.model_dump(mode="json", include={"action", "reviewer", "at", "note", "reasons"})


def chat(item: Item, _: Sequence[str]) -> Row:
    """`messages` with `role` and `content`, as the OpenAI API and TRL's SFTTrainer read them."""
    return {"id": item.id, "messages": turns(_dialogue(item))}


def sharegpt(item: Item, _: Sequence[str]) -> Row:
    """`conversations` with `from` (system, human, gpt, tool) and `value`."""
    return {
        "id": item.id,
        "conversations": [
            {"from": _SHAREGPT_NAMES[message.role], "value": message.content} for message in _dialogue(item)
        ],
    }


def alpaca(item: Item, _: Sequence[str]) -> Row:
    """`instruction`, `input` (empty), `output`, and `system` (empty without one); one exchange only."""
    messages = list(_dialogue(item))
    system = messages.pop(0).content if messages[0].role == "system" else ""
    if [message.role for message in messages] != ["user", "assistant"]:
        raise LeftOut("several_turns")
    return {
        "id": item.id,
        "instruction": messages[0].content,
        "input": "",
        "output": messages[1].content,
        "system": system,
    }


def text(item: Item, _: Sequence[str]) -> Row:
    """`text` for pretraining: the contents of all messages but the system's, a blank line between two."""
    content = "\n\n".join(message.content for message in item.messages if message.role != "system")
    if not content.strip():
        raise LeftOut("no_text")
    return {"id": item.id, "text": content}


def retrieval(item: Item, _: Sequence[str]) -> Row:
    """`query`, `positive` and the list `negatives`, as trainers of retrievers and embedders read them."""
    query, positive = item.fields.get("query"), item.fields.get("positive")
    if not (isinstance(query, str) and isinstance(positive, str) and query.strip() and positive.strip()):
        raise LeftOut("no_pair")
    negatives = item.fields.get("negatives")
    hard = [text for text in negatives if isinstance(text, str)] if isinstance(negatives, list | tuple) else []
    return {"id": item.id, "query": query, "positive": positive, "negatives": hard}


def triplets(item: Item, _: Sequence[str]) -> list[Row]:
    """`anchor`, `positive` and one `negative` a row, as sentence-transformers reads them; one row a hard negative.

    There is no `id`: each column is an input of its losses.
    """
    row = retrieval(item, ())
    if not row["negatives"]:
        raise LeftOut("no_negative")
    return [{"anchor": row["query"], "positive": row["positive"], "negative": text} for text in row["negatives"]]


def classification(item: Item, _: Sequence[str]) -> Row:
    """`text` and `label`, both strings; a number or a truth value as a label is written as text."""
    content, label = item.fields.get("text"), item.fields.get("label")
    named = str(label).strip() if isinstance(label, str | int | float) else ""
    if not isinstance(content, str) or not content.strip() or not named:
        raise LeftOut("no_label")
    return {"id": item.id, "text": content, "label": named}


def extraction(item: Item, _: Sequence[str]) -> Row:
    """`text` and what it states: `triples`, a list of `subject`, `relation`, `object`."""
    content, stated = item.fields.get("text"), item.fields.get("triples")
    found = [one for one in stated if isinstance(one, Mapping)] if isinstance(stated, list | tuple) else []
    if not isinstance(content, str) or not content.strip() or not found:
        raise LeftOut("no_triples")
    triples = [{part: str(one.get(part, "")) for part in ("subject", "relation", "object")} for one in found]
    return {"id": item.id, "text": content, "triples": triples}


def flat(item: Item, documents: Sequence[str]) -> Row:
    """Columns of one type each, for tables: what has free keys (`fields`, `attributes`) is JSON text."""
    if not item.messages:
        raise LeftOut("no_messages")
    return {
        "id": item.id,
        "task": item.task,
        "kind": item.kind,
        "messages": turns(item.messages),
        "documents": list(documents),
        "chunks": list(item.chunks),
        "evidence": [span.model_dump() for span in item.evidence],
        "fields": _json(item.fields),
        "attributes": _json(item.attributes),
        "models": _json(item.models),
        "prompts": _json(item.prompts),
        "refinements": max(0, len(item.drafts) - 1),
    }


SHAPES: Mapping[str, Shape] = {
    "jsonl": record,
    "chat": chat,
    "sharegpt": sharegpt,
    "alpaca": alpaca,
    "text": text,
    "retrieval": retrieval,
    "triplets": triplets,
    "classification": classification,
    "extraction": extraction,
    "parquet": flat,
    "huggingface": flat,
}


def turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Returns messages as JSON values."""
    return [{"role": message.role, "content": message.content} for message in messages]


def _dialogue(item: Item) -> tuple[Message, ...]:
    """The item's messages, when they end with what an assistant answered to a user."""
    if not item.messages:
        raise LeftOut("no_messages")
    if not any(message.role == "user" for message in item.messages):
        raise LeftOut("no_user_turn")
    if item.messages[-1].role != "assistant" or not item.messages[-1].content.strip():
        raise LeftOut("no_answer")
    if unknown := {message.role for message in item.messages} - _SHAREGPT_NAMES.keys():
        raise LeftOut(f"unknown_role_{min(unknown)[:20]}")
    return item.messages


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
