"""What is given in Python and cannot be is refused by a `ConfigError` that names it and the mend, at every entry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill import Campaign, Fleet, ModelSpec, RunStore, Scripted, Status, Task, Telemetry, describe, reference_flow
from gristmill.campaigns.datasets import export_run
from gristmill.campaigns.evaluation.evaluating import evaluate
from gristmill.errors import ConfigError, FlowError, GristmillError
from gristmill.evals.contamination.scan import scan
from gristmill.evals.diversity.measure import measure
from gristmill.evals.duplicates.near import near_duplicates
from gristmill.evals.quality.size import lengths, reasoning_steps
from gristmill.evals.selection.catalogue import selector
from gristmill.evals.selection.pool import Pool
from gristmill.graphs.sampling.catalogue import sampler
from gristmill.prompts.library import PromptLibrary
from gristmill.review.desk import Desk
from gristmill.storage.chunking import chunk

KEY = "sk-do-not-print-this"
TEXTS = ["A sluice is a gate.", "A weir is a dam."]
ROWS = np.eye(2)


def odd(entry: Any) -> Any:
    """An entry as a program without types has it."""
    return entry


def made(**values: Any) -> Campaign:
    values = {"name": "t", "documents": ["a.md"], "models": {"default": "offline"}, "recipe": "grounded-qa", **values}
    return Campaign(**values)


def reference(**values: Any) -> object:
    return reference_flow(**{"proposer": None, "generator": len, "critic": None, **values})


def picked(pool: Any, count: Any = 1, **values: Any) -> object:
    return selector("random").select(pool, count, **values)


CALLS: list[tuple[str, Callable[[], object], str]] = [
    ("models: a text", lambda: made(models=KEY), 'models is a str; give models by name: models={"default": '),
    ("models: a list", lambda: made(models=["offline"]), "models is a list; give models by name"),
    ("models: a spec", lambda: made(models=ModelSpec.of("offline")), "models is a ModelSpec; give models by name"),
    ("models: an object", lambda: made(models=Scripted(["x"])), "models is a Scripted; give models by name"),
    ("a model: None", lambda: made(models={"default": None}), "models.default is None; give a string such as"),
    ("a model: 3", lambda: made(models={"default": 3}), "models.default is 3; give a string"),
    ("a model: a class", lambda: made(models={"default": Scripted}), "models.default is the class Scripted; give"),
    ("a model: a name", lambda: made(models={3: "offline"}), "a model's name is 3; give models by name"),
    ("a model: unknown", lambda: made(models={"default": "gpt-4"}), "models.default.model: unknown model prefix"),
    ("a table", lambda: made(models={"default": {"modl": "x"}}), "models.default.modl: no such key; did you"),
    ("documents: a text", lambda: made(documents="a.md"), "documents must be a list, write ['a.md']"),
    ("documents: a path", lambda: made(documents=Path("a.md")), "documents must be a list, write ['a.md']"),
    ("documents: None", lambda: made(documents=None), "documents is None; give a list of paths"),
    ("documents: a dict", lambda: made(documents={"a": 1}), "documents is a dict; give a list of paths"),
    ("documents: rows", lambda: made(documents=[{"text": "a"}]), "one of documents is a dict; give paths"),
    ("flow", lambda: made(flow=3), "flow is 3; give a StateGraph, a function"),
    ("planner", lambda: made(planner=3), "planner is 3; give a function"),
    ("trainer", lambda: made(trainer="a:b"), "trainer is a str; give a function"),
    ("load", lambda: odd(Campaign).load(None), "path is None; give the campaign file's path"),
    ("from_spec", lambda: odd(Campaign).from_spec({}), "spec is a dict; give a CampaignSpec"),
    ("progress", lambda: odd(made)().run("x"), "progress is a str; give a Progress"),
    ("fleet", lambda: odd(made)().run(fleet=2), "fleet is 2; give fleet=Fleet(workers=2)"),
    ("telemetry", lambda: odd(made)().run(telemetry=True), "telemetry is True; give Telemetry"),
    ("store", lambda: odd(made)().run(store=3), "store is 3; give the URL of a PostgreSQL"),
    ("workers", lambda: odd(Fleet)(workers="2"), "a fleet's workers is a str; give a whole"),
    ("half a worker", lambda: odd(Fleet)(workers=1.5), "a fleet's workers is 1.5"),
    ("lease", lambda: odd(Fleet)(lease="x"), "a fleet's lease is a str; give seconds"),
    ("redis", lambda: odd(Fleet)(redis=3), "a fleet's redis is 3; give the URL"),
    ("port", lambda: odd(Telemetry)(metrics_port="x"), "metrics_port is a str; give one"),
    ("format", lambda: odd(Telemetry)(log_format="jsn"), "log_format is 'jsn'; did you mean 'json'"),
    ("level", lambda: Telemetry(log_level="loud"), "log_level is 'loud' (there are: debug"),
    ("script", lambda: odd(Scripted)(None), "a script is None; give a list of answers"),
    ("a task", lambda: Task.of("a", attributes={"x": {1, 2}}), "a task is made of values that JSON has"),
    ("names", lambda: odd(describe)(variables="passage")(len), "variables is 'passage'; give a tuple of names"),
    ("a node", lambda: reference(generator="x"), "generator is a str; give a node"),
    ("verifiers", lambda: reference(verifiers=None), "verifiers is None"),
    ("a verifier", lambda: reference(verifiers=[3]), "one of verifiers is 3"),
    ("a run", lambda: RunStore.read("nowhere"), "no run is in nowhere"),
    ("a folder", lambda: odd(RunStore).read(None), "folder is None; give the path"),
    ("export", lambda: odd(export_run)(None), "folder is None; give the path"),
    ("export nowhere", lambda: odd(export_run)("nowhere"), "no run is in"),
    ("evaluate", lambda: odd(evaluate)(3), "texts is 3; give a list of texts"),
    ("evaluate one", lambda: evaluate("a text"), "texts is one text; give a list of texts"),
    ("evaluate rows", lambda: odd(evaluate)(TEXTS, against=[None]), "texts[0] is None; give texts"),
    ("source", lambda: odd(evaluate)(source="runs/a"), "source is a str; give Run(folder)"),
    ("settings", lambda: odd(evaluate)(TEXTS, settings={"embedder": "none"}), "settings is a dict; give Settings"),
    ("measure", lambda: odd(measure)([*TEXTS, None]), "texts[2] is None; give texts"),
    ("near duplicates", lambda: odd(near_duplicates)([*TEXTS, None]), "texts[2] is None; give texts"),
    ("near duplicates of one", lambda: near_duplicates("a text"), "texts is one text; give a list"),
    ("measure one", lambda: measure("a text"), "texts is one text; give a list"),
    ("ngrams", lambda: odd(measure)(TEXTS, ngrams=2), "ngrams is 2; give whole numbers"),
    ("lengths", lambda: odd(lengths)([{"text": "a"}]), "texts[0] is a dict"),
    ("tokens", lambda: odd(lengths)(TEXTS, tokens=3), "tokens is 3; give a function"),
    ("steps", lambda: odd(reasoning_steps)([3]), "texts[0] is 3"),
    ("scan", lambda: odd(scan)(["a"]), "text is a list; give one text at a time"),
    ("allow", lambda: scan("a@b.de", allow="*@b.de"), "allow is one text; give a list of texts"),
    ("a pool", lambda: picked(TEXTS), "pool is a list; give Pool.of("),
    ("texts of a pool", lambda: odd(Pool).of(texts=["a", None]), "texts[1] is None"),
    ("count", lambda: picked(Pool.of(vectors=ROWS), "3"), "count is a str; give the number of items"),
    ("seed", lambda: picked(Pool.of(vectors=ROWS), seed="x"), "seed is a str; give a whole number"),
    ("strategy", lambda: odd(selector)(None), "no strategy is called 'None'"),
    ("a sampler", lambda: odd(sampler)(None), "no sampler is called 'None'"),
    ("a document", lambda: odd(chunk)("a text"), "document is a str; give a Document"),
    ("folders", lambda: PromptLibrary.of("prompts"), "prompt folders is a str; give a list of folders: ['prompts']"),
    ("a prompt", lambda: odd(PromptLibrary)().get(None), "a prompt's name is None; give the name"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "said"), [(call, said) for _, call, said in CALLS], ids=[name for name, *_ in CALLS])
def test_what_cannot_be_is_named_with_the_mend(
    call: Callable[[], object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.md").write_text("A sluice is a gate.")
    with pytest.raises(GristmillError) as caught:
        call()
    assert said in str(caught.value)
    assert KEY not in str(caught.value), "a text may be a key"
    assert not (tmp_path / "runs").exists()


def test_a_table_is_a_model_as_in_the_file(tmp_path: Path) -> None:
    told = made(models={"default": {"model": "offline", "retries": 2}, "other": "offline"}).spec.models
    assert (told["default"], told["other"]) == (ModelSpec(model="offline", retries=2), ModelSpec(model="offline"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    (tmp_path / "a.md").write_text("A sluice is a gate that holds water back. A weir is a low dam across a river.")
    report = made(documents=[tmp_path / "a.md"], runs=str(tmp_path / "runs"), max_tasks=1).run()
    opened = RunStore.open(str(report.folder))
    yield opened
    asyncio.run(opened.close())


def test_items_are_read_by_the_name_of_their_status(store: RunStore) -> None:
    assert list(store.items("accepted")) == list(store.items(Status.ACCEPTED)) != []  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="status is 'acepted'; did you mean 'accepted'"):
        list(store.items("acepted"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="an item's id is None; give an item's id"):
        store.item(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"action": "acept"}, "action is 'acept'; did you mean 'accept'"),
        ({"action": None}, "action is 'None' (there are: accept"),
        ({"reviewer": None}, "reviewer is None; name the person"),
        ({"reviewer": " "}, "reviewer is empty; name the person"),
        ({"note": 3}, "note is 3; give a text"),
        ({"reasons": "unclear"}, "reasons is one text; give a list of texts"),
        ({"action": "edit"}, "an edited item needs its messages"),
        ({"action": "edit", "messages": "words"}, "one of messages is a str; give Message("),
        ({"action": "edit", "messages": [{"role": "user"}]}, "one of messages is a dict; give Message("),
    ],
)
def test_a_decision_that_is_none_is_refused_and_leaves_no_event(
    store: RunStore, values: dict[str, Any], said: str
) -> None:
    item = next(store.items())
    desk = Desk(store)
    with pytest.raises(ConfigError) as caught:
        asyncio.run(desk.decide(item.id, **{"action": "accept", "reviewer": "me", **values}))
    assert said in str(caught.value)
    assert desk.story(item.id).history == ()
    with pytest.raises(ConfigError, match="ids is one text; give a list"):
        asyncio.run(desk.claim(item.id, "me"))


@pytest.mark.parametrize("recipe", ["gsdp", "bare", "refed"])
def test_a_row_that_is_too_long_is_named_by_file_and_line(recipe: str, tmp_path: Path) -> None:
    long = " ".join(f"word{number}" for number in range(3000))
    rows = [{"text": "short", "response": "yes"}, {"text": long, "response": "yes"}]
    (tmp_path / "seeds.jsonl").write_text("\n" + "".join(json.dumps(row) + "\n" for row in rows))
    values = {"recipe": recipe, "documents": [tmp_path / "seeds.jsonl"], "runs": str(tmp_path / "runs")}
    models = {"default": Scripted(lambda request: {})}
    with pytest.raises(ConfigError, match=r"was cut \(.*seeds\.jsonl#3\); raise chunks\.max_tokens"):
        made(models=models, chunks={"max_tokens": 300}, **values).run()


def test_a_flow_of_nodes_is_built_as_before() -> None:
    with pytest.raises(FlowError, match="max_rounds is 99"):
        reference_flow(proposer=None, generator=len, critic=None, max_rounds=99)  # type: ignore[arg-type]
