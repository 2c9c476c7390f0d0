"""Traces from the coordinator through a worker to a call, as a real OTLP/HTTP receiver reads them; dead collectors."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from harness import LEASE, Wire, accepting, assert_accounted, run_of, write_campaign
from isolation import CANARY
from log_lines import parsed
from mock_server import MockServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from processes import Start
from write_and_judge import PROMPTS, flow, rows

from gristmill import Campaign, ModelSpec
from gristmill.errors import AccessDenied, ConfigError, Overloaded
from gristmill.models.contract import Reply, Request
from gristmill.models.factory import build
from gristmill.models.layers.meter import Meter
from gristmill.models.layers.traced import Traced
from gristmill.models.tracing import Tracer, tracer_of
from gristmill.storage.queue import Work
from gristmill.storage.records import Message

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@dataclass
class Span:
    """A span as it came over the wire; ids are hex."""

    id: str
    trace: str
    parent: str
    name: str
    kind: int
    failed: bool
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    resource: dict[str, Any]
    began: int
    ended: int


@dataclass
class Collector:
    """An OTLP/HTTP receiver. `answer` is the status that it gives, `delay` how many seconds it takes."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    asked: int = 0
    answer: int = 200
    delay: float = 0.0

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.read()
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.answer != 200:
            return web.Response(status=self.answer)
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.raw.append(body)
        message = ExportTraceServiceRequest.FromString(body)
        for group in message.resource_spans:
            resource = _values(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [_span(one, resource) for one in scope.spans]
        return web.Response(body=ExportTraceServiceResponse().SerializeToString())

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


def _span(one: Any, resource: dict[str, Any]) -> Span:
    return Span(
        one.span_id.hex(),
        one.trace_id.hex(),
        one.parent_span_id.hex(),
        one.name,
        one.kind,
        one.status.code == 2,
        _values(one.attributes),
        [(event.name, _values(event.attributes)) for event in one.events],
        resource,
        one.start_time_unix_nano,
        one.end_time_unix_nano,
    )


def _values(attributes: Any) -> dict[str, Any]:
    found = {}
    for one in attributes:
        kind = one.value.WhichOneof("value")
        value = getattr(one.value, kind)
        found[one.key] = [inner.string_value for inner in value.values] if kind == "array_value" else value
    return found


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def test_a_task_is_one_trace_from_coordinator_to_call(
    tmp_path: Path, gristmill: Start, wire: Wire, collector: Collector
) -> None:
    key = f"sk-{CANARY}"
    async with MockServer(latency=0.02, answer=accepting, key=key) as server:
        path = write_campaign(tmp_path, server, 30, model={"api_key_env": "SERVER_KEY"})
        env = {"SERVER_KEY": key, ENDPOINT: collector.url, "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={CANARY}-of-it"}
        command = await gristmill("run", path, *wire.options, "--workers", "2", "--lease", LEASE, **env)
        code, out, err = await command.ended(90)
        assert code == 0, err
        assert_accounted(run_of(path), server, planned=30)
        by_id = {span.id: span for span in collector.spans}
        assert len(by_id) == len(collector.spans)
        tasks, runs = collector.named("gristmill.task"), collector.named("gristmill.run")
        calls = collector.named("chat mock")
        assert (len(tasks), len(runs), len(calls)) == (30, 30, 60)
        assert {span.resource["gristmill.process"] for span in tasks} == {"coordinator"}
        assert {span.resource["gristmill.process"] for span in runs + calls} == {"worker"}
        assert {span.resource["service.name"] for span in collector.spans} == {"gristmill"}
        assert len({span.trace for span in tasks}) == 30
        for span in tasks:
            assert span.parent == ""
            assert span.attributes["gristmill.status"] == "accepted"
        for span in runs:
            parent = by_id[span.parent]
            assert parent.name == "gristmill.task"
            assert parent.trace == span.trace
            assert parent.attributes["gristmill.task"] == span.attributes["gristmill.task"]
            assert parent.began <= span.began <= span.ended <= parent.ended
        for span in calls:
            node = by_id[span.parent]
            assert node.name.startswith("node ")
            assert by_id[node.parent].name == "gristmill.run"
            assert node.trace == span.trace == by_id[node.parent].trace
            assert span.kind == 3  # CLIENT
            about = span.attributes
            assert about["gen_ai.operation.name"] == "chat"
            assert about["gen_ai.request.model"] == "mock"
            assert about["gen_ai.provider.name"] == "openai"
            assert about["gen_ai.usage.input_tokens"] > 0
            assert about["gen_ai.usage.output_tokens"] > 0
            assert about["server.address"] == "127.0.0.1"
            assert about["server.port"] == int(server.url.split(":")[2].split("/")[0])
            assert about["gristmill.attempts"] == 1
            assert about["gristmill.cached"] is False
        sent = Counter(tuple(header.split("-")[1:3]) for header in server.traceparents)
        assert sent == Counter((span.trace, span.id) for span in calls)
        assert all(int(header.split("-")[3], 16) & 1 for header in server.traceparents), "not sampled"
        everything = b"".join(collector.raw)
        assert CANARY.encode() not in everything
        for text in (b"Row 1", b"You ", b"question"):  # documents, prompts, answers
            assert text not in everything
        log = run_of(path) / "run.log"
        assert CANARY not in err + out + (log.read_text() if log.exists() else "")


async def test_attempts_and_failures_are_events_with_codes_and_no_text(collector: Collector) -> None:
    async with MockServer() as server:
        server.next_faults.extend(["http500", "html"])
        spec = ModelSpec(model="openai_api/mock", base_url=server.url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ENDPOINT, collector.url)
            tracer = tracer_of(False, {})
        assert tracer is not None
        model = build(spec, calls=None, budget=None, meter=Meter(), tracer=tracer)
        question = Request(messages=(Message(role="user", content=f"{CANARY} question"),), role="critic", task="task-1")
        reply = await model.complete(question)
        assert reply.text
        server.key = "another"
        with pytest.raises(AccessDenied):
            await model.complete(question)
        await model.aclose()
        await tracer.aclose()
    good, bad = collector.named("chat mock")
    assert [name for name, _ in good.events] == ["attempt", "attempt failed"] * 2 + ["attempt"]
    failures = [about for name, about in good.events if name == "attempt failed"]
    assert failures == [
        {"error.type": "overloaded", "http.response.status_code": 500},
        {"error.type": "bad_reply"},
    ]
    assert good.attributes["gristmill.attempts"] == 3
    assert not good.failed
    assert good.attributes["gristmill.role"] == "critic"
    assert bad.failed
    assert bad.attributes["error.type"] == "access_denied"
    assert CANARY.encode() not in b"".join(collector.raw)


async def test_a_hit_in_the_cache_is_a_call_without_an_attempt(tmp_path: Path, collector: Collector) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENDPOINT, collector.url)
        async with MockServer(answer=accepting) as server:
            rows(tmp_path, 3)
            spec = ModelSpec(model="openai_api/mock", base_url=server.url)
            campaign = Campaign("again", [tmp_path / "rows.jsonl"], flow=flow(), models={"default": spec},
                                prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"))  # fmt: skip
            _make_pending((await campaign.execute()).folder)
            await campaign.execute()
    calls = collector.named("chat mock")
    hits = [span for span in calls if span.attributes["gristmill.cached"]]
    assert (len(calls), len(hits)) == (12, 6)
    assert all(not span.events and span.attributes["gen_ai.usage.input_tokens"] == 0 for span in hits)


def _make_pending(folder: Path) -> None:
    """As after a kill: the calls are kept, the tasks' ends are not."""
    connection = sqlite3.connect(folder / "run.sqlite3")
    for sql in ("UPDATE tasks SET status = 'pending'", "DELETE FROM items", "DELETE FROM claims"):
        connection.execute(sql)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("how", ["refuses", "fails", "hangs"])
async def test_a_dead_collector_disturbs_nothing(
    tmp_path: Path, gristmill: Start, collector: Collector, how: str
) -> None:
    url = collector.url
    if how == "refuses":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
    collector.answer = 503 if how == "fails" else 200
    collector.delay = 600.0 if how == "hangs" else 0.0
    async with MockServer(latency=0.01, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 150)  # several times the spans that the queue below holds
        env = {ENDPOINT: url, "OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "32"}
        command = await gristmill("run", path, "--workers", "1", "--log-format", "json", **env)
        code, _, err = await command.ended(300)  # half of what one answer of a collector that hangs would take
        assert code == 0, err
        assert_accounted(run_of(path), server, planned=150)
        lines = parsed(err)
        warned = [one for one in lines if one["level"] in ("warning", "error")]
        lost = [one for one in warned if "spans were not taken by the collector" in one["message"]]
        assert {one.get("worker", "")[:6] for one in lost} == {"", "local-"}
        assert len(warned) <= 4, err  # for each process: once that they are not taken, once how many


async def test_the_sampler_of_the_environment_holds_for_the_whole_trace(
    tmp_path: Path, gristmill: Start, collector: Collector
) -> None:
    async with MockServer(answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60)
        env = {ENDPOINT: collector.url, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
        env["OTEL_TRACES_SAMPLER_ARG"] = "0.5"
        code, _, err = await (await gristmill("run", path, "--workers", "1", **env)).ended()
        assert code == 0, err
        tasks = {span.trace for span in collector.named("gristmill.task")}
        assert 0 < len(tasks) < 60
        assert {span.trace for span in collector.spans} == tasks
        assert len(collector.named("chat mock")) == 2 * len(tasks)


async def test_one_process_traces_too_and_a_program_may_end_it(tmp_path: Path, collector: Collector) -> None:
    async with MockServer(answer=accepting) as server:
        rows(tmp_path, 4)
        spec = ModelSpec(model="openai_api/mock", base_url=server.url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ENDPOINT, collector.url)
            campaign = Campaign("one", [tmp_path / "rows.jsonl"], flow=flow(), models={"default": spec},
                                prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"), runtime="langgraph")  # fmt: skip
            await campaign.execute()
        by_id = {span.id: span for span in collector.spans}
        for span in collector.named("chat mock"):  # LangGraph's own runtime knows no spans of nodes
            assert by_id[span.parent].name == "gristmill.run"
            assert by_id[by_id[span.parent].parent].name == "gristmill.task"
        assert len(by_id) == 4 + 4 + 8


# on and off


def test_off_costs_no_import(tmp_path: Path) -> None:
    """Of ours. LangSmith, which LangGraph brings, imports OpenTelemetry by itself wherever it is installed."""
    code = (
        "import sys\nimport gristmill.models.factory\n"
        "from gristmill.models.tracing import tracer_of\n"
        "assert tracer_of(False, {}) is None\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "env",
    [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://x"},
     {"OTEL_SDK_DISABLED": "true", ENDPOINT: "http://x"}],
)  # fmt: skip
def test_nobody_asks(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert tracer_of(False, {}) is None


def test_what_cannot_be_sent_is_an_error_only_for_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(ConfigError, match="'zipkin'; only otlp and none"):
        tracer_of(True, {})
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    assert tracer_of(False, {}) is None
    monkeypatch.delenv("OTEL_TRACES_EXPORTER")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert tracer_of(False, {}) is None
    with pytest.raises(ConfigError, match=r"gristmill\[tracing\]"):
        tracer_of(True, {})


async def test_a_foreign_traceparent_does_no_harm(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, collector.url)
    tracer = tracer_of(False, {})
    assert tracer is not None
    for parent in ("nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\n", "é" * 10_000):
        with tracer.span("here", parent=parent):
            pass
    with pytest.raises(Overloaded), tracer.span("failing"):
        raise Overloaded(f"{CANARY} text")
    await tracer.aclose()
    assert [span.parent for span in collector.named("here")] == [""] * 4
    assert collector.named("failing")[0].attributes["error.type"] == "overloaded"
    assert isinstance(tracer, Tracer)
    assert (tracer.made, tracer.sent) == (5, 5)


def test_work_of_an_earlier_version_still_reads() -> None:
    row = '{"task":{"id":"t","kind":"k","seed":1},"chunks":[]}'
    assert Work.model_validate_json(row).trace == ""


async def test_a_reply_without_choices_is_traced(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    class Embedder:
        name = "mine/embedder"

        async def complete(self, request: Request) -> Reply:
            return Reply(embeddings=((0.5,),))

        async def aclose(self) -> None: ...

    monkeypatch.setenv(ENDPOINT, collector.url)
    tracer = tracer_of(False, {})
    assert tracer is not None
    await Traced(Embedder(), tracer).complete(Request(kind="embedding", inputs=("x",)))
    await tracer.aclose()
    (span,) = collector.named("embeddings embedder")
    assert span.attributes["gen_ai.operation.name"] == "embeddings"
    assert span.attributes["gen_ai.provider.name"] == "mine"
