"""The reverse check: a model reads a text that was written from known facts, and must find these and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..evals.folding import words
from ..prompts.schemas import Triples
from ..storage.records import Decision, Entity, Verdict
from .asking import ask, label_of, parsed_as
from .state import FlowContext, FlowState, Node, describe
from .variables import last_draft

Triple = tuple[str, str, str]
_SHOWN = 5


def stated_triples(state: FlowState) -> list[dict[str, str]]:
    """The task's relations between its entities as `{subject, relation, object}`, by name, each once."""
    names = {entity.id: entity.name for entity in state.get("entities", [])}
    found = {
        (names[one.source], one.type, names[one.target]): None
        for one in state.get("relations", [])
        if one.source in names and one.target in names
    }
    return [dict(zip(("subject", "relation", "object"), triple, strict=True)) for triple in found]


def reverse_check(
    *,
    role: str = "critic",
    prompt: str = "read-triples",
    least_recall: float = 1.0,
    least_precision: float = 1.0,
) -> Node:
    """Returns a node that judges the newest draft's `text` by what `role` reads out of it, without seeing the facts.

    The reader is told which relations there are, and not between what. A triple is the same whatever the case and
    punctuation of its parts; an entity's aliases are its name. The verdict's scores are `recall` and `precision`
    against the task's triples; too low a one sends the draft back with the reason `misses_fact` or `adds_fact`.

    Raises:
        ConfigError: a share is outside [0, 1].
    """
    for name, share in (("least_recall", least_recall), ("least_precision", least_precision)):
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} is {share}; give a share in [0, 1]")
    names = ("text", "kinds")
    given = {"kinds": lambda state: sorted({one["relation"] for one in stated_triples(state)})}

    @describe(
        role=role,
        prompt=prompt,
        variables=names,
        reads=("task", "entities", "relations", "drafts"),
        writes=("verdicts", "decision", "reasons"),
        answer=Triples,
    )
    async def read_back(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        reply = await ask(state, runtime, role=role, prompt=prompt, variables=names, given=given)
        aliases = _aliases(state.get("entities", []))
        read = _folded((one.model_dump() for one in parsed_as(Triples, reply, role, prompt).triples), aliases)
        meant = _folded(stated_triples(state), aliases)
        both = len(read.keys() & meant.keys())
        recall, precision = both / len(meant) if meant else 1.0, both / len(read) if read else float(not meant)
        reasons = ["misses_fact"] * (recall < least_recall) + ["adds_fact"] * (precision < least_precision)
        remarks = [f"does not say: {text}" for key, text in meant.items() if key not in read][:_SHOWN]
        remarks += [f"says besides: {text}" for key, text in read.items() if key not in meant][:_SHOWN]
        decision = Decision.REVISE if reasons else Decision.ACCEPT
        verdict = Verdict(
            by=role,
            draft=last_draft(state).index,
            decision=decision,
            reasons=tuple(reasons),
            scores={"recall": recall, "precision": precision},
            text="\n".join(remarks) if reasons else "",
            prompt=label_of(runtime, prompt),
            model=reply.model,
            calls=reply.calls,
        )
        return {"verdicts": [verdict], "decision": decision, "reasons": tuple(reasons)}

    return read_back


def _aliases(entities: Iterable[Entity]) -> dict[str, str]:
    """Every folded name and alias → the folded name; a name is never taken for another's alias."""
    listed = list(entities)
    found = {_fold(alias): _fold(entity.name) for entity in listed for alias in entity.aliases}
    return found | {_fold(entity.name): _fold(entity.name) for entity in listed}


def _folded(triples: Iterable[Mapping[str, str]], aliases: Mapping[str, str]) -> dict[Triple, str]:
    found: dict[Triple, str] = {}
    for one in triples:
        subject, kind, target = (_fold(one[part]) for part in ("subject", "relation", "object"))
        key = (aliases.get(subject, subject), kind, aliases.get(target, target))
        found.setdefault(key, f"{one['subject']} - {one['relation']} - {one['object']}")
    return found


def _fold(text: str) -> str:
    return " ".join(words(text))
