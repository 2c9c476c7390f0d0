"""Argilla's records out and in: the JSON of its SDK 2.x, written and read without it.

Out is what `Dataset.records.from_json` and `Record.from_dict` take. In is what `records.to_json`, `to_list` and
`to_dict` give, nested or flattened. Only the flattened form carries each response's status; of the nested one,
responses count when the record is completed. A discarded response and a draft decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from ...errors import ConfigError
from ...storage.records import Item, Message
from ...storage.reviews import Action
from ..desk import Wanted
from .incoming import ID, Given
from .json_records import records_of
from .outgoing import Handed

QUESTIONS = ("decision", "prompt", "answer", "reasons", "note")
SUBMITTED = "submitted"
Answers = dict[str, Any]  # of one user: question → value


def record_of(one: Handed) -> dict[str, Any]:
    """Returns an item as an Argilla record. All fields are plain text or chat: nothing is shown as Markdown or HTML."""
    item, seen = one.item, one.seen
    fields: dict[str, Any] = {"about": _about(one)}
    if item.messages:
        fields["messages"] = [message.model_dump() for message in item.messages]
    fields |= {
        name: text
        for name, text in (
            ("source", "\n\n".join(_passage(source) for source in one.sources)),
            ("drafts", "\n\n".join(_drafts(item))),
            ("verdicts", "\n".join(_verdicts(item))),
            ("raw", item.raw),
        )
        if text
    }
    suggestions: dict[str, Any] = {}
    for name, place in (("prompt", _prompt(item.messages)), ("answer", _answer(item.messages))):
        if place is not None and item.messages[place].content:
            suggestions[name] = {"value": item.messages[place].content, "score": None, "agent": "gristmill"}
    if seen.reasons:
        suggestions["reasons"] = {"value": list(seen.reasons), "score": None, "agent": "gristmill"}
    metadata: dict[str, Any] = {
        "last": one.last,
        "status": item.status.value,
        "kind": item.kind,
        "round": item.round,
        "documents": list(seen.documents),
        "critics": list(seen.critics),
    }
    if seen.score is not None:
        metadata["score"] = seen.score
    return {
        "id": item.id,
        "fields": fields,
        "metadata": {name: value for name, value in metadata.items() if value not in ("", [])},
        "suggestions": suggestions,
        "responses": {},
        "vectors": {},
    }


def _about(one: Handed) -> str:
    item = one.item
    parts = [f"{item.kind}, {item.status.value}" + (f": {', '.join(item.reasons)}" if item.reasons else "")]
    parts += [f"error: {item.error}"] if item.error else []
    for event in one.history:
        parts.append(f"{event.reviewer}: {event.action.value}" + (f", {event.note}" if event.note else ""))
    return "\n".join(parts)


def _passage(source: Mapping[str, Any]) -> str:
    title = " > ".join((source["document"], *source["headings"]))
    cited = [f"cited: “{source['text'][span['start'] : span['end']]}”" for span in source["spans"]]
    return "\n".join([title, source["text"], *cited])


def _drafts(item: Item) -> Iterator[str]:
    for draft in item.drafts:
        if draft.messages != item.messages:
            yield f"draft {draft.index + 1} by {draft.by}\n" + "\n".join(
                f"{one.role}: {one.content}" for one in draft.messages
            )


def _verdicts(item: Item) -> Iterator[str]:
    for one in item.verdicts:
        scores = ", ".join(f"{name} {value:.2f}" for name, value in one.scores.items())
        parts = [f"{one.by} on draft {one.draft + 1}: {one.decision.value}", ", ".join(one.reasons), scores, one.text]
        yield "; ".join(part for part in parts if part)


def _answer(messages: tuple[Message, ...]) -> int | None:
    """The place of the message that `answer` stands for: the last."""
    return len(messages) - 1 if messages else None


def _prompt(messages: tuple[Message, ...]) -> int | None:
    """The place of the message that `prompt` stands for: the last of a user before the answer."""
    return next((place for place in range(len(messages) - 2, -1, -1) if messages[place].role == "user"), None)


# in


def decisions_of(file: BinaryIO, names: Mapping[str, str]) -> Iterator[Given]:
    """Reads the decisions of exported records. Users are called as `names` says, by their ids, else `argilla:ID`.

    Users who disagree about a record decide nothing.
    """

    def called(user: str) -> str:
        return names.get(user, f"argilla:{user}")

    for number, record, error in records_of(file):
        if error:
            yield Given(number, error=error)
            continue
        try:
            yield _given(number, record, called)
        except (ConfigError, TypeError, AttributeError, ValueError) as wrong:
            item = record.get("id")
            text = str(wrong) if isinstance(wrong, ConfigError) else f"no record of Argilla's SDK 2 ({wrong})"
            yield Given(number, item if isinstance(item, str) else "", error=text)


def _given(number: int, record: Mapping[str, Any], called: Callable[[str], str]) -> Given:
    item = record.get("id")
    if not isinstance(item, str) or not ID.fullmatch(item):
        raise ConfigError("id: the record names no item; export it with its id")
    users = {user: answers for user, answers in _submitted(record).items() if answers.get("decision")}
    if not users:
        return Given(number, item)
    wanted = {user: _wanted(record, item, called(user), answers) for user, answers in users.items()}
    (first, chosen), *others = wanted.items()
    for user, other in others:
        if (other[0].action, other[1]) != (chosen[0].action, chosen[1]):
            raise ConfigError(
                f"{called(first)} says {chosen[0].action.value} and {called(user)} says {other[0].action.value}"
                + (", in other words" if other[0].action is chosen[0].action else "")
                + "; decide it here, or let one of them answer again"
            )
    return Given(number, item, chosen[0], finish=_finisher(chosen[1]))


def _wanted(
    record: Mapping[str, Any], item: str, reviewer: str, answers: Answers
) -> tuple[Wanted, tuple[tuple[str, str], ...]]:
    """Returns one user's decision, and the wording that they gave by question."""
    metadata = record.get("metadata")
    last = metadata.get("last", "") if isinstance(metadata, Mapping) else record.get("last") or ""
    try:
        action = Action(str(answers["decision"]))
    except ValueError:
        raise ConfigError(
            f"decision: '{answers['decision']!s:.80}' is none of accept, edit, reject, send_back"
        ) from None
    wording = {name: _text(answers, name) for name in ("prompt", "answer")}
    said = tuple((name, text) for name, text in wording.items() if text)
    if action not in (Action.ACCEPT, Action.EDIT):
        said = ()
    reasons = answers.get("reasons") if action is Action.REJECT else None
    return Wanted(
        item=item,
        action=action,
        reviewer=reviewer[:100],
        seen=str(last),
        note=_text(answers, "note"),
        reasons=tuple(str(code) for code in reasons or ()),
    ), said


def _finisher(wording: tuple[tuple[str, str], ...]) -> Callable[[Wanted, Item], Wanted]:
    """Puts the wording that a person gave into the item's messages. Accepted in other words, an item is edited."""

    def finish(wanted: Wanted, item: Item) -> Wanted:
        messages = list(item.messages)
        for name, text in wording:
            place = _answer(item.messages) if name == "answer" else _prompt(item.messages)
            if place is not None:
                messages[place] = messages[place].model_copy(update={"content": text})
        if not item.messages:  # it failed before it had any: what the person wrote is all there is
            roles = {"prompt": "user", "answer": "assistant"}
            messages = [Message(role=roles[name], content=text) for name, text in wording]
        changed = tuple(messages) != item.messages
        reasons = () if wanted.reasons == item.reasons else wanted.reasons
        action = Action.EDIT if changed and wanted.action is Action.ACCEPT else wanted.action
        return Wanted(
            item=wanted.item,
            action=action,
            reviewer=wanted.reviewer,
            seen=wanted.seen,
            note=wanted.note,
            reasons=reasons,
            messages=tuple(messages) if action is Action.EDIT else (),
        )

    return finish


def _text(answers: Answers, name: str) -> str:
    value = answers.get(name)
    return value.strip() if isinstance(value, str) else ""


def _submitted(record: Mapping[str, Any]) -> dict[str, Answers]:
    """Returns what users have submitted, by user: from either form of export."""
    found: dict[str, Answers] = {}
    nested = record.get("responses")
    if isinstance(nested, Mapping):
        for name in QUESTIONS:
            for one in nested.get(name) or ():
                status = one.get("status") or (SUBMITTED if record.get("status") == "completed" else "")
                if status == SUBMITTED:
                    found.setdefault(str(one["user_id"]), {})[name] = one["value"]
        return found
    for name in QUESTIONS:
        key = f"{name}.responses"
        columns = (record.get(key) or (), record.get(f"{key}.users") or (), record.get(f"{key}.status") or ())
        for value, user, status in zip(*columns, strict=True):
            if status == SUBMITTED:
                found.setdefault(str(user), {})[name] = value
    return found
