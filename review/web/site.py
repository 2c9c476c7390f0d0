"""What the pages stand on: the run's store, its queue index, its desk, and who may look."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
from .waiting import DeskThread, Room

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

    The event loop itself reads nothing of the store, which may be elsewhere and away. What people decide is read and
    written in a thread, through `read` and `write`; each other room of the run has a thread and a connection of its
    own, since a search may take a while, and a large graph takes seconds to load: `look` asks the index, `count` the
    counts, `look_at_graph` the knowledge graph, `look_at_judgements` what people and critics say, `watch` the run as a
    whole. All of them raise `StoreAway` when the store does not answer for long.
    """

    def __init__(self, folder: Path, url: str, access: Access) -> None:
        self.folder = folder
        self.access = access
        store = RunStore.join(folder, url)
        self.shown = store.shown  # where the run is kept, in messages
        self.campaign: dict[str, Any] = store.mark("campaign") or {}  # its spec, with no keys in it
        self.one_bulk = asyncio.Lock()  # decisions on many come one after the other
        self.skipped: dict[str, tuple[list[str], bool]] = {}  # what the last skips of many answered
        minimum = minimum_of(self.campaign)
        self._desk = DeskThread(store)
        self._index = Room("index", store, lambda reader: ReviewIndex(reader, minimum=minimum), ReviewIndex.close)
        self._graph = Room("graph", store, GraphRoom)
        self._watch = Room("watch", store, Watch)
        self._judgements = Room("judgements", store, Judgements)
        self._is_ready = False
        self._counting = ThreadPoolExecutor(1, thread_name_prefix="review-counts")
        self._counts: QueueCounts | None = None

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
        await self._index.wait(lambda index: index.refresh(say))
        self._is_ready = True

    async def read(self, ask: Callable[Concatenate[Desk, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns `ask(desk, …)`, asked in the desk's thread: for short reads."""

        async def asked(desk: Desk) -> T:
            return ask(desk, *args, **kwargs)

        return await self._desk.ask(asked)

    async def write(self, ask: Callable[[Desk], Awaitable[T]]) -> T:
        """Returns `await ask(desk)`, asked in the desk's thread: for what people decide."""
        return await self._desk.ask(ask)

    async def look(self, ask: Callable[Concatenate[ReviewIndex, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns `ask(index, …)`, asked in the index's own thread after it has taken in what is new."""

        def asked(index: ReviewIndex) -> T:
            index.refresh()
            return ask(index, *args, **kwargs)

        return await self._index.ask(asked)

    async def count(self, ask: Callable[Concatenate[QueueCounts, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns `ask(counts, …)`, asked in the counts' own thread, of what the last `look` took in."""

        def asked() -> T:
            if self._counts is None:
                self._counts = QueueCounts(self.folder / FILE)
            return ask(self._counts, *args, **kwargs)

        if not self._is_ready:
            await self.ready()
        return await asyncio.get_running_loop().run_in_executor(self._counting, asked)

    async def look_at_graph(self, ask: Callable[Concatenate[GraphRoom, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns `ask(room, …)`, asked in the graph's own thread after it has taken in what is new."""

        def asked(room: GraphRoom) -> T:
            room.refresh()
            return ask(room, *args, **kwargs)

        return await self._graph.ask(asked)

    async def warm(self) -> None:
        """Loads the knowledge graph before anybody looks at it: a large one takes seconds."""
        with suppress(Exception):  # whoever looks at it is told
            await self._graph.ask(GraphRoom.refresh)

    async def watch(self, ask: Callable[[Watch], T]) -> T:
        """Returns `ask(watch)`, asked in a thread of its own: a search of the index keeps nobody from the dashboard."""
        return await self._watch.ask(ask)

    async def look_at_judgements(self, ask: Callable[[Judgements], T]) -> T:
        """Returns `ask(judgements)`, asked in their own thread; they read what is new when they are refreshed."""
        return await self._judgements.ask(ask)

    async def aclose(self) -> None:
        """Closes the counts, the index, the graph, the watch, the judgements and the store."""
        if self._counts is not None:
            await asyncio.get_running_loop().run_in_executor(self._counting, self._counts.close)
        self._counting.shutdown()
        rooms = (self._index, self._graph, self._watch, self._judgements, self._desk)
        await asyncio.gather(*(room.aclose() for room in rooms))


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
