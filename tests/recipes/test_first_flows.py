"""The flows of grounded-qa, entigraph and graph-reasoning: calls, what they keep, what they reject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from first_parts import DRAWING, GRAPH, chunk_of

from gristmill.agents.state import FlowContext
from gristmill.errors import ConfigError
from gristmill.evals.duplicates.exact import ExactPool
from gristmill.graphs.flows.check import require_flow
from gristmill.graphs.planners.kinds import taxonomy
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.models.scripted import Scripted
from gristmill.prompts.library import PromptLibrary
from gristmill.storage.records import Chunk, Decision, Task


@pytest.mark.parametrize("name", [name for name in DRAWING if name != "rows"])
def test_a_recipes_flow_passes_the_flow_check_with_its_roles(name: str) -> None:
    found = recipe(name)
    assert found.flow is not None
    require_flow(found.flow(found.options()), roles=set(found.roles), prompts=PromptLibrary())
    for role in found.roles:
        with pytest.raises(ConfigError, match=role):
            require_flow(found.flow(found.options()), roles={*found.roles} - {role}, prompts=PromptLibrary())


async def run(name: str, task: Task, model: Scripted, chunks: Sequence[Chunk], **options: Any) -> dict[str, Any]:
    found = recipe(name)
    assert found.flow is not None
    entities = [GRAPH.entities[one] for one in task.entities]
    relations = [GRAPH.relations[one] for one in task.relations]
    state = {"task": task, "chunks": list(chunks), "entities": entities, "relations": relations}
    context = FlowContext(models={"default": model}, pool=ExactPool())
    end = await found.flow(found.options.model_validate(options)).compile().ainvoke(state, context=context)
    assert end["decision"] in (Decision.ACCEPT, Decision.REJECT)
    return end


SOURCE = chunk_of(99, "Bees dance to show where flowers stand. The angle of the dance gives the direction to the sun.")


QUOTE = "Bees dance to show where flowers stand."


ACCEPT = {"decision": "accept"}


async def test_grounded_qa_gives_question_and_answer() -> None:
    task = Task.of("chunk", chunks=(SOURCE.id,), attributes={"kind": "cause"})
    model = Scripted(
        {
            "propose-question": {"suitable": True, "topic": "bees", "quote": QUOTE},
            "write-question-answer": {
                "question": "Why do bees dance?",
                "answer": "To show flowers.",
                "evidence": [QUOTE],
            },
            "judge-question-answer": ACCEPT,
        }
    )
    end = await run("grounded-qa", task, model, [SOURCE])
    assert end["decision"] is Decision.ACCEPT
    assert end["drafts"][0].messages[0].content == "Why do bees dance?"
    assert model.requests[0].variables["kind_description"] == taxonomy()["cause"].description
    end = await run("grounded-qa", task, model, [SOURCE], on_passage=True, propose=False)
    assert end["drafts"][0].messages[0].content == f"{SOURCE.text}\n\nWhy do bees dance?"


async def test_entigraph_gives_text_to_pretrain_on_and_mends_a_short_one() -> None:
    task = Task.of(
        "pair",
        chunks=(SOURCE.id,),
        entities=("entity-a", "entity-b"),
        relations=("relation-a-b",),
        attributes={"form": "lesson"},
    )
    long = {
        "title": "Bees",
        "text": "Bees dance where flowers stand. " * 10,
        "questions": [{"question": "Who dances?", "answer": "Bees."}],
        "evidence": [QUOTE],
    }
    model = Scripted(
        {
            "write-entity-passage": {"title": "Bees", "text": "Bees dance.", "evidence": [QUOTE]},
            "revise-entity-passage": long,
            "judge-entity-passage": [ACCEPT],
        }
    )
    end = await run("entigraph", task, model, [SOURCE])
    assert end["decision"] is Decision.ACCEPT
    (message,) = end["drafts"][-1].messages
    assert message.role == "assistant"
    assert message.content.endswith("Question: Who dances?\nAnswer: Bees.")
    revision = model.requests[1]
    assert revision.variables["reasons"] == ["too_short"]
    assert revision.variables["form"] == "lesson"
    assert revision.variables["relations"] == ["a - next to - b"]
    assert [entity["name"] for entity in revision.variables["entities"]] == ["a", "b"]


def reasoning_script(**changed: Any) -> Scripted:
    return Scripted(
        {
            "write-problem": {"problem": "Where do bees send each other?", "needs": ["a", "b"]},
            "solve-problem": {"reasoning": "They dance.", "answer": "To flowers.", "evidence": [QUOTE]},
            "judge-problem": ACCEPT,
            **changed,
        }
    )


REASONING_TASK = Task.of("hop1", chunks=(SOURCE.id,), entities=("entity-a", "entity-b"))


async def test_graph_reasoning_gives_a_problem_with_its_solution() -> None:
    model = reasoning_script()
    end = await run("graph-reasoning", REASONING_TASK, model, [SOURCE])
    assert end["decision"] is Decision.ACCEPT
    assert [message.content for message in end["drafts"][-1].messages] == [
        "Where do bees send each other?",
        "They dance.\n\nAnswer: To flowers.",
    ]
    assert model.requests[0].variables["relation"] == "hop1"
    assert model.requests[0].variables["path"] == ["a", "b"]
    judges = [request.variables["judge"] for request in model.requests if request.prompt == "judge-problem"]
    assert judges == ["relevance", "correctness", "difficulty"]


async def test_graph_reasoning_rejects_when_one_judge_does() -> None:
    def judge(request: Any) -> dict[str, Any]:
        if request.variables["judge"] == "difficulty":
            return {"decision": "reject", "reasons": ["too_easy"]}
        return ACCEPT

    end = await run("graph-reasoning", REASONING_TASK, reasoning_script(**{"judge-problem": judge}), [SOURCE])
    assert (end["decision"], end["reasons"]) == (Decision.REJECT, ("too_easy",))
    end = await run("graph-reasoning", REASONING_TASK, reasoning_script(**{"judge-problem": judge}), [SOURCE], agree=2)
    assert end["decision"] is Decision.ACCEPT


async def test_graph_reasoning_pays_no_judge_when_solutions_disagree() -> None:
    def solve(request: Any) -> dict[str, Any]:
        return {"answer": f"place {'abcd'[request.sample]}", "evidence": [QUOTE]}

    model = reasoning_script(**{"solve-problem": solve})
    end = await run("graph-reasoning", REASONING_TASK, model, [SOURCE], solutions=4)
    assert (end["decision"], end["reasons"]) == (Decision.REJECT, ("no_majority",))
    assert "judge-problem" not in [request.prompt for request in model.requests]


async def test_graph_reasoning_pays_no_solver_for_a_twin() -> None:
    found = recipe("graph-reasoning")
    assert found.flow is not None
    model = reasoning_script()
    context = FlowContext(models={"default": model}, pool=ExactPool([("where do bees send each other", "task-twin")]))
    state = {"task": REASONING_TASK, "chunks": [SOURCE]}
    end = await found.flow(found.options()).compile().ainvoke(state, context=context)
    assert (end["decision"], end["reasons"]) == (Decision.REJECT, ("duplicate",))
    assert [request.prompt for request in model.requests] == ["write-problem"]
