"""A student that answers, any model: whether it errs on a text whose label is known, how unsure it is of a new one.

After S3 (Wang et al. 2023, arXiv:2310.13671) and Deliberate Practice (Askari-Hemmat et al. 2025, arXiv:2502.15588).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..evals.folding import words
from ..prompts.schemas import ClassLabel
from ..storage.records import Decision, Verdict
from .asking import ask, label_of, parsed_as, together
from .failing import entropy
from .labeller import VARIABLES
from .state import FlowContext, FlowState, Node, describe
from .variables import Given, last_draft, passage_text

RIGHT, SURE = "student_right", "student_sure"
LABEL, GUESS = "label-text", "guess-label"
PREDICTED = "predicted"
GUESSED_BY = ("text", "classes", "description")


def student_errs(*, role: str = "student", prompt: str = LABEL, description: str = "", given: Given) -> Node:
    """Returns a node for a proposer's place: the student says of which class the task's passage is.

    Where that is the task's attribute `label`, the task ends (`student_right`) for the price of this call; else what it
    said goes into the state's `values` as `predicted`. A task whose attributes have `predicted` was examined before,
    and the student is not asked again.

    Args:
        given: has `classes`, a list of `name` and `definition`.
    """
    said: Given = {
        "text": passage_text,
        "description": lambda _: description,
        "given_label": lambda _: "",
        **given,
    }

    @describe(
        role=role, prompt=prompt, variables=VARIABLES, reads=("task", "chunks"),
        writes=("values", "decision", "reasons"), answer=ClassLabel,
    )  # fmt: skip
    async def examine(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        if PREDICTED in state["task"].attributes:
            return {}
        reply = await ask(state, runtime, role=role, prompt=prompt, variables=VARIABLES, given=said)
        answer = parsed_as(ClassLabel, reply, role, prompt)
        if _found(answer.label, said["classes"](state)) == state["task"].attributes["label"]:
            return {"decision": Decision.REJECT, "reasons": (RIGHT,)}
        return {"values": {PREDICTED: answer.label.strip()[:200] or "nothing that was listed"}}

    return examine


def predicted(state: FlowState) -> str:
    """What the student took the task's passage for, wrongly."""
    return str(state["task"].attributes.get(PREDICTED) or state.get("values", {})[PREDICTED])


def student_unsure(
    *,
    role: str = "student",
    prompt: str = GUESS,
    samples: int = 8,
    least_entropy: float = 0.6,
    description: str = "",
    given: Given,
) -> Node:
    """Returns a node that judges the newest draft's `text` by how unsure the student is of its label.

    The student says it `samples` times; a prompt of temperature 0 would get one answer. The entropy of its labels over
    that of even ones is the verdict's score `entropy`, and below `least_entropy` the draft is rejected
    (`student_sure`). Labels that are not among the classes count as one more.

    Args:
        given: has `classes`, a list of `name` and `definition`.

    Raises:
        ConfigError: `samples` is below 2; when it runs, so few answers cannot have that entropy over the classes.
    """
    if samples < 2:
        raise ConfigError(f"samples is {samples}, and one answer says nothing of how sure a student is; take 2 or more")
    said: Given = {"description": lambda _: description, **given}

    @describe(
        role=role, prompt=prompt, variables=GUESSED_BY, reads=("task", "drafts"),
        writes=("verdicts", "decision", "reasons"), answer=ClassLabel,
    )  # fmt: skip
    async def judge(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        classes = said["classes"](state)
        require_reach(samples, len(classes), least_entropy)
        replies = await together(
            ask(state, runtime, role=role, prompt=prompt, variables=GUESSED_BY, given=said, sample=at)
            for at in range(samples)
        )
        answers = [parsed_as(ClassLabel, one, role, prompt).label for one in replies]
        votes = Counter(_found(answer, classes) for answer in answers)
        unsure = min(1.0, entropy(votes.values()) / math.log(len(classes)))
        reasons = (SURE,) if unsure < least_entropy else ()
        verdict = Verdict(
            by=role,
            draft=last_draft(state).index,
            decision=Decision.REJECT if reasons else Decision.ACCEPT,
            reasons=reasons,
            scores={"entropy": unsure},
            text=", ".join(f"{label or 'no class'}: {count}" for label, count in votes.most_common())[:500],
            prompt=label_of(runtime, prompt),
            model=replies[0].model,
            calls=tuple(call for one in replies for call in one.calls),
        )
        return {"verdicts": [verdict], "decision": verdict.decision, "reasons": reasons}

    return judge


def require_reach(samples: int, classes: int, least_entropy: float) -> None:
    """Raises `ConfigError` where `samples` answers, as even as can be over the classes, are below `least_entropy`."""
    if classes < 2:
        raise ConfigError(f"a student is asked for one of {classes} classes; it can be unsure of 2 at least")
    each, more = divmod(samples, classes)
    most = entropy([each + 1] * more + [each] * (classes - more if each else 0)) / math.log(classes)
    if most < least_entropy:
        raise ConfigError(
            f"least_entropy is {least_entropy}, and {samples} answers over {classes} classes reach {most:.3f} at most; "
            f"lower it, or raise samples"
        )


def _found(label: str, classes: Sequence[dict[str, str]]) -> str:
    """The class that an answer names, empty for none."""
    said = words(label)
    return next((one["name"] for one in classes if one["name"] == label.strip() or words(one["name"]) == said), "")
