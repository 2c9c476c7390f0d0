"""What the pages stand on: the run's store, its queue index, its desk, and who may look."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

from starlette.requests import Request

from ...evals.judgements import Judgements
from ...storage.records import content_id
from ...storage.store import RunStore
from ..desk import Desk
from ..graph.room import GraphRoom
from ..queue.counts import QueueCounts
from ..queue.file import FILE
from ..queue.index import ReviewIndex
from ..watch import Watch

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Access:
    """Where the site answers, and to whom.

    `token` opens it, once for each browser; `secret` signs the sessions and changes at every start. `names` are the
    host names that a request may name besides numbers and localhost. `reviewer` is who decides unless they say another
    name.
    """

    host: str
    port: int
    token: str
    reviewer: str
    names: frozenset[str] = frozenset()
    secret: str = ""

    @property
    def cookie(self) -> str:
        """The session cookie's name: cookies know no ports, and two runs may be open in one browser."""
        return f"gristmill_review_{self.port}"

    @property
    def url(self) -> str:
        """What a person on this machine opens, once."""
        here = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing is bound here
        return self.url_at(here.get(self.host, self.host))

    def url_at(self, host: str) -> str:
        """What a person opens, once, where this machine is called `host`."""
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={quote(self.token, safe='')}"


class Site:
    """One run, open for review. Made in the event loop that serves it; `aclose` it there.

    `store` writes beside the process that may work on the run; use it from the event loop. The index is asked in a
    thread of its own, through `look`, since a search may take a while; the counts in another, through `count`; the
    knowledge graph in a third, through `look_at_graph`, since a large one takes seconds to load; and the run as a whole
    in a fourth, through `watch`.
    """

    def __init__(self, folder: Path, url: str, access: Access) -> None:
        self.folder = folder
        self.access = access
        self.store = RunStore.join(folder, url)
        self.desk = Desk(self.store)
        self.campaign: dict[str, Any] = self.store.mark("campaign") or {}  # its spec, with no keys in it
        self.one_bulk = asyncio.Lock()  # decisions on many come one after the other
        self.skipped: dict[str, tuple[list[str], bool]] = {}  # what the last skips of many answered
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="review-index")
        self._reader: RunStore | None = None
        self._index: ReviewIndex | None = None
        self._counting = ThreadPoolExecutor(1, thread_name_prefix="review-counts")
        self._counts: QueueCounts | None = None
        self._graph_thread = ThreadPoolExecutor(1, thread_name_prefix="review-graph")
        self._graph: GraphRoom | None = None
        self._watching = ThreadPoolExecutor(1, thread_name_prefix="review-watch")
        self._watch: Watch | None = None
        self._judging = ThreadPoolExecutor(1, thread_name_prefix="review-judgements")
        self._judgements: Judgements | None = None

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def key(self) -> str:
        """What tells this run from others in a browser: what was not yet sent is kept there under it."""
        return content_id("run", str(self.folder.resolve()))

    async def ready(self, say: Callable[[int], None] = lambda items: None) -> None:
        """Takes the run into the index; `say` hears how many items, from another thread."""
        await self._in_thread(self._refresh, say)

    async def look(self, ask: Callable[Concatenate[ReviewIndex, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns `ask(index, …)`, asked in the index's own thread after it has taken in what is new."""

        def asked() -> T:
            return ask(self._refresh(), *args, **kwargs)

        return await self._in_thread(asked)

    async def count(self, ask: Callable[Concatenate[QueueCounts, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns `ask(counts, …)`, asked in the counts' own thread, of what the last `look` took in."""

        def asked() -> T:
            if self._counts is None:
                self._counts = QueueCounts(self.store.folder / FILE)
            return ask(self._counts, *args, **kwargs)

        if self._index is None:
            await self.ready()
        return await asyncio.get_running_loop().run_in_executor(self._counting, asked)

    async def look_at_graph(self, ask: Callable[Concatenate[GraphRoom, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns `ask(room, …)`, asked in the graph's own thread after it has taken in what is new."""

        def asked() -> T:
            if self._graph is None:
                self._graph = GraphRoom(self.store.reader())
            self._graph.refresh()
            return ask(self._graph, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._graph_thread, asked)

    async def watch(self, ask: Callable[[Watch], T]) -> T:
        """Returns `ask(watch)`, asked in a thread of its own: a search of the index keeps nobody from the dashboard."""

        def asked() -> T:
            if self._watch is None:
                self._watch = Watch(self.store.reader())
            return ask(self._watch)

        return await asyncio.get_running_loop().run_in_executor(self._watching, asked)

    async def look_at_judgements(self, ask: Callable[[Judgements], T]) -> T:
        """Returns `ask(judgements)`, asked in their own thread; they read what is new when they are refreshed."""

        def asked() -> T:
            if self._judgements is None:
                self._judgements = Judgements(self.store.reader())
            return ask(self._judgements)

        return await asyncio.get_running_loop().run_in_executor(self._judging, asked)

    async def aclose(self) -> None:
        """Closes the store, the index, the graph, the watch and the judgements."""
        if self._counts is not None:
            await asyncio.get_running_loop().run_in_executor(self._counting, self._counts.close)
        await self._in_thread(self._shut)
        self._counting.shutdown()
        self._thread.shutdown()
        if self._graph is not None:
            await asyncio.get_running_loop().run_in_executor(self._graph_thread, self._graph.store.close_reading)
        self._graph_thread.shutdown()
        self._watching.submit(self._stop_watching)
        self._watching.shutdown()
        if self._judgements is not None:
            await asyncio.get_running_loop().run_in_executor(self._judging, self._judgements.store.close_reading)
        self._judging.shutdown()
        await self.store.close()

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    def _refresh(self, say: Callable[[int], None] = lambda items: None) -> ReviewIndex:
        if self._index is None:
            self._reader = self.store.reader()
            self._index = ReviewIndex(self._reader, minimum=minimum_of(self.campaign))
        self._index.refresh(say)
        return self._index

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _shut(self) -> None:
        if self._index is not None:
            self._index.close()
        if self._reader is not None:
            self._reader.close_reading()


def site_of(request: Request) -> Site:
    """Returns the site that a request came to."""
    site: Site = request.app.state.site
    return site


def minimum_of(campaign: Mapping[str, Any]) -> dict[str, float]:
    """Returns the campaign's least scores by name, as far as its options have some."""
    found = (campaign.get("options") or {}).get("minimum")
    return {str(name): float(value) for name, value in found.items()} if isinstance(found, dict) else {}


def new_secret() -> str:
    """Returns a key that nobody can guess."""
    return secrets.token_urlsafe(32)
