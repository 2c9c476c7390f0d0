"""A long campaign with a fault every two seconds, and the accounts at its end. `make soak` runs it.

    python tests/soak/soak.py [--tasks 20000] [--workers 4] [--every 2] [--overlap 4] [--faults 0] [--seed 1] [--sqlite]
                              [--keep FOLDER]

Over Redis half of the workers are started by the coordinator, half join through a proxy; with --sqlite all of them
share files. Faults are drawn from the seed: workers killed, frozen, sent away; the coordinator killed; Redis
killed with and without what it had written, frozen, cut off; the model server dead, refusing, garbling, hanging.
Each is printed with its time. In the end rows that failed for a fault are tried once more without any.

Every row must have ended exactly once, with the answer to its own question; the last line is one JSON object. Exit code
1 when a row is lost or doubled, the books do not balance, more calls were repeated than were in flight at faults, or a
process gave up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from pathlib import Path
from time import monotonic

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("shared", "faults", "../benchmarks"))]

from accounts import NOT_STARTED, Account, Memory, account  # noqa: E402
from troubles import trouble  # noqa: E402
from world import Plan, World, world  # noqa: E402

LOOK, LINE = 0.5, 5.0  # seconds between two looks at the books, and between two lines of them
STUCK = 180.0  # seconds without a task's end: something waits for what never comes
GAVE_UP = 5  # coordinators that end by themselves, until no more is started
LEFT = "a coordinator left with"
DONE, EARLY = 0, 3  # exit codes of a campaign that ended


async def soak(plan: Plan, folder: Path) -> Account:
    """Runs the campaign to its end under faults, then what failed once more in peace; returns the accounts."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)  # Ctrl-C does that by itself
    async with world(plan, folder) as here:
        memory = Memory()
        harming = asyncio.create_task(trouble(here, plan.seed))
        watching = asyncio.create_task(memory.watch(here))
        try:
            await here.lead()
            await campaign(here, memory, harming)
        except BaseException:
            here.show()
            raise
        finally:
            harming.cancel()
            await asyncio.gather(harming, return_exceptions=True)
        wall = monotonic() - here.began
        troubled = here.books()
        if not here.stuck and (troubled.failed or troubled.pending):
            here.say(f"no more faults; {troubled.failed} failed rows are tried again, {troubled.pending} are pending")
            await here.lead("--retry-failed")
            await campaign(here, memory)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return account(here, troubled, memory, wall)


async def campaign(here: World, memory: Memory, harming: asyncio.Task[None] | None = None) -> None:
    """Follows the coordinator until the campaign has ended, however often one has to be started again.

    Raises what `harming` raises: without faults the rest would prove nothing.
    """
    ended, since, line = -1, monotonic(), 0.0
    while True:
        await asyncio.sleep(LOOK)
        if harming is not None and harming.done():
            harming.result()
        await here.keep_up()
        code = here.coordinator.process.returncode if here.coordinator else None
        if code is not None and "coordinator" not in here.harmed:
            if code in (DONE, EARLY):
                return
            await again(here, code)
        moment, books = monotonic(), here.look()
        if not books.balanced:
            here.ends["the books did not balance"] += 1
        if moment - line > LINE:
            line = moment
            here.say(memory.line(books))
        if here.ended != ended:
            ended, since = here.ended, moment
        if moment - since > STUCK:
            here.stuck = True
            here.show()
            here.ends[f"no task ended for {STUCK:g} s"] += 1
            return


async def again(here: World, code: int) -> None:
    """Starts a coordinator that has ended by itself again. One that could not start beside a dead server may do so."""
    assert here.coordinator is not None
    said = " ".join(here.coordinator.err.read_text().strip().splitlines()[-1:])
    here.say(f"the coordinator ended with exit code {code}: {said[:300]}")
    refused = f"{here.server.url} cannot be reached" in said
    here.ends[NOT_STARTED if refused else f"{LEFT} {code}"] += 1
    if sum(count for end, count in here.ends.items() if end.startswith(LEFT)) > GAVE_UP:
        raise SystemExit("the coordinator gave up too often")
    await asyncio.sleep(1)
    await here.lead()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    plan = Plan()
    parser.add_argument("--tasks", type=int, default=plan.tasks)
    parser.add_argument("--workers", type=int, default=plan.workers)
    parser.add_argument("--every", type=float, default=plan.every, help="seconds between two faults")
    parser.add_argument("--overlap", type=int, default=plan.overlap, help="faults until another row must have ended")
    parser.add_argument("--faults", type=int, default=plan.faults, help="faults at most; 0 for any number")
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--lease", type=float, default=plan.lease)
    parser.add_argument("--latency", type=float, default=plan.latency, help="seconds that a model call takes")
    parser.add_argument("--sqlite", action="store_true", help="without a Redis")
    parser.add_argument("--keep", type=Path, help="a folder that is not there yet, for the run and what processes said")
    args = vars(parser.parse_args())
    keep = args.pop("keep")
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gristmill-soak-")))
        found = asyncio.run(soak(Plan(**args), folder))
    for line in found.lines:
        print(line)
    print(json.dumps(found.figures))
    return 0 if found.clean else 1


if __name__ == "__main__":
    sys.exit(main())
