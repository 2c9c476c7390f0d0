"""How the parsed fields of a draft become the chat messages that a model is trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import orjson

from ..errors import ConfigError
from ..storage.records import Message
from .state import FlowState
from .variables import passage_text

Messages = Callable[[Mapping[str, Any], FlowState], tuple[Message, ...]]
"""`(fields, state) -> messages`. A role takes one of the functions below or a user's own."""

OTHER_MESSAGES = ", or give the role other messages"  # what may be done where an answer lacks a field of theirs


def reads(*names: str) -> Callable[[Messages], Messages]:
    """Decorates a function of messages with the fields that it makes nothing without: a role that writes refuses a
    prompt which is answered without them, before a campaign spends anything."""

    def attach(messages: Messages) -> Messages:
        messages.__reads__ = names  # type: ignore[attr-defined]  # a plain function carries it, no class needed
        return messages

    return attach


def fields_read(messages: Messages) -> frozenset[str]:
    """Returns the fields that `reads` named; none for a function that tells nothing."""
    return frozenset(getattr(messages, "__reads__", ()))


@reads("question", "answer")
def question_answer(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """The question from the user, the answer from the assistant: the model is to know it by heart."""
    return _turns(str(fields.get("question", "")), str(fields.get("answer", "")))


@reads("question", "answer")
def question_on_passage(fields: Mapping[str, Any], state: FlowState) -> tuple[Message, ...]:
    """The passage and the question from the user: the model is to read it (reading comprehension)."""
    return _turns(f"{passage_text(state)}\n\n{fields.get('question', '')}", str(fields.get("answer", "")))


@reads("problem")
def reasoning(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """The problem from the user; the reasoning and then the answer from the assistant, once there is a solution."""
    answer = str(fields.get("answer", ""))
    steps = str(fields.get("reasoning", ""))
    return _turns(str(fields.get("problem", "")), f"{steps}\n\nAnswer: {answer}" if steps and answer else answer)


@reads("text")
def pretraining(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """Title, text and the questions with their answers as one assistant message: plain text to train on."""
    blocks = [str(fields.get("title", "")), str(fields.get("text", ""))]
    blocks += [f"Question: {pair['question']}\nAnswer: {pair['answer']}" for pair in fields.get("questions", [])]
    return (Message(role="assistant", content="\n\n".join(block for block in blocks if block)),)


@reads("query", "positive")
def retrieval(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """The query from the user, the passage that answers it from the assistant; hard negatives stay in the fields."""
    return _turns(str(fields.get("query", "")), str(fields.get("positive", "")))


@reads("text", "triples")
def extraction(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """A text from the user, what is stated in it from the assistant, as a JSON list of triples."""
    asked = f"List the facts that this text states, as JSON with subject, relation and object.\n\n{fields['text']}"
    return _turns(asked, orjson.dumps(fields.get("triples", [])).decode())


@reads("text")
def plain(fields: Mapping[str, Any], state: FlowState) -> tuple[Message, ...]:
    """The passage from the user, the field `text` from the assistant: for a prompt that names no schema."""
    return _turns(passage_text(state), str(fields.get("text", "")))


@reads("instruction")
def instruction_response(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """The instruction from the user, the response from the assistant, once there is one."""
    return _turns(str(fields.get("instruction", "")), str(fields.get("response", "")))


@reads("instruction")
def instruction_on_input(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """The instruction and, where there is one, its input from the user; the output from the assistant."""
    asked = (str(fields.get("instruction", "")), str(fields.get("input", "")))
    return _turns("\n\n".join(part for part in asked if part), str(fields.get("output", "")))


@reads("text", "label")
def classification(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """The text from the user, its label from the assistant."""
    return _turns(str(fields.get("text", "")), str(fields.get("label", "")))


@reads("tables", "question", "sql")
def text_to_sql(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """The tables' definitions and the question from the user, the query from the assistant; rows are not shown."""
    asked = f"{str(fields.get('tables', '')).strip()}\n\n{str(fields.get('question', '')).strip()}"
    return _turns(asked, str(fields.get("sql", "")).strip())


@reads("instruction")
def code(fields: Mapping[str, Any], _: FlowState) -> tuple[Message, ...]:
    """The instruction from the user; the response from the assistant or, without one, a plan and then its program."""
    program = str(fields.get("program", "")).strip()
    fenced = program if not program or "```" in program else f"```python\n{program}\n```"
    planned = "\n\n".join(part for part in (str(fields.get("plan", "")).strip(), fenced) if part)
    return _turns(str(fields.get("instruction", "")), str(fields.get("response") or (planned if program else "")))


def messages_of(kind: str) -> Messages:
    """Returns the function for an item kind: `qa`, `qa-on-passage`, `reasoning`, `pretraining`, `retrieval`,
    `extraction`, `text`, `sft`, `classification` or `code`.

    Raises:
        ConfigError: no function has that name; names the nearest.
    """
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    near = get_close_matches(kind, _BY_KIND, n=1)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    raise ConfigError(f"no messages are known for items of kind '{kind}'{meant} (there are: {', '.join(_BY_KIND)})")


def _turns(user: str, assistant: str) -> tuple[Message, ...]:
    asked = (Message(role="user", content=user),)
    return (*asked, Message(role="assistant", content=assistant)) if assistant else asked


_BY_KIND: Mapping[str, Messages] = {
    "qa": question_answer,
    "qa-on-passage": question_on_passage,
    "reasoning": reasoning,
    "pretraining": pretraining,
    "retrieval": retrieval,
    "extraction": extraction,
    "text": plain,
    "sft": instruction_response,
    "classification": classification,
    "code": code,
}
