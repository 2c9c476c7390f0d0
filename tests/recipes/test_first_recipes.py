"""Recipes: what their planners draw, and their flows end to end with scripted models."""

from __future__ import annotations

import dataclasses
import random
import re
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from first_parts import CHUNKS, DRAWING, GRAPH, chunk_of, graph_over
from places import DOCS, HELPERS
from pydantic import ValidationError

from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.planners.base import PlanView, coverage_keys
from gristmill.graphs.planners.kinds import QuestionKind, choose, taxonomy
from gristmill.graphs.planners.shares import Shares, by_shares
from gristmill.graphs.recipes.base import Recipe
from gristmill.graphs.recipes.catalogue import recipe, recipes
from gristmill.storage.records import Chunk, Task


class Books:
    """What a campaign does for a planner: remembers what is planned and counts it as covered."""

    def __init__(self, recipe: Recipe, graph: KnowledgeGraph | None = GRAPH, chunks: Sequence[Chunk] = CHUNKS) -> None:
        self.recipe = recipe
        self.coverage: Counter[str] = Counter()
        self.tasks: dict[str, Task] = {}
        self.graph, self.chunks = graph, chunks
        self.restart()

    def restart(self) -> None:
        self.rng = random.Random(7)
        self.view = PlanView(self.chunks, self.graph, self.coverage, self.tasks.__contains__)

    def plan(self, count: int, **options: Any) -> list[Task]:
        drawn = list(self.recipe.planner(self.view, count, self.rng, self.recipe.options.model_validate(options)))
        assert len({task.id for task in drawn}) == len(drawn) <= count
        assert not {task.id for task in drawn} & set(self.tasks)
        for task in drawn:
            self.tasks[task.id] = task
            self.coverage.update(coverage_keys(task))
        return drawn

    def plan_all(self, step: int = 5, **options: Any) -> list[Task]:
        tasks: list[Task] = []
        while drawn := self.plan(step, **options):
            tasks += drawn
        assert self.plan(step, **options) == []
        return tasks


@pytest.mark.parametrize("name", DRAWING)
def test_a_plan_is_the_same_in_steps_and_after_a_restart(name: str) -> None:
    whole, restarted = Books(recipe(name)), Books(recipe(name))
    everything = {task.id for task in whole.plan_all(step=1000)}
    assert len(everything) > 5
    restarted.plan(3)
    restarted.restart()
    restarted.plan(2)
    restarted.restart()
    restarted.plan_all(step=4)
    assert set(restarted.tasks) == everything


def test_equal_seeds_draw_equal_tasks_in_every_process() -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]; import test_first_recipes as t\n"
        "print([[task.id for task in t.Books(t.recipe(name)).plan(9)] for name in t.DRAWING])"
    )
    here = [[task.id for task in Books(recipe(name)).plan(9)] for name in DRAWING]
    there = subprocess.run(
        [sys.executable, "-c", script, *map(str, (Path(__file__).parent, HELPERS))],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "12345", "PATH": ""},
    )
    assert there.stdout.strip() == str(here)


@pytest.mark.parametrize("name", DRAWING)
def test_tasks_name_records_that_exist(name: str) -> None:
    ids = {chunk.id for chunk in CHUNKS}
    for task in Books(recipe(name)).plan_all():
        assert task.chunks
        assert set(task.chunks) <= ids
        assert set(task.entities) <= set(GRAPH.entities)
        assert set(task.relations) <= set(GRAPH.relations)
        for entity in task.entities:
            assert set(GRAPH.chunks_of(entity)) & set(task.chunks), "no chunk of the task mentions the entity"


def test_rows_draw_each_chunk_once_a_pass_in_order() -> None:
    tasks = Books(recipe("rows")).plan_all(passes=2, attributes={"tone": "plain"})
    assert [task.chunks[0] for task in tasks] == [chunk.id for chunk in CHUNKS] * 2
    assert {task.seed for task in tasks} == {0, 1}
    assert tasks[0].attributes == {"tone": "plain"}


def test_grounded_qa_asks_each_chunk_for_each_kind_once_and_spreads() -> None:
    kinds = ("fact", "cause", "number")
    books = Books(recipe("grounded-qa"))
    first = books.plan(12, kinds=kinds)
    assert len({task.chunks for task in first}) == 12
    assert set(Counter(task.attributes["kind"] for task in first).values()) == {4}
    books.plan_all(kinds=kinds)
    assert len(books.tasks) == 36
    assert len({(task.chunks, task.attributes["kind"]) for task in books.tasks.values()}) == 36
    assert len(Books(recipe("grounded-qa")).plan_all(kinds=kinds, per_kind=2)) == 72


def test_grounded_qa_makes_up_for_a_kind_that_is_rejected() -> None:
    books = Books(recipe("grounded-qa"), chunks=[chunk_of(number) for number in range(300)])
    for _ in range(30):
        for task in books.plan(10, kinds=("fact", "cause")):
            if task.attributes["kind"] == "cause" and len(books.tasks) % 3:
                books.coverage.subtract(coverage_keys(task))  # the critic rejected it
    drawn = Counter(task.attributes["kind"] for task in books.tasks.values())
    assert drawn["cause"] > 1.5 * drawn["fact"]


@pytest.mark.parametrize(("one_in", "most"), [(1_000_000, 0.4), (20, 0.6)], ids=["never", "seldom"])
@pytest.mark.parametrize("restarts", [False, True])
def test_grounded_qa_does_not_run_after_a_kind_that_few_chunks_give(restarts: bool, one_in: int, most: float) -> None:
    books = Books(recipe("grounded-qa"), chunks=[chunk_of(number) for number in range(800)])
    tried = 0
    for _ in range(80):
        for task in books.plan(10, kinds=("fact", "cause", "number", "list")):
            if task.attributes["kind"] == "number":
                tried += 1
                if tried % one_in:
                    books.coverage.subtract(coverage_keys(task))
        if restarts:
            books.restart()
    assert len(books.tasks) == 800
    assert 0.2 < tried / 800 < most


def test_grounded_qa_keeps_shares() -> None:
    tasks = Books(recipe("grounded-qa"), chunks=[chunk_of(number) for number in range(100)]).plan(
        100, kinds=("fact", "cause"), shares={"fact": 3}
    )
    assert Counter(task.attributes["kind"] for task in tasks) == {"fact": 75, "cause": 25}


def test_entigraph_draws_pairs_triples_and_distant_pairs_each_once() -> None:
    tasks = Books(recipe("entigraph")).plan_all(link="any")
    by_kind: dict[str, list[tuple[str, ...]]] = {}
    for task in tasks:
        by_kind.setdefault(task.kind, []).append(tuple(name.removeprefix("entity-") for name in task.entities))
    chain = [tuple(pair) for pair in ("ab", "bc", "cd", "de", "ef")]
    assert sorted(by_kind["pair"]) == sorted([*chain, *combinations("ghi", 2)])
    assert sorted(by_kind["distant"]) == [tuple(path) for path in ("abc", "bcd", "cde", "def")]
    assert sorted(by_kind["triple"]) == sorted([*(tuple(path) for path in ("abc", "bcd", "cde", "def")), tuple("ghi")])
    assert len({task.attributes["form"] for task in tasks}) > 2


def test_entigraph_gives_each_group_another_form_in_each_pass() -> None:
    tasks = Books(recipe("entigraph")).plan_all(passes=2, shares={"pair": 1}, link="any")
    forms: dict[tuple[str, ...], set[str]] = {}
    for task in tasks:
        forms.setdefault(task.entities, set()).add(task.attributes["form"])
    assert len(tasks) == 16
    assert all(len(found) == 2 for found in forms.values())


def test_entigraph_prefers_entities_that_no_item_touches() -> None:
    books = Books(recipe("entigraph"))
    books.coverage.update({f"entity-{name}": 1000 for name in "abcdef"})
    first = books.plan(2, shares={"pair": 1})
    assert {name for task in first for name in task.entities} == {"entity-g", "entity-h", "entity-i"}


def test_a_group_that_needs_too_many_chunks_is_left_out_unless_its_sentences_fit() -> None:
    options = {"max_chunks": 1, "shares": {"triple": 1}}
    assert len(Books(recipe("entigraph")).plan_all(**options)) == 5, "a sentence of each chunk fits"
    long = [chunk_of(number, f"Chunk {number} says {'a lot more of all this, ' * 20}.") for number in range(12)]
    graph = graph_over(long[:6], [["a", "b"], ["b", "c"], ["c", "d"], ["d", "e"], ["e", "f"], ["g", "h", "i"]])
    for room, groups in ((100, 0), (200, 1), (400, 5)):
        books = Books(recipe("entigraph"), graph, long)
        if groups:
            assert len(books.plan_all(context_tokens=room, **options)) == groups
        else:
            with pytest.raises(ConfigError, match=r"too many chunks .*too long"):
                books.plan_all(context_tokens=room, **options)
    plain = Books(recipe("entigraph"), graph, long).plan_all(context_tokens=200, max_chunks=1, shares={"triple": 1})
    assert {task.entities for task in plain} == {("entity-g", "entity-h", "entity-i")}


def test_graph_reasoning_draws_paths_without_short_cuts_and_communities() -> None:
    books = Books(recipe("graph-reasoning"))
    first = books.plan(8, link="cooccurrence")
    assert set(Counter(task.kind for task in first).values()) == {2}
    books.plan_all(link="cooccurrence")
    paths = {kind: set() for kind in ("hop1", "hop2", "hop3", "community")}  # type: dict[str, set[str]]
    for task in books.tasks.values():
        paths[task.kind].add("".join(name.removeprefix("entity-") for name in task.entities))
    assert paths["hop1"] == {"ab", "bc", "cd", "de", "ef", "gh", "gi", "hi"}
    assert paths["hop2"] == {"abc", "bcd", "cde", "def"}, "the triangle has short cuts"
    assert paths["hop3"] == {"abcd", "bcde", "cdef"}
    assert "ghi" in paths["community"]
    assert all(len(combination) == 3 for combination in paths["community"])


def test_any_sampler_is_drawn_by_name_and_by_a_table_of_options() -> None:
    tables = {
        "bridge": {"sampler": "path", "hops": 3},
        "things": {"sampler": "anchor", "types": ["thing"], "draw": "pair"},
    }
    shares = {"bridge": 1, "things": 1, "similar": 1, "bfs": 1}
    books = Books(recipe("entigraph"))
    tasks = books.plan_all(shares=shares, draws=tables, max_chunks=6)
    kinds = Counter(task.kind for task in tasks)
    assert set(kinds) == set(shares)
    assert kinds["bridge"] == 3, "abcd, bcde, cdef"
    assert all(books.view.yields[name].drawn >= count for name, count in kinds.items())
    bridge = next(task for task in tasks if task.kind == "bridge")
    assert [GRAPH.degree(one) for one in bridge.entities[1:3]] == [2, 2], "a path keeps its order"
    parts = Books(recipe("graph-reasoning")).plan_all(
        shares={"hop1": 0, "hop2": 0, "hop3": 0, "community": 0, "bfs": 1}
    )
    assert {len(task.entities) for task in parts} == {3}, "points of a larger draw"


def test_a_plan_that_finds_nothing_says_why_and_what_to_change() -> None:
    alone = graph_over(CHUNKS[:3], [["a"], ["b"], ["c"]])
    with pytest.raises(
        ConfigError, match=r"'entigraph' finds nothing to draw\. pair: nothing can be drawn.*link = 'any'"
    ):
        Books(recipe("entigraph"), graph=alone).plan(1)
    assert len(Books(recipe("entigraph"), graph=alone).plan_all(shares={"entity": 1})) == 3
    long = [chunk_of(number, f"Chunk {number} says {'a lot more of all this, ' * 20}.") for number in range(2)]
    narrow = graph_over(long, [["a", "b"], ["b", "c"]])
    with pytest.raises(ConfigError, match="too many chunks 1"):
        Books(recipe("entigraph"), graph=narrow, chunks=long).plan(
            1, shares={"distant": 1}, max_chunks=1, context_tokens=100
        )


def test_by_default_a_stated_relation_joins() -> None:
    pairs = {task.entities for task in Books(recipe("entigraph")).plan_all(shares={"pair": 1})}
    assert ("entity-g", "entity-h") in pairs
    assert ("entity-g", "entity-i") not in pairs
    paths = {task.entities for task in Books(recipe("graph-reasoning")).plan_all(shares={"hop2": 1})}
    assert ("entity-g", "entity-h", "entity-i") in paths, "g and i share a chunk, but nothing says how they relate"


@pytest.mark.parametrize("name", ["entigraph", "graph-reasoning"])
def test_graph_recipes_name_the_mend_without_a_graph(name: str) -> None:
    with pytest.raises(ConfigError, match="knowledge graph"):
        Books(recipe(name), graph=None).plan(1)
    with pytest.raises(ConfigError, match="empty"):
        Books(recipe(name), graph=KnowledgeGraph()).plan(1)


def test_a_dense_graph_without_paths_ends_in_time() -> None:
    names = [f"n{number}" for number in range(60)]
    clique = graph_over(CHUNKS[:1], [names])
    start = time.process_time()
    kinds = {task.kind for task in Books(recipe("graph-reasoning"), graph=clique).plan_all(step=500, link="any")}
    assert kinds == {"hop1", "community"}
    assert time.process_time() - start < 60  # seconds of CPU; all paths of the clique would take hours


class Looked(list[Chunk]):
    """Chunks that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        self.looks += 1
        return super().__getitem__(place)

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in super().__iter__():
            self.looks += 1
            yield chunk


def test_a_large_plan_starts_at_once_and_is_walked_once() -> None:
    chunks = Looked(chunk_of(number) for number in range(20_000))
    books = Books(recipe("grounded-qa"), chunks=chunks)
    assert len(books.plan(100)) == 100
    assert chunks.looks <= 200, "it starts before all are seen"
    for _ in range(19):
        assert len(books.plan(100)) == 100
    assert chunks.looks <= 4000, "what was walked is not walked again: that would be 21,000 looks"


def test_shares_count_a_batch_that_the_books_have_not_seen() -> None:
    shares = Shares("draw", {"a": 2.0, "b": 1.0, "c": 0.0}, {})
    picked = Counter(shares.pick(("a", "b", "c")) for _ in range(30))
    assert picked == {"a": 20, "b": 10}
    assert [name for name, _ in by_shares({"a": iter("x"), "b": iter("yz")}, Shares("draw", {"a": 1, "b": 1}, {}))] == [
        "a",
        "b",
        "b",
    ]


def test_coverage_counts_chunks_entities_and_text_attributes() -> None:
    task = Task.of("pair", chunks=("c1",), entities=("e1", "e2"), attributes={"form": "article", "n": 3})
    assert coverage_keys(task) == ("c1", "e1", "e2", "draw=pair", "form=article")


# the taxonomy and the options


def test_the_taxonomy_has_default_kinds_in_each_group_but_reason() -> None:
    assert len(taxonomy()) >= 25
    assert {kind.group for kind in choose(())} >= {"recall", "relate", "rewrite"}
    assert choose(("inference", "fact", "inference"))[0].name == "inference"
    assert len(choose(("inference", "fact", "inference"))) == 2


def test_a_users_taxonomy_adds_and_wins(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[kind]]\nname = "fact"\ndescription = "mine."\n[[kind]]\nname = "riddle"\ndescription = "rhymes."\n'
    )
    assert taxonomy(path)["fact"].description == "mine."
    tasks = Books(recipe("grounded-qa")).plan_all(taxonomy=str(path), kinds=["riddle"])
    assert {task.attributes["kind"] for task in tasks} == {"riddle"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[kind]\n", "is no TOML"),
        ('[[kind]]\nname = "A B"\ndescription = "x"\n', "kind.0.name"),
        ('[[kind]]\nname = "a"\ndescription = "x"\ngroups = "recall"\n', "kind.0.groups"),
        ("", "kind"),
    ],
)
def test_a_broken_taxonomy_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        taxonomy(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        taxonomy(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("grounded-qa", {"kinds": ["causes"]}, "did you mean 'cause'"),
        ("grounded-qa", {"kinds": ["fact"], "shares": {"cause": 2}}, "shares names 'cause'"),
        ("grounded-qa", {"kinds": ["fact"], "shares": {"fact": 0}}, "above 0"),
        ("entigraph", {"shares": {"pairs": 1}}, "shares names pairs"),
        ("entigraph", {"shares": {"pair": -1}}, "give 0 or more"),
        ("entigraph", {"shares": {"x": 1}, "draws": {"x": {"hops": 2}}}, "draws.x names no sampler"),
        ("entigraph", {"draws": {"x": {"sampler": "path"}}}, "'x', which has no share"),
        ("entigraph", {"shares": {"x": 1}, "draws": {"x": {"sampler": "paths"}}}, "did you mean 'path'"),
        (
            "graph-reasoning",
            {"shares": {"x": 1}, "draws": {"x": {"sampler": "path", "hop": 2}}},
            "mean 'hops'",
        ),
        ("entigraph", {"shares": {"x": 1}, "draws": {"x": {"sampler": "path", "repeats": True}}}, "would never end"),
        ("graph-reasoning", {"shares": {"x": 1}, "draws": {"x": {"sampler": "ego", "label": "y"}}}, "has label"),
        ("graph-reasoning", {"shares": {"hop4": 1}}, "hop4"),
        ("graph-reasoning", {"agree": 4}, "only 3 judges"),
    ],
)
def test_options_that_cannot_work_are_refused_before_spending(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(name).options.model_validate(options)


@pytest.mark.parametrize("name", DRAWING)
def test_an_unknown_option_is_an_error(name: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        recipe(name).options.model_validate({"kindz": 1})


def test_the_catalogue_names_the_nearest() -> None:
    assert set(DRAWING) < set(recipes())
    assert all(found.name == name for name, found in recipes().items())
    with pytest.raises(ConfigError, match="did you mean 'grounded-qa'"):
        recipe("grounded_qa")


# the documentation


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / f"{page}.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_tables_of_the_documentation_are_valid_campaign_keys() -> None:
    tables = [tomllib.loads(block) for page in ("recipes", "recipe-guide") for block in blocks(page, "toml")]
    named = [table for table in tables if "recipe" in table]
    assert {"grounded-qa", "entigraph", "graph-reasoning", "bare", "magpie"} <= {table["recipe"] for table in named}
    for table in named:
        recipe(table["recipe"]).options.model_validate(table["options"])
    (kind,) = (table for table in tables if "kind" in table)
    assert QuestionKind.model_validate(kind["kind"][0]).name == "dosage"


def test_the_planner_and_the_flow_of_the_documentation_work() -> None:
    planner, bridges, children, flow = blocks("own-recipe", "python")[-4:]
    names: dict[str, Any] = {}
    exec(planner, names)  # the page's own code
    books = Books(dataclasses.replace(recipe("rows"), planner=names["personas"]))
    assert Counter(task.attributes["persona"] for task in books.plan_all(step=1)) == dict.fromkeys(
        ("a nurse", "a lawyer", "a pupil"), 4
    )
    exec(bridges, names)
    drawn = Books(dataclasses.replace(recipe("rows"), planner=names["bridges"]))
    assert [task.kind for task in drawn.plan_all()] == ["meeting-path"]
    assert drawn.view.yields["meeting-path"].drawn == 1
    exec(children, names)
    family = Books(dataclasses.replace(recipe("rows"), planner=names["children"]))
    assert [task.kind for task in family.plan_all()] == ["seed"] * len(family.view.chunks)  # nothing is accepted here
    exec(flow, names)
    names["flow"].compile()
