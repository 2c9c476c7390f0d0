"""The check of a flow before its run, flows named module:attribute, and their picture."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from places import DOCS

from gristmill import Campaign
from gristmill.agents.state import FlowContext, FlowState, describe
from gristmill.agents.verifiers.form import length
from gristmill.agents.verifiers.verifier import verify
from gristmill.errors import FlowError
from gristmill.graphs.flows.check import Problem, check_flow, require_flow
from gristmill.graphs.flows.loading import flow_of, load_flow
from gristmill.graphs.flows.picture import mermaid
from gristmill.prompts.library import PromptLibrary
from gristmill.storage.records import Draft, Task

Graph = StateGraph[Any, Any, Any, Any]


@pytest.fixture
def prompts(tmp_path: Path) -> PromptLibrary:
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "ask-me.md").write_text("---\ndescription: x\n---\n## user\n{{ passage | data }} {{ tone }}\n")
    return PromptLibrary.of([folder])


async def silent(state: FlowState) -> dict[str, Any]:
    return {}


@describe(writes=("round",))
async def counting(state: FlowState) -> dict[str, Any]:
    return {"round": state.get("round", 0) + 1}


def flow(
    edges: Sequence[tuple[str, str]],
    branches: Sequence[tuple[str, Sequence[str]]] = (),
    nodes: dict[str, Any] | None = None,
    **options: Any,
) -> Graph:
    """A flow with these edges and branches; nodes that are not given are silent."""
    graph: Graph = StateGraph(options.pop("state", FlowState), **({"context_schema": FlowContext} | options))
    names = {name for pair in edges for name in pair} | {name for source, ends in branches for name in (source, *ends)}
    for name in sorted((names | set(nodes or {})) - {START, END}):
        graph.add_node(name, (nodes or {}).get(name, silent))
    for source, target in edges:
        graph.add_edge(source, target)
    for source, ends in branches:
        graph.add_conditional_edges(source, lambda state: END, list(ends))
    return graph


def found(graph: Any, prompts: PromptLibrary, roles: Sequence[str] = ("default",)) -> list[tuple[str, str]]:
    return [(problem.code, problem.node) for problem in check_flow(graph, roles=roles, prompts=prompts)]


def test_a_sound_flow_has_no_problems_compiled_or_not(prompts: PromptLibrary) -> None:
    graph = flow(
        [(START, "write"), ("write", "judge"), ("refine", "judge")], [("judge", ["refine", END])], {"refine": counting}
    )
    assert found(graph, prompts) == []
    assert found(graph.compile(), prompts) == []
    require_flow(graph, roles=[], prompts=prompts)


def test_an_unreachable_node_and_a_dead_end_are_found(prompts: PromptLibrary) -> None:
    graph = flow([(START, "a"), ("a", END), ("b", END)], [("a", ["trap", END])])
    assert found(graph, prompts) == [("unreachable", "b"), ("no_end", "trap")]


def test_a_flow_that_never_reaches_its_end_is_one_problem(prompts: PromptLibrary) -> None:
    assert found(flow([(START, "a"), ("a", "b")]), prompts) == [("no_end", "")]


def test_an_edge_to_a_node_that_does_not_exist_names_the_nearest(prompts: PromptLibrary) -> None:
    graph = flow([(START, "write"), ("write", END)])
    graph.add_conditional_edges("write", lambda state: END, ["wriet", END])
    problems = check_flow(graph, roles=["default"], prompts=prompts)
    assert ("unknown_node", "wriet") in [(one.code, one.node) for one in problems]
    assert "did you mean 'write'" in str(problems[0])


@pytest.mark.parametrize(
    ("edges", "branches", "nodes", "loops"),
    [
        ([(START, "a"), ("a", "b"), ("b", "a"), ("a", END)], [], {"a": counting}, ["a"]),  # no choice to leave
        ([(START, "a")], [("a", ["a", END])], {}, ["a"]),  # no count
        ([(START, "a")], [("a", ["a", END])], {"a": counting}, []),
        ([(START, "a"), ("b", "a")], [("a", ["b", END])], {}, ["a"]),
        ([(START, "a"), ("b", "a"), ("c", "a")], [("a", ["b", "c", END])], {"b": counting}, ["a"]),  # a to c is free
        ([(START, "a"), ("b", "a"), ("c", "a")], [("a", ["b", "c", END])], {"a": counting}, []),
    ],
)
def test_a_loop_needs_a_way_out_and_a_count(
    prompts: PromptLibrary, edges: Any, branches: Any, nodes: Any, loops: list[str]
) -> None:
    assert found(flow(edges, branches, nodes), prompts) == [("endless_loop", name) for name in loops]


def test_a_branch_without_declared_targets_may_lead_anywhere(prompts: PromptLibrary) -> None:
    graph = flow([(START, "a"), ("b", END)], nodes={"a": counting, "b": counting})
    graph.add_conditional_edges("a", lambda state: "b")
    assert found(graph, prompts) == []


def test_the_targets_of_a_command_are_edges(prompts: PromptLibrary) -> None:
    async def jump(state: FlowState) -> Command[Any]:
        return Command(goto="b")

    graph = flow([(START, "a"), ("b", END)])
    graph.nodes.pop("a")
    graph.add_node("a", jump, destinations=("b",))
    assert found(graph, prompts) == []


def test_what_a_node_tells_is_held_against_roles_prompts_and_state(prompts: PromptLibrary) -> None:
    @describe(role="critic", prompt="ask-me", variables=("passage",), reads=("verdict", "chunks"), writes=("drafts",))
    async def ask(state: FlowState) -> dict[str, Any]:
        return {}

    @describe(prompt="ask-mee")
    async def lost(state: FlowState) -> dict[str, Any]:
        return {}

    graph = flow([(START, "ask"), ("ask", "lost"), ("lost", END)], nodes={"ask": ask, "lost": lost})
    problems = {one.code: str(one) for one in check_flow(graph, roles=["critics"], prompts=prompts)}
    assert problems.keys() == {"missing_role", "missing_variables", "unknown_key", "unknown_prompt"}
    assert "role 'critic' has no model" in problems["missing_role"]
    assert "did you mean 'critics'" in problems["missing_role"]
    assert "asks for tone," in problems["missing_variables"]
    assert "reads 'verdict'" in problems["unknown_key"]
    assert "did you mean 'verdicts'" in problems["unknown_key"]
    assert "did you mean 'ask-me'" in problems["unknown_prompt"]
    with pytest.raises(FlowError) as raised:
        require_flow(graph, roles=["critics"], prompts=prompts)
    assert all(message in str(raised.value) for message in problems.values())
    assert "missing_role" not in dict(found(graph, prompts, ["default"]))


def test_the_parts_of_a_node_and_the_nodes_of_a_subgraph_are_checked_too(prompts: PromptLibrary) -> None:
    @describe(role="critic", writes=("nothing_like_it",))
    async def odd(state: FlowState, runtime: Any) -> dict[str, Any]:
        return {}

    together = flow([(START, "both"), ("both", END)], nodes={"both": verify(length("answer"), odd)})
    expected = [("unknown_key", "both"), ("missing_role", "both")]
    assert sorted(set(found(together, prompts, ["solver"]))) == sorted(expected)
    inner = flow([(START, "odd"), ("odd", END)], nodes={"odd": odd}).compile()
    outer = flow([(START, "inner"), ("inner", END)], nodes={"inner": inner})
    assert ("missing_role", "inner/odd") in found(outer, prompts, ["solver"])


def test_state_and_context_have_to_be_the_published_ones(prompts: PromptLibrary) -> None:
    class Wider(FlowState):
        mood: str

    class Context(FlowContext):
        pass

    ends = [(START, "a"), ("a", END)]
    assert found(flow(ends, state=Wider, context_schema=Context), prompts) == []
    assert found(flow(ends, context_schema=None), prompts) == [("context_schema", "")]


def test_a_state_that_lacks_or_redefines_published_keys_is_found(prompts: PromptLibrary) -> None:
    class Narrow(TypedDict):
        task: Task

    class Forgetful(FlowState):
        drafts: list[Draft]  # type: ignore[misc]  # the mistake: no reducer

    async def bare(state):  # names no state of its own, so the graph's is all there is
        return {}

    ends = [(START, "a"), ("a", END)]
    (problem,) = check_flow(flow(ends, nodes={"a": bare}, state=Narrow), roles=["default"], prompts=prompts)
    assert problem.code == "missing_key"
    assert "verdicts" in problem.message
    assert "task" not in problem.message.split(";")[0]
    (problem,) = check_flow(flow(ends, nodes={"a": bare}, state=Forgetful), roles=["default"], prompts=prompts)
    assert problem.code == "no_reducer"
    assert "'drafts'" in problem.message


def test_a_problem_reads_as_a_sentence() -> None:
    assert str(Problem("unreachable", "b", "no path leads to it")) == "node 'b': no path leads to it"
    assert str(Problem("no_end", "", "no path to END")) == "no path to END"


MODULE = """
from langgraph.graph import END, START, StateGraph
from gristmill.agents.state import FlowContext, FlowState

async def idle(state, runtime):
    return {}

def build(broken=False):
    if broken:
        raise ValueError("broken")
    graph = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("idle", idle)
    graph.add_edge(START, "idle")
    graph.add_edge("idle", END)
    return graph

def picky(needed):
    return build()

flow = build()
compiled = flow.compile()
number = 7
"""


def test_a_flow_is_found_by_module_and_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_flow_a.py").write_text(MODULE)
    before = list(sys.path)
    for name in ("flow", "compiled", "build"):
        assert isinstance(load_flow(f"my_flow_a:{name}"), StateGraph)
    assert sys.path == before


def test_a_function_in_python_is_a_flow_as_its_name_is() -> None:
    names: dict[str, Any] = {}
    exec(MODULE, names)  # the module above
    campaign = Campaign("x", ["x"], flow=names["build"], models={"default": "offline"})
    assert isinstance(campaign.prepare().flow, StateGraph)
    with pytest.raises(FlowError, match="returned None; it has to be a langgraph StateGraph"):
        flow_of(lambda: None, "nothing")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_flow_b", "not of the form module:attribute"),
        ("../my_flow_b:flow", "not of the form module:attribute"),
        ("no_such_module_b:flow", "there is no module 'no_such_module_b'"),
        ("my_flow_b:folw", "has no attribute 'folw'; did you mean 'flow'"),
        ("my_flow_b:number", "is a int; it has to be a langgraph StateGraph"),
        ("my_flow_b:picky", "calling it failed: TypeError"),
        ("needs_b:flow", "needs_b needs a module that is missing: No module named 'not_installed_b'"),
        ("fails_b:flow", "importing fails_b failed: ZeroDivisionError"),
        ("syntax_b:flow", "importing syntax_b failed: SyntaxError"),
    ],
)
def test_a_name_that_leads_to_no_flow_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_flow_b", raising=False)
    (tmp_path / "my_flow_b.py").write_text(MODULE)
    (tmp_path / "needs_b.py").write_text("import not_installed_b")
    (tmp_path / "fails_b.py").write_text("1 / 0")
    (tmp_path / "syntax_b.py").write_text("def")
    with pytest.raises(FlowError) as raised:
        load_flow(name)
    assert message in str(raised.value)


def test_the_picture_names_roles_escapes_names_and_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    @describe(role="critic", prompt="judge")
    async def judge(state: FlowState) -> dict[str, Any]:
        return {}

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the picture reached for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    graph = flow(
        [(START, 'judge (it) ["x"]')], [('judge (it) ["x"]', ['judge (it) ["x"]', END])], {'judge (it) ["x"]': judge}
    )
    text = mermaid(graph)
    assert text == mermaid(graph.compile())
    assert "judge #40;it#41; #91;#34;x#34;#93;" in text
    assert "role = critic" in text
    assert "prompt = judge" in text
    assert '"x"' not in text
    with pytest.raises(FlowError, match="cannot be drawn"):
        mermaid(flow([("a", END)]))


PAGE = DOCS / "flows.md"


async def test_the_flow_of_the_page_on_flows_is_sound_and_does_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    first, second = (text for kind, text in blocks if kind == "markdown")
    module, check, test = (text for kind, text in blocks if kind == "python")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "summarise-passage.md").write_text(first)
    (tmp_path / "prompts" / "rewrite-summary.md").write_text(second)
    (tmp_path / "my_flow.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_flow", raising=False)
    exec(compile(check, "flows.md", "exec"), {})
    assert capsys.readouterr().out == ""  # no problems
    names: dict[str, Any] = {}
    exec(compile(test, "flows.md", "exec"), names)
    await names["test_a_preamble_is_rewritten"]()
    picture = mermaid(load_flow("my_flow:build"))
    for edge in ("check -.-> rewrite", "check -.-> settle", "rewrite --> check", "settle --> __end__"):
        assert edge in picture
