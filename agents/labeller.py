"""The labeller: reads a text anew and says of which class it is, as a critic of labels or to correct them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.runtime import Runtime

from ..evals.folding import words
from ..prompts.schemas import ClassLabel
from ..storage.records import Decision, Verdict
from .asking import ask, draft_of, label_of, parsed_as
from .messages import classification
from .state import FlowContext, FlowState, Node, describe
from .variables import Given, last_draft

UNKNOWN, WRONG = "unknown_label", "wrong_label"
VARIABLES = ("text", "classes", "description", "given_label")
INITIAL = "initial_label"


def labeller(
    *,
    role: str = "labeller",
    prompt: str = "label-text",
    description: str = "",
    classes: Mapping[str, str] | None = None,
    given: Given | None = None,
    correct: bool = False,
) -> Node:
    """Returns a node that reads the newest draft's `text` and judges its `label`.

    It does not see the label and rejects a draft that it would give another (`wrong_label`); with `correct` it sees the
    label, and another one goes into a new draft, whose `initial_label` keeps the first. A label that is not among the
    classes rejects too (`unknown_label`).

    Args:
        description: the task that the labels are for.
        classes: label → what it means, empty for nothing more to say; else `given` has to provide `classes`.
    """
    known = [{"name": name, "definition": text} for name, text in (classes or {}).items()]
    said: Given = {
        "classes": lambda _: known,
        "description": lambda _: description,
        "given_label": lambda state: str(last_draft(state).fields.get("label", "")) if correct else "",
        **(given or {}),
    }

    @describe(
        role=role, prompt=prompt, variables=VARIABLES, reads=("task", "drafts"),
        writes=("drafts", "verdicts", "decision", "reasons"), answer=ClassLabel,
    )  # fmt: skip
    async def label(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        reply = await ask(state, runtime, role=role, prompt=prompt, variables=VARIABLES, given=said)
        answer = parsed_as(ClassLabel, reply, role, prompt)
        draft = last_draft(state)
        names = {tuple(words(one["name"])): one["name"] for one in said["classes"](state)}
        found = names.get(tuple(words(answer.label)), "")
        relabelled = found if correct and found and found != draft.fields.get("label") else ""
        reasons = () if relabelled or (found and found == draft.fields.get("label")) else (WRONG if found else UNKNOWN,)
        verdict = Verdict(
            by=role,
            draft=draft.index + bool(relabelled),
            decision=Decision.REJECT if reasons else Decision.ACCEPT,
            reasons=reasons,
            text=f"{found or answer.label}: {answer.reason}"[:500],
            prompt=label_of(runtime, prompt),
            model=reply.model,
            calls=reply.calls,
        )
        update: dict[str, Any] = {"verdicts": [verdict], "decision": verdict.decision, "reasons": reasons}
        if relabelled:
            fields = {INITIAL: draft.fields.get("label"), **draft.fields, "label": relabelled}
            update["drafts"] = [
                draft_of(state, runtime, reply, by=role, prompt=prompt, messages=classification, fields=fields)
            ]
        return update

    return label
