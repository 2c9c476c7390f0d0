"""`bfs` and `dfs`: subgraphs that grow from an entity as long as the chunks that show them fit a budget of tokens."""

from __future__ import annotations

from pydantic import Field

from .base import Opening, RootByRoot, SamplerKind, Sized
from .draws import Draw, Group
from .evidence import LOOKED_AT
from .roots import NONE
from .walker import NOWHERE
from .walks import WIDER


class BudgetOptions(Sized):
    """Options of `bfs` and `dfs`.

    budget:    tokens that all chunks of the group have together, at most.
    min_nodes: smaller groups are refused.
    width:     neighbours that are taken of one entity, at most: a hub shall not fill the group by itself.
    """

    budget: int = Field(default=2048, ge=1)
    max_nodes: int = Field(default=10, ge=2, le=1000)
    min_nodes: int = Field(default=2, ge=1)
    width: int = Field(default=4, ge=1, le=1000)


class _Growing(RootByRoot):
    """One group a root. An entity that a chosen chunk mentions costs nothing; else its chunk is paid for.

    Of the chunks that would show an entity, one that states its relation to where it was found comes first, then the
    shortest. An entity that no chunk mentions is left out: nothing could be written about it.
    """

    mend = f"no entity grows into a group within the budget: raise budget, lower min_nodes, or {WIDER}"

    def __init__(self, options: BudgetOptions, opening: Opening, *, name: str, deep: bool) -> None:
        super().__init__(opening.graph)
        self._options = options
        self._deep = deep
        self._walker = opening.walker(options.link)
        self._root = opening.root_by_root(options.link)
        self._tokens = opening.need_sources(name, "the tokens of the chunks").tokens_of(opening.graph)
        self._stated_from, self._stated_in = opening.graph.stated.offsets, opening.graph.stated.ends
        self._chosen: dict[int, Group] = {}  # by root, until the draw is made

    def propose(self) -> Group | str | None:
        root = self._root()
        if root == NONE:
            return None
        chunk = self._chunk(root, root)
        if chunk == NOWHERE:
            return "no chunk"
        if self._tokens[chunk] > self._options.budget:
            return "over budget"
        members = self._grown(root, chunk)
        return tuple(members) if len(members) >= self._options.min_nodes else "too small"

    def _grown(self, root: int, chunk: int) -> list[int]:
        options, step, members_of = self._options, self._walker.step, self.graph.members
        chosen, left = [chunk], options.budget - self._tokens[chunk]
        shown = set(members_of[chunk])
        tokens, most = self._tokens, options.max_nodes
        members, open_, tried = [root], [(root, options.width)], {root}
        while open_ and len(members) < most:
            place = -1 if self._deep else 0
            entity, width = open_[place]
            found = step(entity, tried) if width else NOWHERE
            if found == NOWHERE:
                open_.pop(place)
                continue
            tried.add(found)
            open_[place] = (entity, width - 1)
            if found not in shown:
                chunk = self._chunk(found, entity)
                if chunk == NOWHERE or (cost := tokens[chunk]) > left:
                    continue
                left -= cost
                chosen.append(chunk)
                shown.update(members_of[chunk])
            members.append(found)
            open_.append((found, options.width))
        self._chosen[root] = tuple(chosen)
        return members

    def _chunk(self, entity: int, beside: int) -> int:
        """Returns the chunk that is to show an entity, `NOWHERE` when none does."""
        graph, tokens = self.graph, self._tokens
        if entity != beside:
            for relation in graph.pairs.each(entity, beside):
                place = self._stated_from[relation]
                if place < self._stated_from[relation + 1]:
                    chunk = self._stated_in[place]
                    if graph.members.has(chunk, entity):
                        return chunk
        row = graph.chunks[entity][:LOOKED_AT]
        return min(row, key=lambda chunk: (tokens[chunk], chunk)) if len(row) else NOWHERE

    def key(self, group: Group) -> bytes:
        return super().key(group[:1])

    def draw(self, kind: str, group: Group) -> Draw:
        return Draw(self.graph, kind, group, chunks=self._chosen.pop(group[0]))


def _open_bfs(options: BudgetOptions, opening: Opening) -> _Growing:
    return _Growing(options, opening, name="bfs", deep=False)


def _open_dfs(options: BudgetOptions, opening: Opening) -> _Growing:
    return _Growing(options, opening, name="dfs", deep=True)


BFS = SamplerKind("bfs", "a subgraph that grows breadth first, within a budget of tokens", BudgetOptions, _open_bfs)
DFS = SamplerKind("dfs", "a subgraph that grows depth first, within a budget of tokens", BudgetOptions, _open_dfs)
