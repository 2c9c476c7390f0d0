"""A run in PostgreSQL: who leads, what a server that goes away costs, what is refused with its mend, no password told.

What holds for both databases is in `test_store.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from isolation import CANARY
from postgres_server import PASSWORD, PostgresServer
from redis_server import free_port
from stored import item, task

from gristmill.errors import ConfigError, GristmillError, RunLocked, StoreError, StoreFull
from gristmill.storage import postgres
from gristmill.storage.postgres import schema_of
from gristmill.storage.postgres_connection import Server
from gristmill.storage.records import Item, Status
from gristmill.storage.sqlite import FILE
from gristmill.storage.store import RunStore
from gristmill.storage.whereabouts import POINTER

LEADER = """
import asyncio, sys
from pathlib import Path
from gristmill.storage.store import RunStore
async def main():
    store = RunStore.open(Path(sys.argv[1]), sys.argv[2])
    print("leads", flush=True)
    sys.stdin.read()
asyncio.run(main())
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder whose name no other test's run has."""
    return tmp_path / f"run-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def store(run: Path, own_postgres: PostgresServer) -> AsyncIterator[RunStore]:
    """A run on a server of the test's own, to kill."""
    opened = RunStore.open(run, own_postgres.url)
    yield opened
    await opened.close()


def elsewhere(run: Path) -> Path:
    """The folder of the same run on another host."""
    return run.parent / "other-host" / run.name


# who leads


def test_a_second_coordinator_in_another_folder_is_refused_with_who_leads(run: Path, postgres_url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LEADER, str(run), postgres_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "leads\n"
    with pytest.raises(RunLocked, match=f"by process {process.pid} on {os.uname().nodename};") as refused:
        RunStore.open(elsewhere(run), postgres_url)
    assert PASSWORD not in str(refused.value)
    reader = RunStore.read(elsewhere(run), postgres_url)  # looking is allowed
    assert reader.holder == f"{process.pid} on {os.uname().nodename}"
    process.send_signal(signal.SIGKILL)
    process.communicate()

    async def after() -> None:
        opened = RunStore.open(elsewhere(run), postgres_url)  # the server freed the lock
        assert str(reader.holder).startswith(str(os.getpid()))
        await opened.close()

    asyncio.run(after())
    deadline = time.monotonic() + 30
    while reader.holder is not None:  # the server notices a moment later that its client has gone
        assert time.monotonic() < deadline
        time.sleep(0.01)
    reader.close_reading()


async def test_one_who_was_cut_off_never_writes_again_where_another_has_led(
    run: Path, own_postgres: PostgresServer, store: RunStore
) -> None:
    await store.plan([task(1)])
    other = await led_by_another(run, own_postgres)
    await other.put("of the other", b"raw")
    for _ in range(2):
        with pytest.raises(RunLocked, match=r"is being worked on|has taken over"):
            await store.put("too late", b"raw")
    await other.close()
    for _ in range(2):  # also when the other has gone: the run is not as this one knows it
        with pytest.raises(RunLocked, match="has taken over run"):
            await store.finish(task(1).id, Status.ACCEPTED, [item(task(1))])
    after = RunStore.read(run, own_postgres.url)
    assert after.count("calls") == 1
    assert after.books().pending == 1
    after.close_reading()


async def led_by_another(run: Path, server: PostgresServer) -> RunStore:
    """Ends the leader's sessions, as a lost network does, and leads from elsewhere before it notices."""
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mill'")
    return RunStore.open(elsewhere(run), server.url)


async def test_two_who_both_hold_the_lock_cannot_both_write(
    run: Path, store: RunStore, monkeypatch, own_postgres
) -> None:
    """A pooler that hands connections round can give the lock to two: then the epoch decides."""
    monkeypatch.setattr("gristmill.storage.postgres_lead.Lead._lock", lambda self, connection: None)
    other = RunStore.open(elsewhere(run), own_postgres.url)
    with pytest.raises(RunLocked, match="has taken over"):
        await store.put("key", b"raw")
    await other.put("key", b"of the one who leads")
    assert await other.get("key") == b"of the one who leads"
    await other.close()


async def test_a_session_of_its_own_that_the_server_still_keeps_is_ended(store: RunStore) -> None:
    """As after a cut network: this side has given the connection up, the server holds it with its lock."""
    database = store._database
    assert isinstance(database, postgres.PostgresDatabase)
    await store.put("before", b"raw")
    forgotten, database._writing._connection = database._writing._connection, None
    await store.put("after", b"raw")
    assert store.count("calls") == 2
    assert forgotten is not None
    forgotten.close()


# a server that goes away


async def test_a_server_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    store: RunStore, own_postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    tasks = [task(n) for n in range(600)]
    await store.plan(tasks)
    returned: list[str] = []

    async def end(number: int) -> None:
        one = tasks[number]
        await store.ready()
        await store.finish(one.id, Status.ACCEPTED, [item(one)], claims=[one.id.encode()])
        assert await store.get("none") is None
        returned.append(one.id)

    async def work(first: int) -> None:
        for number in range(first, 600, 20):
            await end(number)

    working = asyncio.gather(*[work(first) for first in range(20)])
    for done in (50, 250, 450):
        while len(returned) < done:  # noqa: ASYNC110  # many tasks raise it
            await asyncio.sleep(0.001)
        await asyncio.to_thread(own_postgres.kill)
        committed = list(returned)
        await asyncio.to_thread(own_postgres.start)
        reader = RunStore.read(store.folder, own_postgres.url)
        assert set(committed) <= {found.task for found in reader.items()}  # what was returned was durable
        reader.close_reading()
    await working
    assert store.books().accepted == 600
    items = [found.task for found in store.items()]
    assert len(items) == len(set(items)) == 600
    assert len(list(store.claims())) == 600
    assert "is away" in caplog.text
    assert "is there again" in caplog.text
    assert CANARY not in caplog.text


async def test_a_commit_whose_answer_is_lost_is_sent_again_and_counts_once(store: RunStore) -> None:
    """The server has committed, and the connection breaks before it can say so."""
    database = store._database
    assert isinstance(database, postgres.PostgresDatabase)
    one = task(1)
    await store.plan([one])
    real, times = database._writing.do, []

    def lossy(job, patience):
        def twice(connection):
            job(connection)
            times.append(1)
            if len(times) == 1:
                connection.close()
                raise database._server.driver.OperationalError("server closed the connection unexpectedly")

        return real(twice, patience)

    database._writing.do = lossy  # type: ignore[method-assign]
    await store.finish(one.id, Status.ACCEPTED, [item(one)], claims=[b"text"])
    assert len(times) == 2
    assert store.books().accepted == 1
    assert len(list(store.items())) == len(list(store.claims())) == 1


async def test_a_server_that_freezes_is_waited_for(store: RunStore, own_postgres: PostgresServer) -> None:
    await store.plan([task(1)])
    own_postgres.freeze()
    ticks = 0
    writing = asyncio.create_task(store.finish(task(1).id, Status.ACCEPTED, [item(task(1))]))
    looking = asyncio.create_task(store.get("none"))
    for _ in range(10):
        await asyncio.sleep(0.1)
        ticks += 1
    assert not writing.done()
    assert not looking.done()
    own_postgres.thaw()
    await asyncio.wait_for(asyncio.gather(writing, looking), 30)
    assert ticks == 10  # the event loop went on
    assert store.books().accepted == 1


async def test_a_server_that_stays_away_is_an_error_and_the_run_goes_on_later(
    run: Path, own_postgres: PostgresServer, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "WAITING", 0.3)
    monkeypatch.setattr(postgres, "READING", 0.3)
    await store.put("before", b"raw")
    own_postgres.kill()
    for trying in (store.put("lost", b"raw"), store.get("before"), store.ready()):
        with pytest.raises(StoreError, match=r"does not answer .* start the same command again") as error:
            await trying
        assert CANARY not in str(error.value)
    with pytest.raises(StoreError, match="does not answer"):
        list(store.items())
    with pytest.raises(StoreError, match="does not answer"):
        RunStore.open(elsewhere(run), own_postgres.url)
    own_postgres.start()
    assert await store.get("before") == b"raw"
    await store.put("again", b"raw")


async def test_closing_does_not_wait_for_a_server_that_is_gone(store: RunStore, own_postgres: PostgresServer) -> None:
    await store.put("before", b"raw")
    own_postgres.kill()
    looking = asyncio.create_task(store.get("before"))
    await asyncio.sleep(0.2)
    reading = threading.Thread(target=store._database.close)
    reading.start()
    with pytest.raises(StoreError, match="does not answer"):
        await asyncio.wait_for(looking, 20)
    reading.join(20)
    assert not reading.is_alive()


async def test_a_deadlock_of_workers_that_keep_the_same_calls_is_undone_and_sent_again(
    run: Path, own_postgres: PostgresServer, store: RunStore
) -> None:
    other = RunStore.join(run, own_postgres.url)
    keys = [f"key{n}" for n in range(300)]
    for _ in range(3):
        await asyncio.gather(
            *[store.put(key, b"raw") for key in keys], *[other.put(key, b"raw") for key in reversed(keys)]
        )
    assert store.count("calls") == 300
    await other.close()


async def test_a_full_disk_is_told_and_heals(run: Path, own_postgres: PostgresServer, store: RunStore) -> None:
    """The server's own error of a full disk, raised by a trigger: no disk of this machine has to be filled."""
    await store.put("before", b"kept")
    schema = schema_of(run.name)
    own_postgres.sql(
        f"""CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER no_space BEFORE INSERT ON "{schema}".calls FOR EACH ROW EXECUTE FUNCTION no_space()"""
    )
    with pytest.raises(StoreFull, match="free some space"):
        await store.put("large", b"x")
    with pytest.raises(RunLocked):  # what is refused does not cost the lead
        RunStore.open(elsewhere(run), own_postgres.url)
    own_postgres.sql(f'DROP TRIGGER no_space ON "{schema}".calls')
    await store.put("after", b"works again")
    assert await store.get("after") == b"works again"
    assert await store.get("large") is None


async def test_a_server_that_turns_read_only_is_told(run: Path, own_postgres: PostgresServer) -> None:
    store = RunStore.open(run, own_postgres.url)
    await store.plan([task(1)])
    await store.close()
    own_postgres.sql("ALTER ROLE mill SET default_transaction_read_only = on")
    with pytest.raises(StoreError, match=r"takes no writes .* name the primary"):
        RunStore.open(run, own_postgres.url)
    reader = RunStore.read(run, own_postgres.url)
    assert reader.books().pending == 1
    reader.close_reading()


# what is refused, with its mend


def test_what_cannot_be_is_refused_with_the_mend_and_no_password(
    run: Path, shared_postgres: PostgresServer, tmp_path: Path
) -> None:
    shared_postgres.sql("SELECT 1")
    wrong = f"{CANARY}-wrong"
    asked: list[tuple[str, str, type[GristmillError]]] = [
        (shared_postgres.url_of(password=wrong), "PGPASSWORD", StoreError),
        (shared_postgres.url_of(user="nobody"), "check the role", StoreError),
        (shared_postgres.url_of(database="none"), "createdb", StoreError),
        (f"postgresql://mill:{wrong}@127.0.0.1:{free_port()}/runs", "start it or mend the URL", StoreError),
        (f"postgresql://mill:{wrong}@127.0.0.1:none/runs", "port", StoreError),
        (f"postgresql://mill:{wrong}@127.0.0.1/runs?{wrong}={wrong}", "cannot be read", ConfigError),
        (f"postgresql://mill:{wrong}%zz@127.0.0.1/runs", "cannot be read", ConfigError),
        (f"mysql://mill:{wrong}@127.0.0.1/runs", "postgresql://user@host", ConfigError),
        (f"host=127.0.0.1 password={wrong}", "postgresql://user@host", ConfigError),
    ]
    for url, mend, kind in asked:
        for way in (RunStore.open, RunStore.read):
            with pytest.raises(kind, match=mend) as error:
                way(run, url)
            assert CANARY not in str(error.value), url
    assert not run.exists()  # what cannot run leaves no folder behind


def test_without_the_right_to_make_a_schema_the_grant_is_named(run: Path, shared_postgres: PostgresServer) -> None:
    role = f"poor_{uuid.uuid4().hex[:8]}"
    shared_postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    with pytest.raises(StoreError, match="GRANT CREATE ON DATABASE"):
        RunStore.open(run, shared_postgres.url_of(role))
    shared_postgres.sql(f'CREATE SCHEMA "{schema_of(run.name)}" AUTHORIZATION {role}')  # as an administrator may
    opened = RunStore.open(run, shared_postgres.url_of(role))
    asyncio.run(opened.close())


def test_a_database_in_another_encoding_is_refused(run: Path, shared_postgres: PostgresServer) -> None:
    name = f"latin_{uuid.uuid4().hex[:8]}"
    shared_postgres.sql(f"CREATE DATABASE {name} OWNER mill ENCODING 'LATIN1' TEMPLATE template0", database="postgres")
    with pytest.raises(StoreError, match=r"encoded in LATIN1.*createdb --encoding UTF8"):
        RunStore.open(run, shared_postgres.url_of(database=name))


async def test_another_version_is_refused(run: Path, shared_postgres: PostgresServer) -> None:
    await RunStore.open(run, shared_postgres.url).close()
    shared_postgres.sql(f'UPDATE "{schema_of(run.name)}".run SET version = 99')
    for way in (RunStore.open, RunStore.read):
        with pytest.raises(StoreError, match="version 99"):
            way(run, shared_postgres.url)
    with pytest.raises(StoreError, match="no run 'nothing'"):
        RunStore.read(run.parent / "nothing", shared_postgres.url)


async def test_runs_of_any_name_are_told_apart(tmp_path: Path, shared_postgres: PostgresServer) -> None:
    base = uuid.uuid4().hex[:6]
    long = f"{base}{'x' * 90}"
    names = [f"{base}.a-B_1", f"{base}.a-b_1", f"{long}1", f"{long}2", f'{base}"; DROP SCHEMA public; --']
    stores = [RunStore.open(tmp_path / name, shared_postgres.url) for name in names]
    for number, opened in enumerate(stores):
        await opened.put(f"key{number}", b"raw")
    for opened in stores:
        assert opened.count("calls") == 1
        await opened.close()
    assert len({schema_of(name) for name in names}) == len(names)
    assert all(len(schema_of(name).encode()) <= 63 for name in names)


# where a run is


async def test_a_folder_knows_its_database_and_no_password(
    run: Path, shared_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = shared_postgres.url + "?application_name=mine&sslpassword=" + CANARY
    await RunStore.open(run, url).close()
    pointer = (run / POINTER).read_text()
    assert CANARY not in pointer
    assert json.loads(pointer)["store"].startswith(f"postgresql://mill@127.0.0.1:{shared_postgres.port}/runs?")
    with pytest.raises(StoreError, match="PGPASSWORD"):
        RunStore.read(run)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    RunStore.read(run).close_reading()
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("GRISTMILL_STORE", shared_postgres.url)
    RunStore.read(run).close_reading()
    await RunStore.open(run).close()
    moved = await asyncio.to_thread(run.rename, run.parent / "renamed")  # the run is called as it was begun
    RunStore.read(moved).close_reading()
    assert not (moved / FILE).exists()
    monkeypatch.setenv("GRISTMILL_STORE", f"postgresql://mill:{CANARY}@127.0.0.1:{free_port()}/runs")
    with pytest.raises(StoreError, match="PGPASSWORD"):  # another place's password is not for this one
        RunStore.read(moved)


async def test_a_run_does_not_change_its_place_by_mistake(run: Path, shared_postgres: PostgresServer) -> None:
    await RunStore.open(run).close()
    with pytest.raises(ConfigError, match=r"kept in SQLite.*another name"):
        RunStore.open(run, shared_postgres.url)
    other = run.parent / f"{run.name}-other"
    await RunStore.open(other, shared_postgres.url).close()
    name = f"second_{uuid.uuid4().hex[:8]}"
    shared_postgres.sql(f"CREATE DATABASE {name} OWNER mill", database="postgres")
    second = shared_postgres.url_of(database=name)
    with pytest.raises(StoreError, match=r"kept elsewhere.*has no run"):
        RunStore.open(other, second)
    RunStore.read(other, shared_postgres.url).close_reading()
    (other / POINTER).write_text("{")
    with pytest.raises(StoreError, match="does not say where the run is"):
        RunStore.read(other)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("postgresql://u:p%40w@h:5433/db", "postgresql://u@h:5433/db"),
        ("postgres://u:secret@h1:1,h2:2/db?sslmode=require", "postgresql://u@/db?"),
        ("postgresql:///db?host=/var/run/postgresql&password=secret", "postgresql:///db?host=/var/run/postgresql"),
        ("postgresql://us%40er:secret@[::1]:5433/d%2Fb", "postgresql://us%40er@/d%2Fb?"),
        ("postgresql://h", "postgresql://h/"),
    ],
)
def test_a_url_without_its_secrets_names_the_same_place(url: str, public: str) -> None:
    server = Server(url)
    assert server.public_url.startswith(public)
    again = Server(server.public_url)
    assert server.is_same_place(again)
    assert server.shown == again.shown
    assert "secret" not in server.public_url + server.shown
    assert "p%40w" not in server.public_url
    assert not server.is_same_place(Server("postgresql://u@elsewhere/db"))


async def test_many_rows_are_read_few_at_a_time(run: Path, postgres_url: str) -> None:
    store = RunStore.open(run, postgres_url)
    tasks = [task(n) for n in range(1000)]
    await store.plan(tasks)
    await asyncio.gather(*[store.finish(one.id, Status.ACCEPTED, [item(one, text="x" * 20_000)]) for one in tasks])
    fetched: list[int] = []
    stream = store.items()
    first: Item = next(stream)
    await store.finish(tasks[0].id, Status.ACCEPTED, [])  # a reader in the middle keeps nobody from writing
    fetched.append(1)
    rest = sum(1 for _ in stream)
    assert first.task in {one.id for one in tasks}
    assert rest == 999
    await store.close()


async def test_an_abandoned_stream_leaves_no_session(run: Path, own_postgres: PostgresServer) -> None:
    store = RunStore.open(run, own_postgres.url)
    tasks = [task(n) for n in range(500)]
    await store.plan(tasks)
    stream = store.tasks()
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    await store.close()
    sessions: Callable[[], object] = lambda: own_postgres.sql(  # noqa: E731
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'mill'"
    )
    for _ in range(100):
        if sessions() == [(0,)]:
            break
        await asyncio.sleep(0.05)
    assert sessions() == [(0,)]
