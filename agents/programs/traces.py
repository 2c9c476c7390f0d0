"""Checks of traces that an interpreter left: sound code, one answer, nothing leaked, a result that was worked out."""

from __future__ import annotations

import ast
import re

from ...errors import ConfigError
from ...evals.execution.records import Ending
from ...evals.final_answers import boxed_answers, same_final_answer
from ...storage.records import Draft
from ..generator import CUT, FINISH
from ..state import FlowState, Node
from ..verifiers.verifier import PASSED, Finding, missing, text_of, verifier
from .execution import reason_of
from .interpreter import ENDINGS, PROGRAMS

_LEAKS = re.compile(
    r"\b((?:reference|masked|hidden|provided|sample|model)\s+(?:solution|sketch|answer|number|hint))s?\b"
    r"|\b(?:the|your|this)\s+(sketch|hint)\b|(\[answer\])",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^```", re.MULTILINE)
_DEEPEST = 50  # names that hang on one another
_PLAIN = frozenset({"print", "str", "int", "float", "round", "abs", "repr", "Fraction", "Decimal"})  # of a number: it
_COMPUTES = (ast.BinOp, ast.Compare, ast.BoolOp, ast.Subscript, ast.comprehension)


def sound_trace(field: str = "response", *, problem: str = "instruction", with_code: bool = True) -> Node:
    """Checks what an interpreter wrote.

    Reasons: `cut_off` at the most tokens; `broken_code` for a fence that is not closed, or a program that was not run
    any more; `no_code`, unless `with_code` is off; `execution_error` and its kin where the last program did not end
    well; `several_answers` for boxes that do not say the same; `leaks` for a word about guidance that the reader does
    not have, unless the field `problem` has it, too; `not_computed` where the programs that ended well, which are one
    session, print nothing that they worked out, but only what stands in them.
    """

    def check(draft: Draft, _: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        programs, endings = draft.fields.get(PROGRAMS), draft.fields.get(ENDINGS)
        if not isinstance(programs, list | tuple) or not isinstance(endings, list | tuple):
            raise ConfigError(f"sound_trace checks a draft of an interpreter; this one is by '{draft.by}'")
        if draft.fields.get(FINISH) == CUT:
            return Finding(("cut_off",), f"'{field}' ended at the most tokens allowed")
        if len(_FENCE.findall(text)) != 4 * len(programs):
            return Finding(("broken_code",), "a fence is open, or a program was not run")
        if not programs and with_code:
            return Finding(("no_code",), "there is no program")
        if endings and endings[-1] != Ending.OK:
            return Finding((reason_of(Ending(endings[-1])),), "the last program did not end well")
        answers = boxed_answers(text)
        if any(not same_final_answer(one, answers[0]) for one in answers[1:]):
            return Finding(("several_answers",), f"{len(answers)} answers are boxed")
        if leak := leaked(text, str(draft.fields.get(problem) or "")):
            return Finding(("leaks",), f"it speaks of '{leak}'")
        well = (program for program, ending in zip(programs, endings, strict=True) if ending == Ending.OK)
        if programs and not computes("\n".join(well)):
            return Finding(("not_computed",), "no program prints anything that it worked out")
        return PASSED

    return verifier("sound_trace", check)


def leaked(text: str, problem: str) -> str:
    """The first words of a trace about guidance that its reader does not have; empty where there are none.

    What the problem itself speaks of, such as a hidden number or a sketch, is its own.
    """
    own = " ".join(problem.casefold().split())
    for found in _LEAKS.finditer(text):
        said = " ".join((found[1] or found[2] or found[3]).casefold().split())
        if not re.search(rf"(?<!\w){re.escape(said)}s?(?!\w)", own):
            return found[0]
    return ""


def computes(program: str) -> bool:
    """Says whether a program prints something that hangs on an operation, and not only on what stands in it."""
    try:
        nodes = list(ast.walk(ast.parse(program)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    bound = [pair for node in nodes for pair in _bound(node)]
    defined = frozenset(name for name, _ in bound)
    worked_out: frozenset[str] = frozenset()
    for _ in range(_DEEPEST):
        found = frozenset(name for name, value in bound if value is None or _worked(value, defined, worked_out))
        if found == worked_out:
            break
        worked_out = found
    calls = [node for node in nodes if isinstance(node, ast.Call) and _called(node) == "print"]
    return any(_worked(argument, defined, worked_out) for call in calls for argument in call.args)


def _bound(node: ast.AST) -> list[tuple[str, ast.expr | None]]:
    """The names that a statement binds, each with what it binds it to; None for what is worked out in any case."""
    if isinstance(node, ast.FunctionDef):
        returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None]
        return [(node.name, value) for value in returned]
    if isinstance(node, ast.Assign):
        return [(name, node.value) for target in node.targets for name in _names(target)]
    if isinstance(node, ast.AnnAssign | ast.NamedExpr):
        return [(name, node.value) for name in _names(node.target)] if node.value is not None else []
    if isinstance(node, ast.AugAssign | ast.For):
        return [(name, None) for name in _names(node.target)]
    return []


def _worked(value: ast.expr, defined: frozenset[str], worked_out: frozenset[str]) -> bool:
    for node in ast.walk(value):
        if isinstance(node, _COMPUTES) or (isinstance(node, ast.Name) and node.id in worked_out):
            return True
        if isinstance(node, ast.Call) and _called(node) not in _PLAIN | defined:
            return True
    return False


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ast.unparse(call.func)[:80]


def _names(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
