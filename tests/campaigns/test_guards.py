"""Guards of a campaign: no flow gets round them, the critic is not paid, and a fleet agrees on them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mock_server import MockServer
from processes import Start
from write_and_judge import PROMPTS, flow, judge, judged, rows, write

from gristmill import Campaign, Draft, Message, ModelSpec, Request, Scripted, Verdict, reference_flow
from gristmill.agents.verifiers.contamination import contamination
from gristmill.campaigns.fleet.manifest import manifest_of, require_same
from gristmill.campaigns.gating.guards import guards_of
from gristmill.campaigns.gating.guards import judged as judged_by
from gristmill.campaigns.outcome import Outcome
from gristmill.campaigns.spec import make_spec
from gristmill.campaigns.spec_file import load_spec
from gristmill.errors import ConfigError, ServerLost
from gristmill.evals.folding import words
from gristmill.storage.records import Decision, Item, Status
from gristmill.storage.store import RunStore

LEAKED = "Explain: Row 3: the tide turns the wheel of the old mill twice a day, and the miller sleeps by the moon."


def answer(request: Request) -> Any:
    if request.role != "generator":
        return judged()
    if "Row 3:" in request.variables["passage"]:
        return LEAKED.upper()
    return f"Explain: {request.variables['passage']}"


def benchmark(folder: Path) -> Path:
    (folder / "bench.jsonl").write_text(json.dumps({"question": LEAKED, "answer": "tides"}) + "\n")
    return folder / "bench.jsonl"


def campaign(folder: Path, model: Scripted, **values: Any) -> Campaign:
    rows(folder, 8)
    defaults = {"flow": flow(), "prompts": [str(PROMPTS)], "runs": str(folder / "runs")}
    found = {"contamination": {"sets": [str(benchmark(folder))]}, **defaults, **values}
    return Campaign("test", [folder / "rows.jsonl"], models={"default": model}, **found)


async def test_a_flow_of_the_users_own_does_not_get_round_the_gate(tmp_path: Path) -> None:
    report = await campaign(tmp_path, Scripted(answer)).execute()
    assert report.reasons == {("accepted", ""): 7, ("rejected", "contaminated"): 1}
    (item,) = RunStore.read(report.folder).items(Status.REJECTED)
    verdict = item.verdicts[-1]
    assert (verdict.by, verdict.reasons) == ("contamination", ("contaminated",))
    size = len(LEAKED) - 1
    assert verdict.text == f"22 words of messages.0[0:{size}] stands in bench.jsonl #1 question[0:{size}]"
    accepted = next(RunStore.read(report.folder).items(Status.ACCEPTED))
    assert [one.by for one in accepted.verdicts][-1] == "contamination"


async def test_what_a_critic_rejects_is_judged_too(tmp_path: Path) -> None:
    """Exports show rejected texts beside better ones, and go by the reasons."""

    def rejecting(request: Request) -> Any:
        return answer(request) if request.role == "generator" else judged("reject", "dull")

    report = await campaign(tmp_path, Scripted(rejecting)).execute()
    assert report.books.rejected == 8
    reasons = Counter(item.reasons for item in RunStore.read(report.folder).items(Status.REJECTED))
    assert reasons == {("dull",): 7, ("dull", "contaminated"): 1}


async def test_the_reference_flow_does_not_pay_the_critic_for_it(tmp_path: Path) -> None:
    model = Scripted(answer)
    built = reference_flow(proposer=None, generator=write, critic=judge)
    report = await campaign(tmp_path, model, flow=built).execute()
    assert report.reasons == {("accepted", ""): 7, ("rejected", "contaminated"): 1}
    assert sum(request.role == "critic" for request in model.requests) == 7
    (item,) = RunStore.read(report.folder).items(Status.REJECTED)
    assert [verdict.by for verdict in item.verdicts] == ["contamination"]


async def test_an_objection_that_a_flow_passes_over_still_counts(tmp_path: Path) -> None:
    spec = make_spec({"name": "x", "documents": ["d"], "contamination": {"sets": [str(benchmark(tmp_path))]}})
    guards = guards_of(spec)
    draft = Draft(index=0, by="g", messages=(Message(role="user", content=LEAKED),))
    verdict = await guards[0].judge(draft)
    item = Item(id="i", task="t", kind="sft", status=Status.ACCEPTED, drafts=(draft,), verdicts=(verdict,))
    found = await judged_by(Outcome(Status.ACCEPTED, (item,)), guards)
    assert (found.status, found.reason) == (Status.REJECTED, "contaminated")
    assert len(found.items[0].verdicts) == 1
    clean = draft.model_copy(update={"index": 1, "messages": (Message(role="user", content="The sea."),)})
    item = item.model_copy(update={"drafts": (draft, clean)})
    found = await judged_by(Outcome(Status.ACCEPTED, (item,)), guards)
    assert found.status is Status.ACCEPTED
    assert found.items[0].verdicts[-1] == Verdict(by="contamination", draft=1, decision=Decision.ACCEPT)


async def test_a_node_brings_sets_of_its_own(tmp_path: Path) -> None:
    node = contamination(benchmark(tmp_path), n=6)
    draft = Draft(index=0, by="g", messages=(Message(role="user", content="wheel of the old mill twice"),))
    update = await node({"drafts": [draft]}, None)  # type: ignore[arg-type]  # it reads no context
    assert update["decision"] is Decision.REJECT
    assert update["reasons"] == ("contaminated",)


async def test_the_gate_may_look_for_near_rows(tmp_path: Path) -> None:
    words = LEAKED.split()
    words[9] = "sea"
    draft = Draft(index=0, by="g", messages=(Message(role="user", content=" ".join(words)),))
    settings = {"sets": [str(benchmark(tmp_path))], "n": 20}
    for near, decision in ((0.0, Decision.ACCEPT), (0.6, Decision.REJECT)):
        values = {"name": "x", "documents": ["d"], "contamination": {**settings, "near": near}}
        assert (await guards_of(make_spec(values))[0].judge(draft)).decision is decision


def by_meaning(lost: int = 0) -> Scripted:
    """Embeds what tells of a wheel to one side, all else to the other; the request `lost` finds nobody."""
    asked = 0

    def vectors(request: Request) -> list[list[float]]:
        nonlocal asked
        asked += 1
        if asked == lost:
            raise ServerLost("bge does not answer; start it and run again")
        rows = [[1.0, 0.0] if {"wheel", "millwheel"} & set(words(text)) else [0.0, 1.0] for text in request.inputs]
        return [[*row, 0.1 * (len(text) % 3)] for row, text in zip(rows, request.inputs, strict=True)]

    return Scripted(vectors, name="bge")


def in_other_words(request: Request) -> Any:
    if request.role != "generator":
        return judged()
    if "Row 3:" in request.variables["passage"]:
        return "When does the sea drive the millwheel, and by which light is its keeper asleep?"
    return f"Explain: {request.variables['passage']}"


@pytest.mark.parametrize("own", [True, False], ids=["own flow", "reference flow"])
async def test_the_gate_may_look_for_rows_that_mean_the_same_and_outlives_its_embedder(
    tmp_path: Path, own: bool
) -> None:
    def of(embedder: Scripted, semantic: float = 0.9) -> tuple[Campaign, Scripted]:
        rows(tmp_path, 8)
        model = Scripted(in_other_words)
        sets = {"sets": [str(benchmark(tmp_path)) + ":question"], "semantic": semantic}
        built = flow() if own else reference_flow(proposer=None, generator=write, critic=judge)
        found = Campaign(
            "test", [tmp_path / "rows.jsonl"], models={"default": model, "bge": embedder}, flow=built, concurrency=1,
            prompts=[str(PROMPTS)], runs=str(tmp_path / f"runs-{semantic}"), contamination=sets,
            novelty={"embedder": "bge"},
        )  # fmt: skip
        return found, model

    silent = by_meaning()
    report = await of(silent, semantic=0.0)[0].execute()
    assert report.reasons == {("accepted", ""): 8}  # wording tells nothing of it
    assert not silent.requests
    with pytest.raises(ServerLost):
        await of(by_meaning(lost=4))[0].execute()
    store = RunStore.read(tmp_path / "runs-0.9" / "test")
    assert store.books().balanced
    assert (store.books().accepted, store.books().failed) == (2, 0)
    campaign, model = of(by_meaning())
    report = await campaign.execute()
    assert report.reasons == {("accepted", ""): 7, ("rejected", "contaminated"): 1}
    (item,) = RunStore.read(report.folder).items(Status.REJECTED)
    assert "bench.jsonl" in item.verdicts[-1].text
    if not own:
        assert all("sea drive" not in str(request.messages) for request in model.requests if request.role == "critic")


def test_an_embedder_of_the_gate_that_is_no_model_is_refused(tmp_path: Path) -> None:
    found = campaign(
        tmp_path,
        Scripted(answer),
        contamination={"sets": [str(benchmark(tmp_path))], "semantic": 0.9},
        novelty={"embedder": "bge"},
    )
    with pytest.raises(ConfigError, match=r"novelty\.embedder: no model is called 'bge'"):
        found.prepare()


def test_sets_are_meant_from_the_campaign_files_folder(tmp_path: Path) -> None:
    benchmark(tmp_path)
    path = tmp_path / "tides.toml"
    path.write_text('name = "t"\ndocuments = ["d"]\n[contamination]\nsets = ["bench.jsonl:question"]\n')
    assert guards_of(load_spec(path))
    with pytest.raises(ConfigError, match=r"contamination\.near: is 0\.1; give 0 for none"):
        make_spec({"name": "t", "documents": ["d"], "contamination": {"near": 0.1}})
    with pytest.raises(ConfigError, match="must be a list"):
        make_spec({"name": "t", "documents": ["d"], "contamination": {"sets": "bench.jsonl"}})


def test_machines_with_other_sets_do_not_work_together(tmp_path: Path) -> None:
    here = campaign(tmp_path, Scripted(answer))
    one = manifest_of(here.spec, here.prepare())
    require_same(one, manifest_of(here.spec, here.prepare()))
    with benchmark(tmp_path).open("a") as file:
        file.write(json.dumps({"question": "one more " * 10}) + "\n")
    with pytest.raises(ConfigError, match="guards 'contamination'"):
        require_same(one, manifest_of(here.spec, here.prepare()))


async def test_a_fleet_has_the_gate_at_its_workers(tmp_path: Path, gristmill: Start) -> None:
    (tmp_path / "docs").mkdir()
    text = "The mill of Elsing was built in 1842. It turns with the tide twice a day. Its wheel is twelve metres wide."
    (tmp_path / "docs" / "mill.md").write_text(f"# Mill\n\n{text}\n")
    path = tmp_path / "tides.toml"
    body = 'name = "tides"\ndocuments = ["docs"]\nrecipe = "grounded-qa"\n[models.default]\nmodel = "offline"\n'
    path.write_text(body)
    code, _, err = await (await gristmill("run", path)).ended()
    assert code == 0, err
    made = list(RunStore.read(tmp_path / "runs/tides").items(Status.ACCEPTED))
    assert made
    questions = [{"question": message.content} for item in made for message in item.messages]
    (tmp_path / "bench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))
    body = body.replace('"tides"', '"again"') + '[contamination]\nsets = ["bench.jsonl"]\nn = 5\n'
    path.write_text(body)
    code, out, err = await (await gristmill("run", path, "--workers", "2")).ended()
    items = RunStore.read(tmp_path / "runs/again").items()
    assert "contaminated" in {reason for item in items for reason in item.reasons}
    (tmp_path / "bench.jsonl").unlink()
    path.write_text(body.replace('"again"', '"third"'))
    code, out, err = await (await gristmill("run", path, "--workers", "2")).ended()
    assert code == 1, (out, err)
    assert "bench.jsonl" in err + out
    assert "no such file or folder is here" in err + out


async def test_the_embedders_server_is_asked_before_anything_is_spent(tmp_path: Path) -> None:
    def here(body: dict[str, Any]) -> str | None:
        return json.dumps(judged()) if body.get("response_format") else None

    rows(tmp_path, 3)
    async with MockServer(answer=here, models=("mock",)) as server:
        for name, url, said in (
            ("bge", server.url, "bge"),
            ("mock", "http://127.0.0.1:9/v1", "127.0.0.1:9"),
        ):
            models = {
                "default": ModelSpec(model="openai_api/mock", base_url=server.url),
                "bge": ModelSpec(model=f"openai_api/{name}", base_url=url, timeout=2),
            }
            with pytest.raises(ConfigError, match=said):
                await Campaign(
                    "test", [tmp_path / "rows.jsonl"], models=models, flow=flow(), prompts=[str(PROMPTS)],
                    runs=str(tmp_path / "runs"), novelty={"embedder": "bge", "semantic": 0.9},
                ).execute()  # fmt: skip
        assert not any(entry.good and entry.path.endswith("completions") for entry in server.log)
        assert not (tmp_path / "runs").exists()
