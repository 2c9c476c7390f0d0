"""`duqgen`: clusters of the corpus give the draws, and negatives come from the corpus."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from recipes_documents import ACCEPT, ANSWERS, CASES
from seed_recipes import accepted, prompts_asked, rejections

from gristmill import Request, Scripted
from gristmill.graphs.planners.base import PlanView
from gristmill.graphs.planners.corpus import Corpus, allotted
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.storage.records import Chunk, Task

WORDS = {"valve": "steam brass pipe seal", "goose": "marsh wing nest egg", "bread": "rye oven crust yeast"}
SIZES = {"valve": 30, "goose": 12, "bread": 6}


def chunk(number: int, text: str) -> Chunk:
    return Chunk.of(f"doc-{number}", 0, 0, len(text), text)


def corpus() -> list[Chunk]:
    """Three subjects of different size, of words that no two share."""
    rng = random.Random(3)
    texts = [
        f"The {topic} {' '.join(rng.choices(WORDS[topic].split(), k=12))} {topic}{number}"
        for topic, size in SIZES.items()
        for number in range(size)
    ]
    return [chunk(number, text) for number, text in enumerate(texts)]


def topic_of(text: str) -> str:
    return next(topic for topic in SIZES if topic in text)


def plan(count: int, chunks: list[Chunk], seed: int = 1, **options: object) -> list[Task]:
    found = recipe("duqgen")
    chosen = found.options.model_validate({"clusters": 3, "least_characters": 10, **options})
    return list(found.planner(PlanView(chunks), count, random.Random(seed), chosen))


def test_clusters_give_the_draws_one_each_first_and_then_by_size() -> None:
    chunks = corpus()
    texts = {one.id: one.text for one in chunks}
    first = [topic_of(texts[task.chunks[0]]) for task in plan(3, chunks, samples=16)]
    assert sorted(first) == ["bread", "goose", "valve"], "every cluster is drawn before any twice"
    drawn = Counter(topic_of(texts[task.chunks[0]]) for task in plan(99, chunks, samples=16))
    assert drawn == {"valve": 10, "goose": 4, "bread": 2}
    assert len({task.chunks for task in plan(99, chunks, samples=999)}) == len(chunks), "none twice, and no more"


def test_negatives_are_the_far_end_of_what_is_near_and_never_the_passage() -> None:
    chunks = corpus()
    texts = {one.id: one.text for one in chunks}
    near = Corpus.of(chunks)
    for task in plan(99, chunks, samples=48, pool=8, negatives=3):
        negatives = task.attributes["negatives"]
        own = texts[task.chunks[0]]
        assert own not in negatives
        assert len(set(negatives)) == 3
        place = [one.text for one in near.chunks].index(own)
        assert negatives == [near.chunks[at].text for at in near.beside(place, 8)[:-4:-1]]


def test_a_low_temperature_keeps_to_the_centre_and_a_high_one_does_not() -> None:
    chunks = corpus()
    near = Corpus.of(chunks)
    closeness = {
        near.chunks[place].id: value
        for cluster in near.clusters(3, random.Random(1).getrandbits(32))
        for place, value in zip(cluster.places, cluster.closeness, strict=True)
    }

    def mean(temperature: float) -> float:
        drawn = plan(99, chunks, samples=12, temperature=temperature)
        return sum(closeness[task.chunks[0]] for task in drawn) / len(drawn)

    assert mean(0.001) > mean(1000.0)


@pytest.mark.parametrize(
    ("total", "sizes", "given"),
    [
        (5, [4, 2, 1], [3, 1, 1]),
        (2, [4, 2, 1], [1, 1, 0]),
        (100, [4, 2, 1], [4, 2, 1]),
        (0, [3], [0]),
        (3, [], []),
    ],
)
def test_draws_are_allotted_one_each_and_the_rest_by_size(total: int, sizes: list[int], given: list[int]) -> None:
    assert allotted(total, sizes) == given


def test_short_equal_and_wordless_passages_are_left_out() -> None:
    texts = ["a long enough passage on geese", "tiny", "a long enough passage on geese", "!!! ??? ... --- ;;; ,,, !!!"]
    assert [task.chunks for task in plan(9, [chunk(number, text) for number, text in enumerate(texts)])] == [
        (chunk(0, texts[0]).id,)
    ]
    assert plan(9, []) == []


async def test_an_item_costs_two_calls_and_carries_its_negatives(tmp_path: Path) -> None:
    options = {"examples": [{"passage": "Lions eat meat.", "query": "lion diet"}] * 5}
    model = Scripted(ANSWERS["duqgen"])
    await CASES["duqgen"].campaign(tmp_path, model, options=options, concurrency=1, max_tasks=2).execute()
    assert prompts_asked(model) == ["write-query", "judge-query"] * 2
    assert len(model.requests[0].variables["exemplars"]) == 3
    for item, judge in zip(accepted(tmp_path), model.requests[1::2], strict=True):
        assert (judge.variables["query"], judge.variables["passage"]) == (item.fields["query"], item.fields["positive"])
        assert len(item.fields["negatives"]) == 2
        assert item.fields["negatives"] == judge.variables["negatives"]
        assert all(text in judge.messages[-1].content for text in item.fields["negatives"])


async def test_a_query_that_is_its_passage_teaches_nothing(tmp_path: Path) -> None:
    def copied(request: Request) -> dict[str, str]:
        return {"query": request.variables["passage"].upper()}

    model = Scripted({"write-query": copied, "judge-query": ACCEPT})
    report = await CASES["duqgen"].campaign(tmp_path, model).execute()
    assert (report.books.accepted, rejections(report)) == (0, {"same_text": 6})
    assert set(prompts_asked(model)) == {"write-query"}
