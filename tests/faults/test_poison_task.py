"""A task that ends its worker, each time: set aside with its history, visible everywhere, tried again when asked."""

from __future__ import annotations

import json
from pathlib import Path

from harness import CONCURRENCY, Wire, accepting, assert_accounted, completed, coordinator, run_of, write_campaign
from in_process import typed
from mock_server import MockServer
from processes import Start
from sent_back import decide

from gristmill import Status
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore

STRIKES = 3


async def test_a_poison_task_is_set_aside_alone_and_can_be_requeued(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    async with MockServer(latency=0.02, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60, flow="poisoned:flow")
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, GRISTMILL_TEST_POISON="Row 13:")
        assert "planned 60 = accepted 59 + rejected 0 + failed 1 + pending 0" in await completed(command)
        # Each death cost the calls of one worker; over SQLite suspects run in halves, so there may be some more deaths.
        deaths = log_of_deaths(folder)
        assert deaths >= STRIKES
        assert_accounted(folder, server, planned=60, in_flight=deaths * CONCURRENCY // 2)

        store = RunStore.read(folder)
        (dead,) = store.items(Status.FAILED)
        store.close_reading()
        assert dead.reasons == ("poison",)
        assert "ended its worker 3 times" in dead.error
        assert dead.error.count("was lost with it alone") == STRIKES

        def done(*arguments: object) -> str:
            said = typed(*arguments, cwd=tmp_path)
            assert said.returncode == 0, said.stderr
            return said.stdout

        shown = done("fleet", folder, *wire.options)
        assert f"set aside {dead.task} after {STRIKES} strikes: " in shown
        seen = json.loads(done("fleet", folder, *wire.options, "--json"))
        assert [(one["task"], one["strikes"]) for one in seen["dead"]] == [(dead.task, STRIKES)]
        status = done("status", folder)
        assert "poison" in status

        await decide(folder, dead.id, Action.REJECT)
        kept = done("fleet", folder, "requeue", *wire.options)
        assert "0 tasks are pending again" in kept, "a person decided its item"
        shown = done("fleet", folder, *wire.options)
        assert f"set aside {dead.task} after {STRIKES} strikes: " in shown
        await decide(folder, dead.id, Action.UNDO)
        again = done("fleet", folder, "requeue", *wire.options)
        assert "1 tasks are pending again" in again
        assert_accounted(folder, planned=60, pending=1)
        out = await completed(await coordinator(gristmill, path, wire, 1))
        assert "planned 60 = accepted 60" in out
        assert_accounted(folder, server, planned=60, in_flight=deaths * CONCURRENCY // 2)
        store = RunStore.read(folder)
        (tried,) = (item for item in store.items() if item.task == dead.task)
        store.close_reading()
        assert tried.messages[1].content.startswith("Row 13:"), "the guilty one was set aside, no neighbour"


def log_of_deaths(folder: Path) -> int:
    return (folder / "run.log").read_text().count("a worker process ended with 9")
