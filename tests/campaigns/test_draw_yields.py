"""The yield of each sampler is counted, kept and shown, and agrees with the books."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from places import CORPUS
from rich.console import Console

from gristmill import Campaign, ModelSpec
from gristmill.campaigns.planning.yields import DrawYields
from gristmill.campaigns.report import print_status, status_of
from gristmill.graphs.sampling.engine import Yield
from gristmill.storage.records import Status, Task
from gristmill.storage.store import RunStore


async def test_a_campaign_tells_what_each_of_its_samplers_gave(tmp_path: Path) -> None:
    chosen = Campaign(
        "graph",
        [CORPUS],
        recipe="entigraph",
        options={
            "shares": {"pair": 1, "bridge": 1, "motif": 1},
            "draws": {"bridge": {"sampler": "meeting-path", "hops": 2}},
        },
        models={"default": ModelSpec(model="offline")},
        target=6,
        runs=str(tmp_path / "runs"),
    )
    report = await chosen.execute()
    store = RunStore.read(report.folder)
    status = status_of(store)
    draws = status["draws"]
    assert {"pair", "bridge"} <= set(draws)
    ends = Counter({one.value: sum(row[one.value] for row in draws.values()) for one in Status})
    assert ends == Counter({one.value: status["books"][one.value] for one in Status})
    kinds = Counter((task.kind, status.value) for task, status in store.tasks())
    assert all(draws[kind][status] == count for (kind, status), count in kinds.items())
    for row in draws.values():
        assert row["drawn"] >= sum(row[one.value] for one in Status)
        assert all(count > 0 for count in row["refused"].values())
    console = Console(record=True, width=200)
    print_status(console, status)
    printed = console.export_text()
    assert "refused by its sampler" in printed
    assert "bridge" in printed


def test_a_task_that_ends_is_no_longer_pending_and_what_never_had_a_sampler_counts_too() -> None:
    yields = DrawYields()
    pair, chunk = Task.of("pair"), Task.of("chunk")
    yields.add(pair)
    yields.add(chunk, Status.FAILED)
    yields.ended(pair, Status.REJECTED)
    sampled = Yield(drawn=3, refused=Counter({"joined": 1, "repeat": 4}))
    assert yields.as_mark({"pair": sampled, "path": Yield()}) == {
        "chunk": {"pending": 0, "accepted": 0, "rejected": 0, "failed": 1},
        "pair": {
            "pending": 0,
            "accepted": 0,
            "rejected": 1,
            "failed": 0,
            "drawn": 3,
            "refused": {"repeat": 4, "joined": 1},
        },
        "path": {"pending": 0, "accepted": 0, "rejected": 0, "failed": 0, "drawn": 0, "refused": {}},
    }
