"""The interpreter: a model solves a problem with programs that are run as it writes them, and sees what they print.

After OpenMathInstruct-1 (Toshniwal et al. 2024, arXiv:2402.10176). What a trace says that a program printed is what the
sandbox printed: the model's own words end where its program does.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime

from ...errors import ConfigError
from ...evals.execution.records import Ending, Execution, Limits, Program
from ...evals.execution.sandbox import run
from ...prompts.wanted import Text
from ...storage.records import Call
from ..asking import ask, draft_of
from ..generator import CUT, FINISH
from ..messages import Messages, instruction_response
from ..state import FlowContext, FlowState, Node, describe
from ..variables import Given
from .execution import require_isolation

PROGRAMS, ENDINGS = "programs", "endings"  # fields: the programs in their order, and how each ended
SO_FAR, LAST = "so_far", "last"  # variables: the trace until now, and whether no program may follow
PRINTED = 1000  # characters of what a program printed that the model sees
NEVER_RUN = "this program was not run: the one before it ended the whole session, and is no part of it any more"
_LIMITS = Limits()
_PROGRAM = re.compile(r"^```(?:python|py)[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)


def interpreter(
    *,
    role: str = "solver",
    prompt: str = "solve-with-code",
    variables: tuple[str, ...] = ("instruction",),
    given: Given | None = None,
    adds: Given | None = None,
    messages: Messages = instruction_response,
    text_as: str = "response",
    most: int = 3,
    limits: Limits = _LIMITS,
) -> Node:
    """Returns a node that appends a draft: the whole trace as `text_as`, with `programs` and `endings`.

    The model writes until its first program ends, which is run in the sandbox behind those before it that ended well;
    what it prints is put behind it, and the model goes on. It ends with an answer that has no program. A trace that
    wants more than `most` programs stays as it is then; `agents.programs.traces` says what is wrong with one.

    Args:
        variables: besides them the prompt is given `so_far`, the trace until now, and `last`.

    Raises:
        ConfigError: `most` is below 1; while it runs, that this machine gives no isolation.
    """
    if most < 1:
        raise ConfigError(f"most is {most}; an interpreter runs at least 1 program")
    names = tuple(dict.fromkeys((*variables, *(given or {}))))

    @describe(
        role=role,
        prompt=prompt,
        variables=(*names, SO_FAR, LAST),
        reads=("task", "chunks", "drafts"),
        writes=("drafts",),
        answer=Text(),
    )
    async def solve(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        trace, calls = "", list[Call]()
        programs, endings, session = list[str](), list[str](), list[str]()
        while True:
            more = {SO_FAR: trace, LAST: len(programs) == most}
            reply = await ask(state, runtime, role=role, prompt=prompt, variables=names, given=given, more=more)
            calls += reply.calls
            found = _PROGRAM.search(reply.text)
            trace += (reply.text[: found.end()] if found else reply.text).strip() + "\n"
            if found is None or len(programs) == most:
                break
            done = await _run(session, found[1], limits)
            programs.append(found[1])
            endings.append(done.ending.value)
            if done.ending is Ending.OK:
                session.append(found[1])
            trace += f"```output\n{_said(done)}\n```\n"
        fields = {text_as: trace.strip(), PROGRAMS: programs, ENDINGS: endings}
        if reply.finish_reason == CUT:
            fields[FINISH] = CUT
        draft = draft_of(
            state, runtime, reply, by=role, prompt=prompt, messages=messages, fields=fields, adds=adds,
            calls=tuple(calls),
        )  # fmt: skip
        return {"drafts": [draft]}

    return solve


async def _run(session: list[str], program: str, limits: Limits) -> Execution:
    """Runs a program behind those before it, and leaves out what these print once more.

    One that left by `sys.exit` stays in the session with all that it defined, as in a notebook. One that ended the
    whole process otherwise would end it before every later program, so it is dropped when the next one shows it.
    """
    mark = secrets.token_hex(16)
    before = (f"try:\n    exec({one!r})\nexcept SystemExit:\n    pass" for one in session)
    # by imports, because a program may have bound `print`, or `sys.stdout`, to something of its own
    told = f"__import__('builtins').print('\\n{mark}', file=__import__('sys').__stdout__, flush=True)"
    done = await run(Program("\n".join((*before, told, f"exec({program!r})"))), limits=limits)
    require_isolation(done)
    _, marked, printed = done.stdout.rpartition(f"{mark}\n")
    if done.ending is Ending.OK and not marked:
        del session[-1:]
        return replace(done, ending=Ending.ERROR, stdout="", stderr="", detail=NEVER_RUN)
    return replace(done, stdout=printed if marked else "")


def _said(done: Execution) -> str:
    if done.ending is Ending.OK:
        return done.stdout.strip()[:PRINTED]
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if done.ending is Ending.ERROR and lines else done.detail or done.ending.value)[:PRINTED]
