"""Roles that ask several times at once: panels, solvers, nodes in turn; what fails among them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from role_states import GOOD, PROBLEM_VARIABLES, REJECT, run, run_node, state_of

from gristmill.agents.asking import together
from gristmill.agents.attributes.class_attributes import class_attributes
from gristmill.agents.critic import critic
from gristmill.agents.failing import failing
from gristmill.agents.generator import generator
from gristmill.agents.ideas import new_idea
from gristmill.agents.messages import reasoning
from gristmill.agents.panel import panel
from gristmill.agents.refiner import refiner
from gristmill.agents.solver import ANSWERS, solver
from gristmill.agents.state import FlowContext, FlowState, Node, info_of
from gristmill.agents.teachable import teachable
from gristmill.agents.turns import in_turn
from gristmill.agents.verifiers.agreement import majority_agrees, value
from gristmill.errors import ConfigError, Overloaded
from gristmill.graphs.flows.reference import reference_flow
from gristmill.models.contract import Request
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Decision, Draft, Task

ANSWERED = {
    "answer-for-reference": {"valid": True, "response": "Two days.", "answer": "2"},
    "answer-query": {"response": "Three.", "answer": "3"},
    "same-idea": {"reason": "", "same": False},
    "compare-responses": {"reason": "", "first": 9, "second": 1},
    "list-class-values": {"values": ["plain"]},
    "shared-values": {"values": []},
}


def test_a_panel_that_cannot_agree_is_refused() -> None:
    with pytest.raises(ConfigError, match="between 1 and"):
        panel({"relevance": "judge"}, agree=2)
    with pytest.raises(ConfigError, match="at least one judge"):
        panel({})


async def test_a_solver_keeps_the_majoritys_solution() -> None:
    answers = ["12", "15", "12 years"]

    def solve(request: Any) -> dict[str, Any]:
        return {"reasoning": f"way {request.sample}", "answer": answers[request.sample], "evidence": ["built in 1742"]}

    model = Scripted({"write-problem": {"problem": "How long?", "needs": ["mill"]}, "solve-problem": solve})
    node = in_turn(
        generator(prompt="write-problem", variables=PROBLEM_VARIABLES, messages=reasoning),
        solver(samples=3),
        majority_agrees(value(ANSWERS)),
    )
    end = await run_node(node, model)
    problem, solution = end["drafts"]
    assert [message.role for message in problem.messages] == ["user"]
    assert solution.messages[1].content == "way 0\n\nAnswer: 12"
    assert (solution.fields["problem"], solution.fields["needs"]) == ("How long?", ["mill"])
    assert solution.note == "2 of 3 solutions agree"
    assert end["values"][ANSWERS] == answers
    assert end["verdicts"][0].decision is Decision.ACCEPT
    with pytest.raises(ConfigError, match="samples"):
        solver(samples=0)


async def test_one_failing_sample_raises_its_error_after_the_others_ended() -> None:
    def solve(request: Any) -> Any:
        return Overloaded("busy") if request.sample == 0 else {"answer": "12"}

    model = Scripted({"write-problem": {"problem": "How long?"}, "solve-problem": solve})
    node = in_turn(generator(prompt="write-problem", variables=PROBLEM_VARIABLES), solver(samples=4))
    with pytest.raises(Overloaded):
        await run_node(node, model)
    assert len(model.requests) == 5


async def test_those_that_fail_together_are_awaited_and_the_first_error_is_raised() -> None:
    ended = list[int]()

    async def one(number: int) -> int:
        for _ in range(3 * number):
            await asyncio.sleep(0)
        ended.append(number)
        if number in (1, 2):
            raise Overloaded(f"busy {number}")
        return number

    with pytest.raises(Overloaded, match="busy 2"):
        await together(map(one, (4, 2, 1)))
    assert ended == [1, 2, 4]
    assert await together(map(one, (4, 0))) == [4, 0]


@pytest.mark.parametrize(
    ("node", "prompt"),
    [
        (failing(samples=4), "answer-query"),
        (new_idea("plan", known=lambda _: ["By rail.", "On foot."], given={"problem": lambda _: "Go."}), "same-idea"),
        (teachable(), "compare-responses"),
        (teachable(), "respond-to-instruction"),
        (
            class_attributes(domain="mills", classes=("a", "b"), dimensions=("tone", "length"), values={}, similar={}),
            "list-class-values",
        ),
    ],
    ids=["failing", "ideas", "judge", "answers", "dimensions"],
)
async def test_no_call_goes_on_when_a_node_has_raised(node: Node, prompt: str) -> None:
    """Else its price would be booked on a task that was taken already, and stand in no item."""
    begun = ended = 0

    async def slow(request: Request) -> Any:
        nonlocal begun, ended
        if request.prompt == prompt:
            begun += 1
            number = begun
            for _ in range(50 * (number - 1)):
                await asyncio.sleep(0)
            ended += 1  # a call that was cancelled does not come here
            if number == 1:
                return Overloaded("busy")
        return ANSWERED.get(request.prompt, "an answer")

    context = FlowContext(models={name: Scripted(slow, name=name) for name in ("default", "target")})
    flow = StateGraph(FlowState, context_schema=FlowContext)
    flow.add_node("only", node)
    flow.add_edge(START, "only")
    flow.add_edge("only", END)
    draft = Draft(index=0, by="g", messages=(), fields={"instruction": "How long?", "plan": "By the river."})
    task = Task.of("chunk", attributes={"label": "a"})
    with pytest.raises(Overloaded):
        await flow.compile().ainvoke(state_of(task, drafts=[draft]), context=context)
    assert begun == ended > 1


async def test_in_turn_stops_at_a_rejection_and_keeps_what_was_written() -> None:
    model = Scripted({"write-question-answer": GOOD, "judge-question-answer": REJECT, "edit-question-answer": GOOD})
    given = {"kind_description": lambda _: ""}
    node = in_turn(generator(given=given), critic(), refiner(suggest=None))
    end = await run_node(node, model)
    assert len(end["drafts"]) == 1
    assert [request.prompt for request in model.requests] == ["write-question-answer", "judge-question-answer"]
    info = info_of(node)
    assert info is not None
    assert [part.prompt for part in info.parts] == [
        "write-question-answer",
        "judge-question-answer",
        "edit-question-answer",
    ]
    with pytest.raises(ConfigError, match="at least one"):
        in_turn()


async def test_in_turn_goes_on_after_a_panel_that_accepts_and_rests_after_a_rejection() -> None:
    says = {"relevance": "accept", "correctness": "reject"}
    model = Scripted(
        {
            "write-question-answer": GOOD,
            "judge-problem": lambda request: {"decision": says[request.variables["judge"]]},
            "edit-question-answer": GOOD,
        }
    )
    write = generator(given={"kind_description": lambda _: ""})
    judge = panel(dict.fromkeys(says, "judge"), agree=1)
    mend = refiner(suggest=None)
    assert len((await run_node(in_turn(write, judge, mend), model))["drafts"]) == 2
    strict = panel(dict.fromkeys(says, "judge"))
    flow = reference_flow(
        proposer=None, generator=in_turn(write, strict), verifiers=mend, critic=critic(), refiner=None
    )
    end = await run(flow, model)
    assert (end["decision"], len(end["drafts"])) == (Decision.REJECT, 1)
