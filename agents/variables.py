"""What prompts are told about a task: one small function of the state for each variable name.

A role lists the names that it gives; `gather` looks each up here, then in the newest draft, the task's attributes and
the state's `values`, so an attribute `persona` of a user's planner is the variable `persona` of a user's prompt. What a
proposer says or a draft holds comes before an attribute of the same name, which stands where neither is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import FlowError
from ..storage.records import Chunk, Decision, Draft, Relation, Task, Verdict
from ..storage.returns import NOTE
from .state import FlowState

EARLIER = "earlier_attempt"  # the text of an item that a person sent back, for a flow that begins anew
AVOID = "avoid"  # texts of drafts of this task that others have already, for a generator to write something else
OF_REVIEWER = (NOTE, EARLIER)  # what a role that writes gives to its prompt beside its own variables
TRAITS = "traits"  # the attribute that names those of a task's attributes which a prompt shows as they are

Given = Mapping[str, Callable[[FlowState], Any]]
"""Variables that a flow adds to a role's own, or says otherwise: name → function of the state."""


def gather(state: FlowState, names: Sequence[str], given: Given | None = None) -> dict[str, Any]:
    """Returns the values of `names`; raises `FlowError` naming the variable that nothing provides."""
    return {name: _value(state, name, given or {}) for name in names}


def passage_text(state: FlowState) -> str:
    """The text of the task's chunks, in order, with a blank line between two."""
    return "\n\n".join(chunk.text for chunk in state.get("chunks", []))


def passages(state: FlowState) -> list[dict[str, str]]:
    """The task's chunks as `{title, text}`; the title is the heading path."""
    return [{"title": " > ".join(chunk.headings), "text": chunk.text} for chunk in state.get("chunks", [])]


def trait_lines(task: Task) -> list[str]:
    """What a task's item is to fit besides its kind, one line each: `audience: a school class`."""
    names = task.attributes.get(TRAITS)
    found = [(str(name), task.attributes.get(name)) for name in (names if isinstance(names, list | tuple) else ())]
    return [f"{name}: {value}" for name, value in found if isinstance(value, str) and value]


def relation_lines(state: FlowState) -> list[str]:
    """The task's relations, one readable line each: `Ada Lovelace - worked with - Charles Babbage: description`."""
    names = {entity.id: entity.name for entity in state.get("entities", [])}
    return [relation_line(relation, names) for relation in state.get("relations", [])]


def relation_line(relation: Relation, names: Mapping[str, str], *, described: bool = True) -> str:
    """One relation as a readable line, with its description unless that is left out; `names` are by entity id."""
    source, target = names.get(relation.source), names.get(relation.target)
    if source is None or target is None:  # an endpoint outside the task: its id would tell a model nothing
        return (described and relation.description) or relation.type
    line = f"{source} - {relation.type} - {target}"
    return f"{line}: {relation.description}" if described and relation.description else line


def last_draft(state: FlowState) -> Draft:
    """Returns the newest draft; raises `FlowError` when no generator ran before."""
    drafts = state.get("drafts", [])
    if not drafts:
        raise FlowError("this node needs a draft and there is none yet; put a generator before it")
    return drafts[-1]


def objections(state: FlowState) -> list[Verdict]:
    """Returns the verdicts on the newest draft that do not accept it."""
    newest = last_draft(state).index
    return [
        verdict
        for verdict in state.get("verdicts", [])
        if verdict.draft == newest and verdict.decision is not Decision.ACCEPT
    ]


def objection_reasons(state: FlowState) -> tuple[str, ...]:
    """Returns the reason codes of `objections`, each once, in the order they were given."""
    return tuple(dict.fromkeys(reason for verdict in objections(state) for reason in verdict.reasons))


def _value(state: FlowState, name: str, given: Given) -> Any:
    if name in given:
        return given[name](state)
    if name in _BUILDERS:
        return _BUILDERS[name](state)
    drafts = state.get("drafts", [])
    for place in (drafts[-1].fields if drafts else {}, state["task"].attributes, state.get("values", {})):
        if name in place:
            return place[name]
    raise FlowError(
        f"nothing provides the prompt variable '{name}' for task {state['task'].id}; set it as a task attribute or in "
        f"the state's 'values', or give the role a function for it (given={{'{name}': ...}})"
    )


def _headings(state: FlowState) -> list[str]:
    chunks: Sequence[Chunk] = state.get("chunks", [])
    return list(chunks[0].headings) if chunks else []


def _kind(state: FlowState) -> str:
    task = state["task"]
    return str(task.attributes.get("kind", task.kind))


def _proposed(name: str) -> Callable[[FlowState], Any]:
    """What the proposer said; where nobody proposed anything, what the task was given under that name."""
    return lambda state: (state.get("proposal") or _beside(state)).get(name, "")


def _drafted(name: str, empty: Callable[[], Any]) -> Callable[[FlowState], Any]:
    """What the newest draft has, and nothing else once there is one: a task's known answer must not stand for it."""

    def found(state: FlowState) -> Any:
        if not state.get("drafts") and name in (given := _beside(state)):
            return given[name]
        return last_draft(state).fields.get(name, empty())

    return found


def _beside(state: FlowState) -> Mapping[str, Any]:
    """What stands beside the built-in variables: the task's attributes, before the state's `values`."""
    return {**state.get("values", {}), **state["task"].attributes}


_BUILDERS: Given = {
    "passage": passage_text,
    "headings": _headings,
    "passages": passages,
    "entities": lambda state: [
        {"name": entity.name, "type": entity.type, "description": entity.description}
        for entity in state.get("entities", [])
    ],
    "points": lambda state: [
        {"name": entity.name, "description": entity.description} for entity in state.get("entities", [])
    ],
    "relations": relation_lines,
    "path": lambda state: [entity.name for entity in state.get("entities", [])],
    "relation": lambda state: state["task"].kind,
    "kind": _kind,
    "kind_description": lambda state: str(state["task"].attributes.get("kind_description", "")),
    "form": lambda state: str(state["task"].attributes.get("form", "article")),
    "topic": _proposed("topic"),
    "quote": _proposed("quote"),
    "angle": _proposed("angle"),
    "question": _drafted("question", str),
    "answer": _drafted("answer", str),
    "title": _drafted("title", str),
    "text": _drafted("text", str),
    "questions": _drafted("questions", list),
    "problem": _drafted("problem", str),
    "reasoning": _drafted("reasoning", str),
    "evidence": _drafted("evidence", list),
    TRAITS: lambda state: trait_lines(state["task"]),
    NOTE: lambda state: str(state["task"].attributes.get(NOTE, "")),
    AVOID: lambda state: list(state.get("values", {}).get(AVOID, ())),
    EARLIER: lambda state: str(state.get("values", {}).get(EARLIER, "")),
    "reasons": lambda state: list(objection_reasons(state)),
    "comment": lambda state: "\n".join(verdict.text for verdict in objections(state) if verdict.text),
}

TAKEN = frozenset(_BUILDERS) - {
    "kind", "kind_description", "form", "topic", "quote", "angle",
    "question", "answer", "title", "text", "questions", "problem", "reasoning", "evidence",
}  # fmt: skip
"""Variables that say something else whatever the task's attributes are: no attribute of theirs is ever seen."""
