"""Embedders: served over real sockets, hashed, and local; and semantic duplicates of what they give."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import orjson
import pytest
from mock_server import MockServer

from gristmill.errors import BadReply, BudgetExceeded, ModelError, RequestRefused, Unreachable
from gristmill.evals.duplicates import cells, semantic
from gristmill.evals.duplicates.near import Twin
from gristmill.evals.duplicates.semantic import semantic_duplicates, semantic_matches
from gristmill.evals.duplicates.semantic_index import SemanticIndex
from gristmill.evals.vectors.embedding import Embedder
from gristmill.evals.vectors.hashed import HashedEmbedder
from gristmill.evals.vectors.served import ServedEmbedder
from gristmill.models.contract import Model
from gristmill.models.factory import build
from gristmill.models.layers.budget import Budget
from gristmill.models.layers.meter import Meter
from gristmill.models.scripted import Scripted
from gristmill.models.spec import ModelSpec


class Calls:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    async def put(self, key: str, raw: bytes) -> None:
        self.kept[key] = raw


@pytest.fixture
async def server() -> AsyncIterator[MockServer]:
    async with MockServer() as server:
        yield server


def model_at(server: MockServer, **given: Any) -> tuple[Model, Meter]:
    meter = Meter()
    spec = ModelSpec(model="openai_api/bge", base_url=server.url, retries=1, patience=0.5, timeout=5)
    return build(spec, calls=given.get("calls"), budget=given.get("budget"), meter=meter), meter


def lengths(rows: Any) -> list[float]:
    return [round(float(one), 5) for one in np.linalg.norm(rows, axis=1)]


async def test_a_server_embeds_in_batches_and_texts_without_words_cost_nothing(server: MockServer) -> None:
    calls = Calls()
    model, meter = model_at(server, calls=calls)
    embedder: Embedder = ServedEmbedder(model, where=server.url, batch=8)
    texts = [f"text number {number}" for number in range(20)]
    texts[4] = texts[11] = ""
    texts[12] = "?!"
    rows = await embedder.embed(texts)
    assert rows.dtype == np.float32
    assert len(rows) == 20
    assert lengths(rows) == [0.0 if place in (4, 11, 12) else 1.0 for place in range(20)]
    assert len(server.log) == 1  # 17 texts by 8, which go together as long as they are few
    again = await embedder.embed(texts)
    assert len(server.log) == 1
    assert meter.total.cached_calls == 3
    assert np.array_equal(rows, again)
    single = await embedder.embed([texts[7]])
    assert np.allclose(single[0], rows[7])
    assert (await embedder.embed(["", ""])).shape == (2, rows.shape[1])
    assert (await embedder.embed([])).shape == (0, rows.shape[1])
    assert embedder.name == "openai_api/bge"
    assert "meaning" in embedder.sees
    await model.aclose()


async def test_a_server_that_dies_in_the_middle_is_an_error_with_its_name_and_what_came_is_kept() -> None:
    calls = Calls()
    async with MockServer() as server:
        model, _ = model_at(server, calls=calls)
        embedder = ServedEmbedder(model, where=server.url, batch=4)
        await embedder.embed([f"a text {number}" for number in range(8)])
    with pytest.raises(Unreachable, match=r"model 'bge' at http.*the request had 1 texts, the first was 'another'"):
        await embedder.embed(["another"])
    rows = await embedder.embed([f"a text {number}" for number in range(8)])  # from the cache, the server is gone
    assert lengths(rows) == [1.0] * 8
    await model.aclose()


async def test_a_budget_ends_embedding_too(server: MockServer) -> None:
    model, _ = model_at(server, budget=Budget(tokens=40))
    with pytest.raises(BudgetExceeded):
        await ServedEmbedder(model, batch=2).embed([f"some words to embed, number {number}" for number in range(200)])
    await model.aclose()


def answering(data: bytes) -> Any:
    return lambda body: data


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([[1.0, 0.0]], "2 texts were sent and 1 embeddings came back"),
        ([[1.0, 0.0], [1.0]], "of different lengths"),
        ([[1.0, 0.0], [None, 1.0]], "not in the openai protocol's shape"),
        ([[1e308, 1e308], [1.0, 1.0]], "not finite"),
        ([[], []], "empty"),
    ],
)
async def test_answers_that_are_no_vectors_are_errors(server: MockServer, vectors: Any, said: str) -> None:
    data = [{"index": place, "embedding": one} for place, one in enumerate(vectors)]
    server.answer = answering(orjson.dumps({"object": "list", "data": data, "model": "bge"}))
    asked, _ = model_at(server)
    with pytest.raises(BadReply, match=said):
        await ServedEmbedder(asked, where=server.url).embed(["first text", "second text"])
    await asked.aclose()


async def test_vectors_of_another_length_than_before_name_the_server_and_the_text() -> None:
    model = Scripted([[[1.0, 0.0]], [[1.0, 0.0, 0.0]]])
    embedder = ServedEmbedder(model, where="http://gpu:8000/v1")
    await embedder.embed(["first"])
    with pytest.raises(BadReply, match=r"http://gpu:8000/v1 gave 3 numbers for 'second' and 2 before"):
        await embedder.embed(["second"])
    both = Scripted([[[1.0, 0.0]], [[1.0, 0.0, 0.0]]])
    with pytest.raises(BadReply, match="gave 3 numbers for 'second' and 2 before"):
        await ServedEmbedder(both, batch=1).embed(["first", "second"])


async def test_a_request_that_the_server_refuses_names_its_first_text() -> None:
    model = Scripted([RequestRefused("the input is too long")])
    with pytest.raises(ModelError, match="the input is too long; the request had 2 texts, the first was 'one'"):
        await ServedEmbedder(model).embed(["one", "two"])


async def test_hashed_vectors_see_wording_and_say_so() -> None:
    texts = ["The mill at Aldbrook was built in 1790.", "the mill at aldbrook was BUILT in 1790", "Bees dance.", ""]
    embedder: Embedder = HashedEmbedder()
    rows = await embedder.embed(texts)
    assert lengths(rows) == [1.0, 1.0, 1.0, 0.0]
    assert rows[0] @ rows[1] == pytest.approx(1.0)
    assert abs(rows[0] @ rows[2]) < 0.1
    assert "not meaning" in embedder.sees
    many = await embedder.embed(texts * 10)  # in a thread, and in blocks
    assert np.allclose(many[4:8], rows)


async def test_words_that_stand_everywhere_weigh_little_by_a_reference() -> None:
    reference = [f"the passage tells of thing{number}" for number in range(50)]
    plain, weighted = HashedEmbedder(), HashedEmbedder(reference)
    texts = ["the passage tells of mills", "the passage tells of bees"]
    first, second = await plain.embed(texts), await weighted.embed(texts)
    assert second[0] @ second[1] < first[0] @ first[1] - 0.1
    assert weighted.name != plain.name
    assert weighted.name == HashedEmbedder(reference).name


def planted(count: int, twins: int, width: int = 48, seed: int = 1) -> Any:
    """Rows of which the last `twins` are near the first `twins`, at a cosine of about 0.97."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, width)).astype(np.float32)
    rows[count - twins :] = rows[:twins] + 0.2 * rng.normal(size=(twins, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("few", [0, 4096])
def test_semantic_duplicates_are_found_by_index_and_by_comparing_all(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "FEW", few)
    monkeypatch.setattr(cells, "SIZE", 60)
    rows = planted(1200, 150)
    rows[7] = 0.0
    found = semantic_duplicates(rows, threshold=0.9)
    right = {1050 + number for number in range(150) if number != 7}
    assert set(found) <= right
    assert len(found) >= 0.97 * len(right)
    for number, twin in found.items():
        assert twin.number == number - 1050
        assert twin.likeness == pytest.approx(float(rows[number] @ rows[twin.number]), abs=1e-4)
    matches = semantic_matches(rows[1050:1060], rows[:1050], threshold=0.9)
    assert [None if one is None else one.number for one in matches] == [0, 1, 2, 3, 4, 5, 6, None, 8, 9]


@pytest.mark.parametrize("few", [0, 4096])
def test_rows_that_are_all_identical_have_one_twin(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "FEW", few)
    monkeypatch.setattr(cells, "SIZE", 60)
    rows = np.repeat(planted(1, 0), 300, axis=0)
    assert semantic_duplicates(rows) == {number: Twin(0, 1.0) for number in range(1, 300)}
    assert semantic_duplicates(rows.tolist()) == semantic_duplicates(rows)  # type: ignore[arg-type]  # a plain list will do
    mixed = np.concatenate([planted(1, 0), planted(50, 0, seed=2), rows])
    assert set(semantic_duplicates(mixed)) == set(range(51, 351))


def test_of_thousands_that_are_all_near_each_other_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of one cell and of several blocks; products are cut, and none is compared with all."""
    monkeypatch.setattr(cells, "TOGETHER", 100)
    monkeypatch.setattr(semantic, "TOGETHER", 100)
    rng = np.random.default_rng(5)
    rows = planted(1, 0) + 0.01 * rng.normal(size=(6000, 48)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = semantic_duplicates(rows, threshold=0.9)
    assert set(found) == set(range(1, 6000))
    assert {twin.number for twin in found.values()} == {0}
    matches = semantic_matches(rows[:900], rows, threshold=0.9)
    assert [one.number for one in matches if one is not None] == list(range(900))


def test_matrices_that_cannot_be_compared_are_refused() -> None:
    rows = planted(5, 0)
    assert semantic_duplicates(rows[:0]) == {}
    assert semantic_duplicates(rows[:1]) == {}
    assert semantic_matches(rows, rows[:0]) == [None] * 5
    broken = rows.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3 has length nan"):
        semantic_duplicates(broken)
    with pytest.raises(ValueError, match="row 0 has length"):
        semantic_duplicates(rows * 2)
    with pytest.raises(ValueError, match="48 and of 3 dimensions"):
        semantic_matches(rows, planted(2, 0, width=3))
    with pytest.raises(ValueError, match="threshold is 0"):
        semantic_duplicates(rows, threshold=0)


def test_the_index_of_a_gate_finds_what_was_added_and_not_what_was_removed() -> None:
    rows = planted(400, 1, width=64)
    index = SemanticIndex()
    assert index.nearest(rows[0]) is None
    for number in range(399):
        index.add(number, rows[number])
    index.add(1000, np.zeros(64, dtype=np.float32))
    found = index.nearest(rows[399])
    assert found is not None
    assert found.number == 0
    assert found.likeness > 0.9
    second = index.nearest(rows[399], besides=(0,))
    assert second is not None
    assert second.number != 0
    index.remove(0)
    index.remove(0)
    third = index.nearest(rows[399])
    assert third is not None
    assert third.number == second.number
    with pytest.raises(ValueError, match="3 dimensions"):
        index.add(2000, np.ones(3, dtype=np.float32))
