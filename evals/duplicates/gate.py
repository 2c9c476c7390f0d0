"""The novelty pool of one process: equal, nearly equal and like-minded texts, each held by one owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...errors import ConfigError
from ..folding import words
from ..numeric import Matrix
from ..vectors.embedding import Embedder
from .claimed import NEW, Claimed, exact_twin
from .exact import hash_of
from .marks import Mark, as_kept, squeezed, tag_of
from .near import SHINGLE, NearIndex, signature_of
from .semantic_index import SemanticIndex


@dataclass(frozen=True)
class Likeness:
    """From which likeness on two texts are one.

    near:     Jaccard index of their word shingles, in [0.2, 1]; 0 looks for none.
    shingle:  words to a shingle.
    semantic: cosine of their vectors, in (0, 1]; 0 looks for none, and no embedder is asked.
    """

    near: float = 0.0
    shingle: int = SHINGLE
    semantic: float = 0.0

    @property
    def measures(self) -> bool:
        """Whether likeness is measured at all."""
        return bool(self.near or self.semantic)


EQUAL_ONLY = Likeness()
NEAR_NONE = Claimed(measured=True)


@dataclass(slots=True)
class _Held:
    """What an owner holds and may still release: the mark of a text, its number in the indexes, what was said of it."""

    mark: Mark
    number: int | None
    claimed: Claimed


@dataclass
class GatePool:
    """The texts that are taken, each by one owner: accepted already or in flight. Implements `agents.state.Pool`.

    Keeps marks (`marks.py`), no texts: about 0.2 KB a text, and 1.3 KB where near texts are looked for. For one event
    loop; not for threads. `embedder` is asked only with `likeness.semantic`.
    """

    likeness: Likeness = EQUAL_ONLY
    embedder: Embedder | None = None
    _owner_of: dict[bytes, str] = field(default_factory=dict)
    _held: dict[str, dict[bytes, _Held]] = field(default_factory=dict)
    _owners: list[str] = field(default_factory=list)  # by number in the indexes

    def __post_init__(self) -> None:
        self._measures = self.likeness.measures
        self._near = NearIndex(self.likeness.near) if self.likeness.near else None
        self._semantic = SemanticIndex() if self.likeness.semantic and self.embedder is not None else None
        self._tag = tag_of(self.embedder.name) if self._semantic is not None and self.embedder is not None else b""

    def __len__(self) -> int:
        return len(self._owner_of)

    async def claim(self, text: str, owner: str, *, alike: bool = True, besides: Sequence[str] = ()) -> Claimed:
        """Takes `text` for `owner` unless another owner holds its like; see `agents.state.Pool`.

        Raises:
            ModelError: the embedder failed; nothing was taken.
            ConfigError: its vectors have another length than those of earlier texts; nothing was taken.
        """
        found = words(text)
        key = hash_of(text, found)
        if (answer := self._known(key, owner, alike, besides)) is not None:
            return answer
        if not alike or not found or not self._measures:
            return self._take(Mark(key), owner, besides)
        vector = None
        if self._semantic is not None and self.embedder is not None:
            vector = (await self.embedder.embed([text]))[0]
            if (answer := self._known(key, owner, alike, besides)) is not None:  # while the embedder worked
                return answer
        mark = self._mark(key, found, vector)
        if vector is not None:
            self._require_length(mark)
        return self._take(mark, owner, besides)

    async def held(self, owner: str) -> list[bytes]:
        """Returns the marks of the texts that `owner` holds and may still release."""
        return [held.mark.packed() for held in self._held.get(owner, {}).values()]

    async def keep(self, owner: str) -> None:
        """Makes what `owner` holds its own for good: its task was accepted. `release` no longer frees it."""
        self._held.pop(owner, None)

    async def release(self, owner: str) -> None:
        """Frees all that `owner` holds: its task was rejected or failed. Harmless for an owner that holds nothing."""
        for key, held in self._held.pop(owner, {}).items():
            if self._owner_of.get(key) == owner:
                del self._owner_of[key]
            if held.number is not None:
                self._forget(held.number)

    async def restore(self, held: Iterable[tuple[bytes, str]]) -> None:
        """Takes up what `held` gave in an earlier process, pairs of (mark, owner), kept for good.

        A signature of other shingles, or the vector of another embedder, is passed over.

        Raises:
            ConfigError: vectors that one embedder made have different lengths.
        """
        last = ""
        for data, owner in held:
            last = last if owner == last else owner  # a task's marks come together: one string for all of them
            mark = Mark.unpacked(data)
            self._require_length(mark)
            self._owner_of.setdefault(mark.hash, last)
            self._index(mark, last)

    async def marks(self, texts: Sequence[str]) -> list[bytes]:
        """Returns the marks of texts as this pool would keep them, and takes none of them.

        Raises:
            ModelError: the embedder failed.
        """
        found = [words(text) for text in texts]
        vectors: Sequence[Matrix] | Matrix = ()
        if self._semantic is not None and self.embedder is not None:
            vectors = await self.embedder.embed(texts)
        return [
            self._mark(hash_of(text, some), some, vectors[at] if len(vectors) else None).packed()
            for at, (text, some) in enumerate(zip(texts, found, strict=True))
        ]

    def _known(self, key: bytes, owner: str, alike: bool, besides: Sequence[str]) -> Claimed | None:
        """The answer where the very text is held already, by another or by the owner itself."""
        holder = self._owner_of.get(key)
        if holder is None or holder in besides:
            return None
        if holder != owner:
            return exact_twin(holder, measured=self._measures)
        held = self._held.get(owner, {}).get(key)
        if held is None:  # kept for good: its task is run again
            return NEW
        return held.claimed if held.number is not None or not alike or not self._measures else None

    def _mark(self, key: bytes, found: Sequence[str], row: Matrix | None) -> Mark:
        signature = b"" if self._near is None else signature_of(found, self.likeness.shingle)
        vector = b"" if row is None else squeezed(row)
        return Mark(key, self.likeness.shingle if signature else 0, signature, self._tag if vector else b"", vector)

    def _take(self, mark: Mark, owner: str, besides: Sequence[str]) -> Claimed:
        claimed, number = NEW, None
        if mark.signature or mark.vector:
            claimed, number = self._placed(mark, owner, besides)
        if claimed.twin is None:
            self._owner_of.setdefault(mark.hash, owner)
            self._held.setdefault(owner, {})[mark.hash] = _Held(mark, number, claimed)
        return claimed

    def _placed(self, mark: Mark, owner: str, besides: Sequence[str]) -> tuple[Claimed, int | None]:
        """Puts what a mark has into the indexes, under one number, unless another owner's is too like it."""
        best, number, ours = NEAR_NONE, len(self._owners), _Of(self._owners, (owner, *besides))
        if self._near is not None:
            near = self._near.claim(mark.signature, self.likeness.near, ours)
            if near is not None and near.likeness >= self.likeness.near:
                return Claimed(self._owners[near.number], "near", near.likeness, True), None
            best = NEAR_NONE if near is None else Claimed(likeness=near.likeness, measured=True)
        self._owners.append(owner)
        if self._semantic is None or not mark.vector:
            return best, number
        row = as_kept(mark.vector)
        twin = self._semantic.nearest(row, ours)
        if twin is not None and twin.likeness >= self.likeness.semantic:
            self._forget(number)
            return Claimed(self._owners[twin.number], "semantic", twin.likeness, True), None
        self._semantic.add(number, row)
        if twin is not None and twin.likeness > best.likeness:
            best = Claimed(likeness=twin.likeness, measured=True)
        return best, number

    def _require_length(self, mark: Mark) -> None:
        width = self._semantic.width if self._semantic is not None else 0
        if width and mark.tag == self._tag and self.embedder is not None:
            require_length(self.embedder.name, len(mark.vector), width)

    def _index(self, mark: Mark, owner: str) -> int | None:
        """Puts what a mark has into the indexes, under one number, if any of them takes it."""
        near = self._near is not None and mark.size == self.likeness.shingle
        semantic = self._semantic is not None and bool(mark.vector) and mark.tag == self._tag
        if not near and not semantic:
            return None
        number = len(self._owners)
        self._owners.append(owner)
        if self._near is not None:
            self._near.add(mark.signature if near else b"")
        if self._semantic is not None and semantic:
            self._semantic.add(number, as_kept(mark.vector))
        return number

    def _forget(self, number: int) -> None:
        if self._near is not None:
            self._near.remove(number)
        if self._semantic is not None:
            self._semantic.remove(number)


def require_length(embedder: str, length: int, width: int) -> None:
    """A model may be served under the name of another: its vectors would be like nothing that is there.

    Raises:
        ConfigError: a vector has another length than those that are there; one of length 0 is none.
    """
    if length and length != width:
        raise ConfigError(
            f"the embedder '{embedder}' gives vectors of {length} numbers, and gave {width} for texts that are taken; "
            f"serve the model of before, or name the new one otherwise: vectors are made anew then"
        )


@dataclass(slots=True)
class _Of:
    """The numbers in the indexes that some owners have."""

    owners: list[str]
    some: tuple[str, ...]

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.owners[number] in self.some
