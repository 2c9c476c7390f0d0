"""Vectors of a sentence-transformers model: loaded when asked for, and asked for many texts at a time."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pytest

from gristmill.errors import BadReply, ConfigError
from gristmill.evals.duplicates.gate import GatePool, Likeness
from gristmill.evals.vectors import local
from gristmill.evals.vectors.local import LIBRARY, MOST, LocalEmbedder

PATIENCE = 30.0


class StandIn:
    """As much of a sentence-transformers model as is asked of one: the library needs gigabytes of torch."""

    made = 0

    def __init__(self, name: str) -> None:
        if name == "missing":
            raise OSError("no such model")
        type(self).made += 1
        self.width = 3
        self.calls: list[list[str]] = []
        self.started, self.free = threading.Event(), threading.Event()
        self.free.set()
        self.inside = threading.Semaphore(1)

    def encode(self, texts: Sequence[str], **given: Any) -> Any:
        assert given == {"batch_size": 64, "show_progress_bar": False, "convert_to_numpy": True}
        assert self.inside.acquire(blocking=False), "two threads at a time"
        try:
            self.calls.append(list(texts))
            self.started.set()
            assert self.free.wait(PATIENCE)
            if "poison" in texts:
                raise RuntimeError("cannot embed poison")
            kept = [text for text in texts if text != "swallowed"]
            rows = np.array([[len(text), 1.0, 0.0, 2.0][: self.width] for text in kept], dtype=np.float32)
            return np.where(np.array([[text == "nan"] for text in kept]), np.nan, rows) if kept else rows
        finally:
            self.inside.release()


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    monkeypatch.setattr(local, "_LOADED", WeakValueDictionary())  # an error that is kept keeps its model
    StandIn.made = 0
    yield StandIn
    LIBRARY.__dict__.pop("SentenceTransformer", None)


def stand_in(embedder: LocalEmbedder) -> StandIn:
    model = embedder._loaded._model
    assert isinstance(model, StandIn)
    return model


async def test_without_the_library_it_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'gristmill\[sentence-transformers\]'"):
        LocalEmbedder("all-MiniLM-L6-v2")


async def test_rows_have_length_one_and_one_width(library: type[StandIn]) -> None:
    embedder = LocalEmbedder("all-MiniLM-L6-v2")
    rows = await embedder.embed(["abc", "", "d"])
    assert [round(float(one), 5) for one in np.linalg.norm(rows, axis=1)] == [1.0, 0.0, 1.0]
    assert (await embedder.embed(["", "?"])).shape == (2, 3)
    stand_in(embedder).width = 4
    with pytest.raises(BadReply, match="gave 4 numbers for 'abc' and 3 before"):
        await embedder.embed(["abc"])
    with pytest.raises(ConfigError, match="cannot load 'missing'"):
        LocalEmbedder("missing")


async def test_a_model_is_loaded_once_for_all_who_name_it(library: type[StandIn]) -> None:
    gate, guard = LocalEmbedder("one"), LocalEmbedder("one")
    other = LocalEmbedder("two")
    assert library.made == 2
    assert stand_in(gate) is stand_in(guard) is not stand_in(other)
    await asyncio.gather(gate.embed(["a"]), guard.embed(["b"]), other.embed(["c"]))  # never two threads in one model


async def test_what_is_wanted_while_it_works_goes_to_it_together(library: type[StandIn]) -> None:
    embedder = LocalEmbedder("model")
    model = stand_in(embedder)
    model.free.clear()
    first = asyncio.create_task(embedder.embed(["the first"]))
    assert await asyncio.to_thread(model.started.wait, PATIENCE)
    texts = [f"text {'x' * number}" for number in range(100)]
    rest = [asyncio.create_task(embedder.embed([text])) for text in texts]
    await asyncio.sleep(0)
    model.free.set()
    rows = await asyncio.gather(*rest)
    await first
    assert model.calls == [["the first"], texts]
    for text, (row,) in zip(texts, rows, strict=True):  # each has its own
        assert row[0] / row[1] == pytest.approx(len(text))


async def test_many_texts_are_asked_for_in_parts_between_which_others_come(library: type[StandIn]) -> None:
    embedder = LocalEmbedder("model")
    many = [f"text {number}" for number in range(2 * MOST + 5)]
    rows, few = await asyncio.gather(embedder.embed(many), embedder.embed(["between"]))
    assert rows.shape == (len(many), 3)
    assert few.shape == (1, 3)
    calls = stand_in(embedder).calls
    assert max(map(len, calls)) <= MOST
    assert any("between" in texts for texts in calls[:2])


@pytest.mark.parametrize(
    ("bad", "error", "said"),
    [
        ("poison", RuntimeError, "cannot embed poison"),
        ("nan", BadReply, "not finite for 'nan'"),
        ("swallowed", BadReply, "was given 1 texts and gave 0 vectors"),
    ],
)
async def test_a_text_that_is_at_fault_fails_alone(
    library: type[StandIn], bad: str, error: type[Exception], said: str
) -> None:
    embedder = LocalEmbedder("model")
    wanted = [embedder.embed(texts) for texts in (["one"], [bad], ["of", "two"], ["three"])]
    one, failed, two, three = await asyncio.gather(*wanted, return_exceptions=True)
    assert [len(rows) for rows in (one, two, three) if isinstance(rows, np.ndarray)] == [1, 2, 1]
    assert isinstance(failed, error)
    assert said in str(failed)


async def test_who_gives_up_costs_nothing_and_hinders_nobody(library: type[StandIn]) -> None:
    embedder = LocalEmbedder("model")
    model = stand_in(embedder)
    model.free.clear()
    first = asyncio.create_task(embedder.embed(["the first"]))
    assert await asyncio.to_thread(model.started.wait, PATIENCE)
    gone, stays = (asyncio.create_task(embedder.embed([text])) for text in ("gone", "stays"))
    await asyncio.sleep(0)
    gone.cancel()
    model.free.set()
    assert (await stays).shape == (1, 3)
    assert (await first).shape == (1, 3)
    assert model.calls == [["the first"], ["stays"]]


async def test_the_claims_of_a_gate_go_together(library: type[StandIn]) -> None:
    embedder = LocalEmbedder("model")
    pool = GatePool(Likeness(near=0.0, semantic=0.999999), embedder)
    texts = [f"claim {'x' * number}" for number in range(32)]
    claims = await asyncio.gather(*(pool.claim(text, f"task-{at}") for at, text in enumerate(texts)))
    assert len(claims) == len(texts)
    assert stand_in(embedder).calls == [texts]


def test_it_serves_one_loop_after_another(library: type[StandIn]) -> None:
    embedder = LocalEmbedder("model")
    for _ in range(2):
        assert asyncio.run(embedder.embed(["a text"])).shape == (1, 3)
