"""The contracts of recipes from documents, the graph, seeds or nothing: who is asked what, after what, and sees what.

What a recipe's planner draws next, and the property that is its paper's point, are in the recipe's own tests.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest
from recipe_families import CASES
from seed_recipes import INSTRUCTIONS, TABLE, Ran

from gristmill import Request
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.prompts.library import PromptLibrary

OF_REVIEWERS = {"reviewer_note", "earlier_attempt", "avoid", "traits", "suggestions"}
"""Variables that a first draft is given empty: notes of a person, texts to keep away from, traits of `[attributes]`."""


@dataclass(frozen=True)
class Step:
    """A call: its role, its prompt, and every variable that the prompt may show.

    in_all: how many of it the whole campaign asks, where its tasks share it; 0 for one of it in each accepted task.
    """

    role: str
    prompt: str
    sees: str
    in_all: int = 0


JUDGED = "passage instruction output needs_source"
PLAN = "description examples requirements sample"
HARDER = (
    Step("generator", "codeclm-rubrics", "instruction use_case skills"),
    Step("generator", "codeclm-improve", "instruction suggestions"),
)
CONTRAST = (
    Step("strong", "respond-to-instruction", "instruction"),
    Step("target", "respond-to-instruction", "instruction"),
    *[Step("judge", "compare-responses", "instruction first second")] * 2,
)
CONTRACTS = {
    "agent-instruct": (
        Step("proposer", "transform-text", "passage form", in_all=13),
        Step("generator", "write-instruction", "source skill_description agent needs_source"),
        Step("refiner", "suggest-harder", "source skill_description agent needs_source instruction"),
        Step("refiner", "edit-instruction", "source skill_description agent needs_source instruction suggestions"),
        Step("responder", "answer-instruction", "instruction input"),
        Step("critic", "judge-instruction", JUDGED),
    ),
    "gsdp": (
        Step("extractor", "extract-points", "problem solution most", in_all=8),
        Step("filter", "score-points", "problem points", in_all=8),
        Step("generator", "write-point-problem", "examples points relation"),
        Step("solver", "solve-point-problem", "problem"),
        *(
            Step(role, "judge-point-problem", "points problem reasoning answer")
            for role in ("judge", "second-judge", "third-judge")
        ),
    ),
    "synth-ie": (
        Step("generator", "state-triples", "facts style"),
        Step("critic", "read-triples", "text kinds"),
    ),
    "wrap": (
        Step("generator", "rephrase-passage", "passage style_description"),
        Step("critic", "judge-rewriting", "passage style_description text"),
    ),
    "maga": (
        Step("proposer", "propose-audiences", "passage count", in_all=8),
        Step("generator", "rewrite-for-audience", "passage genre audience"),
        Step("critic", "judge-rewriting", "passage style_description text"),
    ),
    "craft": (
        Step("generator", "write-from-shots", "passage shots"),
        Step("critic", "judge-instruction", JUDGED),
    ),
    "muffin": (
        Step("proposer", "name-facets", "passage count", in_all=8),
        Step("proposer", "match-instruction", "passage instruction", in_all=8),
        Step("generator", "carry-out-instruction", "passage instruction"),
        Step("critic", "judge-instruction", JUDGED),
    ),
    "swim-ir": (
        Step("generator", "summarise-then-ask", "passage language exemplars"),
        Step("critic", "judge-query", "passage query negatives"),
    ),
    "duqgen": (
        Step("generator", "write-query", "passage exemplars"),
        Step("critic", "judge-query", "passage query negatives"),
    ),
    "e5": (
        Step("proposer", "brainstorm-retrieval-tasks", "count domain family_description", in_all=4),
        Step(
            "generator",
            "write-retrieval-triple",
            "chosen language count query_type query_length clarity difficulty length",
        ),
        Step("critic", "judge-query", "passage query negatives"),
    ),
    "persona-hub": (
        Step("persona", "propose-personas", "passage count", in_all=2),
        Step("persona", "relate-persona", "persona count", in_all=4),
        Step("generator", "persona-write", "persona makes"),
        Step("responder", "respond-to-instruction", "instruction"),
    ),
    "genqa": (Step("generator", "genqa-write", "variant subject listed place subplace booster"),),
    "magpie": (
        Step("aligned", "magpie-chatml", "domain"),
        Step("aligned", "respond-to-instruction", "instruction"),
        Step("critic", "judge-instruction-response", "instruction response"),
    ),
    "bare": (
        Step("base", "bare-draft", "examples"),
        Step("refiner", "bare-refine", "raw examples"),
    ),
    "codeclm": (
        Step("encoder", "codeclm-encode", "instruction", in_all=len(INSTRUCTIONS)),
        Step("generator", "codeclm-decode", "use_case skills"),
        *(*HARDER, *CONTRAST) * 2,  # the script's target keeps up with what was made harder once
    ),
    "targen": (
        Step("preparer", "targen-contexts", "description count", in_all=1),
        Step("preparer", "targen-seeds", "description context count", in_all=4),
        Step("generator", "targen-write", "description instance_seed label definition"),
        Step("labeller", "label-text", "text classes description given_label"),
    ),
    "attrprompt": (
        Step("attributes", "list-class-values", "domain dimension class_name count", in_all=2),
        Step("attributes", "shared-values", "dimension class_name values others", in_all=2),
        Step("generator", "write-class-text", "domain class_name confusable requirements"),
    ),
    "cotam": (
        Step("preparer", "cotam-decompose", "passage attribute source_label", in_all=3),
        Step("preparer", "cotam-propose", "passage attribute source_label attributes label"),
        Step("generator", "cotam-rewrite", "passage attribute attributes label changes"),
        Step("labeller", "label-text", "text classes description given_label"),
    ),
    "refed": (
        Step("critic", "refed-feedback", "reference_instruction reference_response", in_all=2),
        Step("generator", "refed-instruction", "reference_instruction instruction_feedback"),
        Step("responder", "respond-to-instruction", "instruction"),
        Step("refiner", "refed-refine", "instruction response response_feedback"),
    ),
    "datatune": (
        Step("preparer", "datatune-expand", "description examples", in_all=1),
        Step("preparer", "datatune-columns", PLAN, in_all=1),
        Step("preparer", "datatune-plan", f"{PLAN} columns", in_all=1),
        Step("generator", "datatune-execute", "description examples requirements plan row"),
    ),
}
"""Recipe → the calls of an accepted item in their order, on its case of `recipe_families`."""

TASKS = {
    "agent-instruct": 16, "synth-ie": 12, "wrap": 16, "maga": 40, "craft": 8, "muffin": 40, "swim-ir": 16, "duqgen": 6,
    "e5": 12, "gsdp": 26, "persona-hub": 12, "genqa": 12, "magpie": 10, "bare": 10, "codeclm": 6, "targen": 12,
    "attrprompt": 16, "cotam": 6, "refed": 6, "datatune": 4,
}  # fmt: skip
"""Recipe → the tasks after which its planner has no more to draw."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contracts")


@cache
def ran_of(name: str, folders: Path) -> Ran:
    """A case run to its end, one task at a time."""
    (folders / name).mkdir()
    return CASES[name].run(folders / name, concurrency=1)


def asked(request: Request) -> tuple[str, str]:
    return request.role, request.prompt


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_calls_come_in_their_order(name: str, folders: Path) -> None:
    """What tasks share stands before what is a task's own, each question of it in its place."""
    ran, steps = ran_of(name, folders), CONTRACTS[name]
    own = [(step.role, step.prompt) for step in steps if not step.in_all]
    shared = [(step.role, step.prompt) for step in steps if step.in_all]
    accepted = {item.task for item in ran.accepted}
    by_task = {id: [asked(one) for one in ran.requests if one.task == id] for id in accepted}
    for calls in by_task.values():
        before = calls[: len(calls) - len(own)]
        assert calls[len(before) :] == own
        assert [one for one, _ in groupby(before)] == [one for one in shared if one in before]
    counted = Counter(map(asked, ran.requests))
    assert {one: counted[one] for one in shared} == {
        (step.role, step.prompt): step.in_all for step in steps if step.in_all
    }


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_call_sees_what_its_step_needs_and_nothing_else(name: str, folders: Path) -> None:
    sees = {(step.role, step.prompt): set(step.sees.split()) for step in CONTRACTS[name]}
    ran = ran_of(name, folders)
    assert set(map(asked, ran.requests)) == sees.keys()
    for request in ran.requests:
        given = set(request.variables)
        needed = sees[asked(request)]
        assert needed <= given
        assert given - needed <= OF_REVIEWERS, asked(request)
        assert not any(request.variables[one] for one in given - needed), "a first draft, which nobody sent back"


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_planner_ends_by_itself(name: str, folders: Path) -> None:
    ran = ran_of(name, folders)
    assert (len(ran.tasks), ran.report.stop.code) == (TASKS[name], "exhausted")
    assert len({task.id for task in ran.tasks}) == TASKS[name]


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_target_ends_it_before(name: str, tmp_path: Path) -> None:
    ran = CASES[name].run(tmp_path, concurrency=1, target=2)
    assert (len(ran.accepted), ran.report.stop.code) == (2, "target")
    assert ran.report.books.balanced
    assert len(ran.requests) < sum(ran_calls(name))


def ran_calls(name: str) -> list[int]:
    """Calls that a whole run makes at least: those of each item, and those that tasks share."""
    own = [step for step in CONTRACTS[name] if not step.in_all]
    items = CASES[name].accepts or TASKS[name]
    return [len(own) * items, *(step.in_all for step in CONTRACTS[name])]


def test_every_such_recipe_has_a_contract() -> None:
    assert set(CONTRACTS) == set(TASKS)
    assert all(recipe(name).paper for name in CONTRACTS)


ENTRIES = [  # recipe, option, prompt, tokens of an entry with its quotes, tokens of what is written beside the list
    ("e5", "tasks", "brainstorm-retrieval-tasks", 30, 0),
    ("e5", "negatives", "write-retrieval-triple", 400, 800),
    ("targen", "contexts", "targen-contexts", 15, 0),
    ("targen", "seeds", "targen-seeds", 50, 0),
    ("genqa", "listed", "genqa-write", 2 * 9, 700),
    ("maga", "pairs", "propose-audiences", 65, 0),
    ("muffin", "facets", "name-facets", 50, 0),
    ("attrprompt", "each", "list-class-values", 12, 0),
    ("attrprompt", "each", "shared-values", 12, 0),
    ("persona-hub", "personas", "propose-personas", 45, 0),
    ("persona-hub", "related", "relate-persona", 45, 0),
]


@pytest.mark.parametrize(("name", "option", "prompt", "entry", "beside"), ENTRIES)
def test_the_longest_list_that_may_be_asked_for_fits_into_its_answer(
    name: str, option: str, prompt: str, entry: int, beside: int
) -> None:
    """An answer that was cut is no list, and all tasks that share it would fail."""
    (most,) = (one.le for one in recipe(name).options.model_fields[option].metadata if hasattr(one, "le"))
    held = PromptLibrary().get(prompt).max_tokens
    assert held is not None
    assert most * entry + beside <= held


# what some planners draw next


def test_magpie_takes_its_domains_in_turn(folders: Path, tmp_path: Path) -> None:
    ran = CASES["magpie"].run(tmp_path, concurrency=1, options={"domains": ["", "You know mills."], "tasks": 5})
    assert [task.attributes["domain"] for task in ran.tasks] == ["", "You know mills.", "", "You know mills.", ""]
    assert [task.seed for task in ran.tasks] == list(range(5))
    assert [request.sampling.seed for request in ran.asked("magpie-chatml")] == list(range(5)), "each is another draw"


def test_datatune_takes_the_rows_in_their_order_and_each_once(folders: Path) -> None:
    ran = ran_of("datatune", folders)
    rows = [task.attributes["columns_of_row"] for task in ran.tasks]
    assert [row["text"] for row in rows] == [row["text"] for row in TABLE if row["text"]]
    assert {len(task.chunks) for task in ran.tasks} == {1}


def test_targen_builds_on_a_seed_of_every_context_before_a_second_of_any(folders: Path) -> None:
    drawn = [
        (task.attributes["seed_place"], task.attributes["context_place"]) for task in ran_of("targen", folders).tasks
    ]
    assert drawn == [(seed, context) for seed in range(3) for context in range(4)]


def test_bare_and_genqa_draw_anew_for_each_task(folders: Path) -> None:
    for name in ("bare", "genqa"):
        ran = ran_of(name, folders)
        assert [task.seed for task in ran.tasks] == list(range(TASKS[name]))
        assert len({str(sorted(task.attributes.items())) + str(task.chunks) for task in ran.tasks}) > TASKS[name] // 2
