"""The index of some evaluation sets, built once in a process, however many campaigns, flows and reports ask for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

from .ngrams import COMMON, WORDS, NgramIndex
from .sources import EvalSet, eval_sets

_LOCK = Lock()
_READ = 1 << 20


def index_of(sets: Iterable[str | os.PathLike[str] | EvalSet], *, n: int = WORDS, common: int = COMMON) -> NgramIndex:
    """Returns the index of the sets; it is built anew when one of their files has changed.

    Raises:
        ConfigError: a set is not there, is not readable, or has no text; numpy (the extra `evals`) is not installed.
    """
    found = tuple(eval_sets(sets))
    stamps = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for one in found for file in one.files())
    with _LOCK:
        return _built(found, stamps, n, common)


@lru_cache(maxsize=2)
def _built(sets: tuple[EvalSet, ...], stamps: tuple[tuple[str, int, int], ...], n: int, common: int) -> NgramIndex:
    return NgramIndex.of(sets, n=n, common=common)


def digest_of(sets: Sequence[EvalSet]) -> str:
    """Returns a hash of the sets' names, columns and bytes: equal on two machines when they compare with the same."""
    state = hashlib.blake2b(digest_size=8)
    for one in sets:
        state.update(repr((one.name, one.columns)).encode())
        for file in one.files():
            state.update(one.where(file, 0).encode())
            _take_in(state, file)
    return state.hexdigest()


def _take_in(state: hashlib.blake2b, file: Path) -> None:
    with file.open("rb") as raw:
        while piece := raw.read(_READ):
            state.update(piece)
