"""A user's evaluation sets as files: what a set is called, which files it has, which of their columns are compared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
PACKED = ".gz"
# Files that `datasets` puts beside the rows.
_NO_ROWS = ("dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json")


@dataclass(frozen=True, slots=True)
class EvalSet:
    """One evaluation set: a file, or a folder of files.

    `name` is what matches call it. `columns` are those that are compared, dotted where they are nested
    (`answers.text`); empty for every column with text.
    """

    name: str
    path: Path
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: str | os.PathLike[str]) -> EvalSet:
        """Reads `folder/set.jsonl` or `set.jsonl:question,answer`.

        Raises:
            ConfigError: nothing is there, or a column's name is blank.
        """
        written = os.fspath(given)
        path, columns = _divided(written)
        if not path.exists():
            raise ConfigError(
                f"evaluation set '{written}': no such file or folder is here; give a file "
                f"({', '.join(SUFFIXES)}, also {PACKED}) or a folder of such, on every machine that works on the run"
            )
        return cls(path.name or str(path), path, columns)

    def files(self) -> Iterator[Path]:
        """Yields the files that have rows, in the order of their names; hidden ones and caches are passed over.

        Raises:
            ConfigError: the file's kind is not read, or the folder has no file that is.
        """
        if not self.path.is_dir():
            if not _is_read(self.path):
                raise ConfigError(
                    f"evaluation set {self.path}: files of kind '{self.path.suffix}' are not read; "
                    f"convert it to one of {', '.join(SUFFIXES)}"
                )
            yield self.path
            return
        found = False
        for path in sorted(self.path.rglob("*")):
            inner = path.relative_to(self.path)
            hidden = any(part.startswith(".") for part in inner.parts) or path.name.startswith("cache-")
            if not hidden and path.is_file() and _is_read(path) and path.name not in _NO_ROWS:
                found = True
                yield path
        if not found:
            raise ConfigError(
                f"evaluation set {self.path}: the folder has no file with rows; "
                f"it takes one of {', '.join(SUFFIXES)} (datasets' `save_to_disk` writes .arrow)"
            )

    def where(self, file: Path, row: int) -> str:
        """Returns what a match calls a row: `#7`, in a folder `test/part-0.parquet#7`."""
        return f"#{row}" if file == self.path else f"{file.relative_to(self.path).as_posix()}#{row}"


def eval_sets(given: Iterable[str | os.PathLike[str] | EvalSet]) -> Sequence[EvalSet]:
    """Returns the sets with names of their own: two files of one name are told apart by their folders.

    Raises:
        ConfigError: as `EvalSet.of`; or no set is given.
    """
    sets = [one if isinstance(one, EvalSet) else EvalSet.of(one) for one in given]
    if not sets:
        raise ConfigError("no evaluation set is given; name at least one file or folder")
    for depth in range(2, 1 + max(len(one.path.absolute().parts) for one in sets)):
        names = [one.name for one in sets]
        if len(set(names)) == len(names):
            return sets
        sets = [
            one
            if names.count(one.name) == 1
            else EvalSet(Path(*one.path.absolute().parts[-depth:]).as_posix(), one.path, one.columns)
            for one in sets
        ]
    raise ConfigError(f"evaluation set {sets[0].path} is given twice; name each once, with all its columns")


def _divided(written: str) -> tuple[Path, tuple[str, ...]]:
    whole = Path(written).expanduser()
    before, colon, after = written.rpartition(":")
    if not colon or not before or whole.exists():
        return whole, ()
    columns = tuple(name.strip() for name in after.split(","))
    if not all(columns):
        raise ConfigError(f"evaluation set '{written}': a column's name is blank; write set.jsonl:question,answer")
    return Path(before).expanduser(), columns


def _is_read(path: Path) -> bool:
    name = path.name.lower().removesuffix(PACKED)
    packed = path.name.lower().endswith(PACKED)
    return name.endswith(SUFFIXES) and not (packed and name.endswith((".parquet", ".arrow")))
