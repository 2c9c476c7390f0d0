"""Checks a flow before anything is spent on it: what it needs, what it reads and writes, and where its edges lead.

The check sees the graph's edges and what its nodes tell by `describe`. A node that tells nothing can hide a missing
role or key from it, but no edge. Nothing runs here: neither nodes nor routing functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple, get_type_hints

from langgraph.channels import BinaryOperatorAggregate
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from ...agents.state import FlowContext, FlowState, NodeInfo, info_of
from ...errors import FlowError, PromptError, meant
from ...prompts.library import Prompt, PromptLibrary
from ...prompts.wanted import unfit

AnyFlow = StateGraph[Any, Any, Any, Any] | CompiledStateGraph[Any, Any, Any, Any]
_LOOP_COUNTER = "round"
_GROWING = {
    name for name, hint in get_type_hints(FlowState, include_extras=True).items() if hasattr(hint, "__metadata__")
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a flow from running. `node` is empty when it concerns the whole flow.

    `code` is one of `context_schema`, `missing_key`, `no_reducer`, `unknown_node`, `unreachable`, `no_end`,
    `endless_loop`, `missing_role`, `unknown_prompt`, `missing_variables`, `wrong_schema`, `unknown_score`,
    `unknown_key`, `invalid`.
    """

    code: str
    node: str
    message: str

    def __str__(self) -> str:
        return f"node '{self.node}': {self.message}" if self.node else self.message


class Edge(NamedTuple):
    """An edge of a flow; a conditional one may be not taken."""

    source: str
    target: str
    conditional: bool


def check_flow(graph: AnyFlow, *, roles: Collection[str], prompts: PromptLibrary) -> list[Problem]:
    """Returns everything that is wrong with `graph`, in a stable order; an empty list when it can run.

    Args:
        graph: a `StateGraph` or what its `compile()` returned.
        roles: the roles that have a model; `default` stands in for any role.
        prompts: where the nodes' prompts are looked up.
    """
    builder = builder_of(graph)
    problems = [*_schema_problems(builder), *_edge_problems(builder), *_loop_problems(builder)]
    for name, node in builder.nodes.items():
        inner = node.runnable
        if isinstance(inner, CompiledStateGraph):
            problems += [
                Problem(found.code, f"{name}/{found.node}" if found.node else name, found.message)
                for found in check_flow(inner, roles=roles, prompts=prompts)
            ]
        for info in infos_of(node):
            problems += _info_problems(name, info, builder, roles, prompts)
    if not problems:
        try:
            builder.validate()
        except ValueError as error:
            problems.append(Problem("invalid", "", f"LangGraph refuses the flow: {error}"))
    return list(dict.fromkeys(problems))


def require_flow(graph: AnyFlow, *, roles: Collection[str], prompts: PromptLibrary) -> None:
    """Raises `FlowError` with all problems of `graph`, one a line, when there are any."""
    problems = check_flow(graph, roles=roles, prompts=prompts)
    if problems:
        raise FlowError("the flow cannot run:\n" + "\n".join(f"- {problem}" for problem in problems))


def require_asked(asks: Iterable[NodeInfo], prompts: PromptLibrary) -> None:
    """Raises `PromptError` with all that is wrong with the prompts that are asked outside of flows, one a line."""
    problems = [problem for info in asks for problem in _prompt_problems("", info, prompts)]
    if problems:
        raise PromptError("\n".join(dict.fromkeys(map(str, problems))))


def builder_of(graph: AnyFlow) -> StateGraph[Any, Any, Any, Any]:
    """Returns the `StateGraph` itself, also of a compiled one."""
    return graph.builder if isinstance(graph, CompiledStateGraph) else graph


def infos_of(node: Any) -> Iterator[NodeInfo]:
    """Yields what a node of a builder tells of itself, then what its parts tell."""
    waiting = [info_of(getattr(node.runnable, kind, None)) for kind in ("afunc", "func")]
    queue = [info for info in waiting if info is not None][:1]
    while queue:
        info = queue.pop(0)
        yield info
        queue += info.parts


def _schema_problems(builder: StateGraph[Any, Any, Any, Any]) -> Iterator[Problem]:
    context = builder.context_schema
    if not (isinstance(context, type) and issubclass(context, FlowContext)):
        yield Problem(
            "context_schema",
            "",
            "its nodes get no models: make it StateGraph(FlowState, context_schema=FlowContext), "
            f"not context_schema={getattr(context, '__name__', context)}",
        )
    # Not `builder.channels`: those also hold what single nodes declare as their input, which a task cannot fill.
    channels = builder.schemas[builder.state_schema]
    lacking = sorted(FlowState.__annotations__.keys() - channels.keys())
    if lacking:
        yield Problem(
            "missing_key",
            "",
            f"its state lacks {', '.join(lacking)}; derive the state from FlowState: class MyState(FlowState): ...",
        )
    for key in sorted(_GROWING & channels.keys()):
        if not isinstance(channels[key], BinaryOperatorAggregate):
            yield Problem(
                "no_reducer",
                "",
                f"its state declares '{key}' without a reducer, so each node would throw away what the others wrote; "
                "derive the state from FlowState and leave the key out",
            )


def edges_of(builder: StateGraph[Any, Any, Any, Any]) -> list[Edge]:
    """All edges that a run can take. A branch or a `Command` without declared targets may lead anywhere."""
    anywhere = [*builder.nodes, END]
    edges = [Edge(source, target, False) for source, target in sorted(builder.edges)]
    for sources, target in sorted(builder.waiting_edges):
        edges += [Edge(source, target, False) for source in sources]
    for source, branches in builder.branches.items():
        for branch in branches.values():
            targets = anywhere if branch.ends is None else branch.ends.values()
            edges += [Edge(source, target, True) for target in targets]
    for source, node in builder.nodes.items():
        edges += [Edge(source, target, True) for target in node.ends or ()]
    return edges


def _reached(edges: Collection[Edge], start: str) -> set[str]:
    """Returns what can be reached from `start` by one edge or more. Flows are small: no graph library is loaded."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        source = waiting.pop()
        new = {edge.target for edge in edges if edge.source == source} - found
        found |= new
        waiting += new
    return found


def _loops(edges: Collection[Edge]) -> list[list[str]]:
    """Returns the loops, each as its sorted nodes: those that reach themselves, grouped by reaching each other."""
    names = {name for edge in edges for name in (edge.source, edge.target)}
    reached = {name: _reached(edges, name) for name in names}
    loops = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in names
        if name in reached[name]
    }
    return sorted(list(loop) for loop in loops)


def _edge_problems(builder: StateGraph[Any, Any, Any, Any]) -> Iterator[Problem]:
    edges = edges_of(builder)
    known = {START, END, *builder.nodes}
    for name in sorted({name for edge in edges for name in (edge.source, edge.target)} - known):
        meant = _nearest(name, known)
        yield Problem("unknown_node", name, f"an edge names it, and the flow has no such node{meant}")
    reached = _reached(edges, START)
    ending = {name for name in builder.nodes if END in _reached(edges, name)}
    if END not in reached:
        yield Problem("no_end", "", "no path leads from START to END; add an edge to END")
    for name in builder.nodes:
        if name not in reached:
            yield Problem("unreachable", name, "no path leads to it from START; add an edge or remove it")
        elif name not in ending and END in reached:
            yield Problem("no_end", name, "no path leads from it to END; add an edge, or declare its Command's targets")


def _loop_problems(builder: StateGraph[Any, Any, Any, Any]) -> Iterator[Problem]:
    """A loop needs an edge that may be not taken, and a node in it that counts the rounds, or it may never stop."""
    edges = edges_of(builder)
    forced = _loops([edge for edge in edges if not edge.conditional])
    for loop in forced:
        yield Problem(
            "endless_loop",
            loop[0],
            f"the loop {_names(loop)} has no conditional edge out of it; route out of it with add_conditional_edges",
        )
    counting = {
        name
        for name, node in builder.nodes.items()
        if any(_LOOP_COUNTER in info.writes or info.gates for info in infos_of(node))
    }
    for loop in _loops([edge for edge in edges if not {edge.source, edge.target} & counting]):
        if loop not in forced:
            yield Problem(
                "endless_loop",
                loop[0],
                f"the loop {_names(loop)} has no limit: no node in it writes '{_LOOP_COUNTER}'. Count there "
                f"(return {{'{_LOOP_COUNTER}': state.get('{_LOOP_COUNTER}', 0) + 1}}), say so with "
                f"@describe(writes=('{_LOOP_COUNTER}',)), and leave the loop when it is reached",
            )


def _info_problems(
    name: str,
    info: NodeInfo,
    builder: StateGraph[Any, Any, Any, Any],
    roles: Collection[str],
    prompts: PromptLibrary,
) -> Iterator[Problem]:
    if info.role is not None and info.role not in roles and "default" not in roles:
        given = ", ".join(sorted(roles)) or "none"
        yield Problem(
            "missing_role",
            name,
            f"role '{info.role}' has no model (bound are: {given}); bind one to it, or one to 'default'"
            + _nearest(info.role, roles),
        )
    yield from _prompt_problems(name, info, prompts)
    for verb, keys in (("reads", info.reads), ("writes", info.writes)):
        for key in sorted(keys - builder.channels.keys()):
            yield Problem(
                "unknown_key",
                name,
                f"it {verb} '{key}', which the state does not have{_nearest(key, builder.channels)}",
            )


def _prompt_problems(name: str, info: NodeInfo, prompts: PromptLibrary) -> Iterator[Problem]:
    if info.prompt is None:
        return
    try:
        template = prompts.get(info.prompt)
    except PromptError as error:
        yield Problem("unknown_prompt", name, str(error))
        return
    if lacking := sorted(template.variables - info.variables):
        by = "the node" if name else f"role '{info.role}'"
        yield Problem(
            "missing_variables",
            name,
            f"prompt '{info.prompt}' ({template.path}) asks for {', '.join(lacking)}, which {by} does not give; it "
            f"gives {', '.join(sorted(info.variables)) or 'nothing'}",
        )
    yield from _answer_problems(name, info, template)


def _answer_problems(name: str, info: NodeInfo, template: Prompt) -> Iterator[Problem]:
    """What the node needs of an answer, and the prompt does not ask for: each task would be paid, and come to nothing.

    A prompt that does not list its scores is one that asks for what its text has.
    """
    said = f"prompt '{template.name}' ({template.path})"
    if info.answer is not None and (why := unfit(template, info.answer, info.role or name)):
        yield Problem("wrong_schema", name, why)
    for score in sorted(info.scores):
        if template.asks_for(score):
            continue
        if template.scores:
            yield Problem(
                "unknown_score",
                name,
                f"a least score of '{score}' is asked for, and {said} gives no such score"
                + meant(score, template.scores),
            )
        else:
            yield Problem(
                "unknown_score",
                name,
                f"a least score of '{score}' is asked for, and {said} says nothing of it; correct the name, or list "
                f"what the prompt scores in its front matter: scores: [{score}]",
            )


def _nearest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean '{near[0]}'?" if near and near[0] != name else ""


def _names(loop: Collection[str]) -> str:
    return " -> ".join(f"'{name}'" for name in loop)
