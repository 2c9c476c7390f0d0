"""Exports runs: their stores' items, as people left them, with their documents, to the formats that a campaign names.

Several runs become one dataset: their books are summed. A text that an earlier item has too is a duplicate, of another
run or accepted by a person: the pool of a campaign knows neither. Memory does not grow with the runs, but where a
format or a split says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import ConfigError, NotStored, require_kind
from ..evals.duplicates.exact import text_key
from ..graphs.recipes.catalogue import recipe
from ..storage.datasets.card import CardInfo
from ..storage.datasets.export import ExportReport, export
from ..storage.datasets.remote import is_remote, upload
from ..storage.datasets.repeats import Repeats
from ..storage.datasets.writers import disk_errors
from ..storage.people import Shift
from ..storage.records import Item, Status
from ..storage.reviews import Review
from ..storage.sqlite import FILE
from ..storage.store import Books, RunStore
from .decided import Decided
from .shards import missing
from .spec import ExportSpec

DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Exported:
    """An export of runs: what was written, their books summed, and URLs when it went to an object store."""

    report: ExportReport
    books: Books
    uploaded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Narrowed:
    """Which accepted items are taken, by id; what the card says of it, and the text of `selection.json`."""

    ids: frozenset[str]
    said: Mapping[str, str]
    record: str


Narrow = Callable[[Iterable[Item], Path], Narrowed]
"""All items, and a folder for what is needed for a while → those that are taken."""


class Items:
    """The items of runs, one run after the other, read from the stores each time they are iterated.

    With `repeats` an accepted item whose text an earlier one has comes as rejected, `duplicate`; `find_repeats` finds
    them, in memory that does not grow with the items.
    """

    def __init__(self, folders: Sequence[Path], store: str = "", repeats: Repeats | None = None) -> None:
        self._folders = folders
        self._store = store
        self._repeats = repeats
        self._accepted = [0] * len(folders)  # items of each run that were looked at for repeats
        self._here: RunStore | None = None
        self._decided: dict[Path, Decided] = {}
        self._decision: Review | None = None  # on the item that was yielded last
        self.document_of = lru_cache(maxsize=100_000)(self._document_of)

    @property
    def repeated(self) -> int:
        """How many accepted items are left out as duplicates of earlier ones."""
        return 0 if self._repeats is None else self._repeats.found

    def find_repeats(self) -> None:
        """Reads all items once, to know the texts that come again."""
        if self._repeats is None:
            return
        texts = 0
        for run, folder in enumerate(self._folders):
            for item in self._of(folder):
                if item.status is Status.ACCEPTED:
                    self._repeats.add(texts, _key(item))  # each its own source: within a run, too, none may be equal
                    self._accepted[run] += 1
                    texts += 1
        self._repeats.decide()

    def __iter__(self) -> Iterator[Item]:
        before = 0
        for run, folder in enumerate(self._folders):
            if self._repeats is None:
                yield from self._of(folder)
            else:
                yield from self._told(self._repeats, folder, before)
            before += self._accepted[run]

    def _told(self, repeats: Repeats, folder: Path, before: int) -> Iterator[Item]:
        """Yields a run's items with repeats as rejected. `before` is how many accepted items earlier runs have."""
        accepted = 0
        for item in self._of(folder):
            if item.status is Status.ACCEPTED:
                if repeats.repeats(before + accepted):
                    item = item.model_copy(update={"status": Status.REJECTED, "reasons": (DUPLICATE,)})
                accepted += 1
            yield item

    def _of(self, folder: Path) -> Iterator[Item]:
        store = self._here = _read(folder, self._store)
        try:
            if folder not in self._decided:
                self._decided[folder] = Decided(store)
            decided = self._decided[folder]
            for item, decision in decided(store.items(until=decided.ended), store):
                self._decision = decision
                yield item
        finally:
            self._here = None
            store.close_reading()

    def decision_on(self, item: Item) -> Review | None:
        """Returns the decision of a person that stands on `item`, which must be the one that was yielded last."""
        return self._decision if self._decision is not None and self._decision.item == item.id else None

    def documents_of(self, item: Item) -> list[str]:
        """Returns the ids of the documents that `item` was made from, in their order."""
        return list(dict.fromkeys(self.document_of(chunk) for chunk in item.chunks))

    def _document_of(self, chunk: str) -> str:
        if self._here is not None:
            try:
                return self._here.document_of(chunk)
            except NotStored:  # the other half of a preference pair may be another run's
                pass
        for folder in self._folders:
            store = _read(folder, self._store)
            try:
                return store.document_of(chunk)
            except NotStored:
                continue
            finally:
                store.close_reading()
        raise NotStored(f"no chunk with id '{chunk}' is in {', '.join(map(str, self._folders))}")


@dataclass(frozen=True)
class _Some:
    """Items without the accepted ones that were not chosen; may be iterated again."""

    items: Items
    ids: frozenset[str]

    def __iter__(self) -> Iterator[Item]:
        return (item for item in self.items if item.status is not Status.ACCEPTED or item.id in self.ids)


def export_run(
    folder: Path,
    *,
    store: str = "",
    out: Path | None = None,
    formats: Sequence[str] = (),
    validation: float | None = None,
    license_: str | None = None,
) -> ExportReport:
    """Writes the items of the run in `folder`; what is not given is taken from its campaign.

    `store` is the URL of the PostgreSQL that has the run, where the folder does not say.

    Raises:
        ConfigError: nothing is accepted yet, an unknown format, or a folder that cannot be written.
        StoreError: there is no run in `folder`.
    """
    return export_runs([folder], store=store, out=out, formats=formats, validation=validation, license_=license_).report


def export_runs(
    folders: Sequence[Path],
    *,
    store: str = "",
    out: Path | str | None = None,
    formats: Sequence[str] = (),
    validation: float | None = None,
    license_: str | None = None,
    part_mb: int | None = None,
    narrow: Narrow | None = None,
) -> Exported:
    """Writes the items of the runs in `folders` as one dataset; what is not given is taken from the first's campaign.

    `out` is a folder or the URL of one (`s3://bucket/folder`): then it is written beside the first run, and uploaded.
    `store` is the URL of the PostgreSQL that has the runs which no folder here has in SQLite. `narrow` chooses among
    the accepted items; the others are not told of.

    Raises:
        ConfigError: several runs and no `out`, nothing is accepted yet, an unknown format, or a place that cannot be
            written.
        StoreError: there is no run in one of `folders`.
    """
    for folder in folders:
        require_kind("folder", folder, (str, Path), "give the path of a run's folder")
    if validation is not None:
        require_kind("validation", validation, (int, float), "give a share from 0 to 1")
    folders = [Path(folder) for folder in folders]
    folders = list({folder.resolve(): folder for folder in folders}.values())
    if len(folders) > 1 and out is None:
        raise ConfigError(f"{len(folders)} runs become one dataset, which needs a place of its own: give --out FOLDER")
    books, campaigns, moved, repeat = Books(), [], Shift(), len(folders) > 1
    for folder in folders:
        opened = _read(folder, store)
        books += opened.books()
        decided = Decided(opened)
        moved, repeat = moved + decided.shift, repeat or decided.accepts
        campaigns.append(opened.mark("campaign") or {})
        opened.close_reading()
    if books.accepted + moved.total <= 0 and tuple(formats) != ("rejects",):
        first = folders[0]
        raise ConfigError(
            f"the run in {first} has no accepted items yet ({books.rejected} rejected, {books.failed} failed"
            f"{'; people: ' if moved.described else ''}{moved.described}); "
            f"`gristmill status {first}` says why, `--format rejects` writes what was not accepted"
        )
    spec = ExportSpec.model_validate(campaigns[0].get("export", {}))
    url = str(out) if out is not None and is_remote(str(out)) else ""
    with ExitStack() as stack:
        target = Path(stack.enter_context(_beside(folders[0])) if url else out or folders[0] / "export")
        items = Items(folders, store)
        if repeat:
            with disk_errors(target), _beside(target) as spool:
                items = Items(folders, store, Repeats(Path(spool)))
                items.find_repeats()
        narrowed = None
        if narrow is not None:
            with disk_errors(target), _beside(target) as spool:
                narrowed = narrow(items, Path(spool))
        card = _card(campaigns, spec, license_, books.pending)
        report = export(
            items if narrowed is None else _Some(items, narrowed.ids),
            documents_of=items.documents_of,
            decision_on=items.decision_on,
            out=target,
            formats=tuple(formats) or spec.formats,
            validation=spec.validation if validation is None else validation,
            card=card if narrowed is None else replace(card, selection=narrowed.said),
            selection="" if narrowed is None else narrowed.record,
            part_bytes=(part_mb or spec.part_mb) * 1_000_000,
        )
        notes = [*report.notes, *_notes(items.repeated, campaigns)]
        uploaded = upload(target, report.files, url) if url else ()
    return Exported(replace(report, notes=tuple(notes), files=() if url else report.files), books, uploaded)


def _read(folder: Path, store: str) -> RunStore:
    return RunStore.read(folder, "" if (folder / FILE).is_file() else store)


def _beside(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder for what is needed for a while, on the disk that holds `folder`, which is made when it is missing."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=folder, prefix=".export-")


def _key(item: Item) -> bytes:
    return text_key("\n".join(message.content for message in item.messages))


def _notes(repeated: int, campaigns: Sequence[dict[str, Any]]) -> Iterator[str]:
    if repeated:
        yield f"{repeated} accepted items have the text of an earlier one and are left out, with reason {DUPLICATE}"
    if absent := missing(campaign["shard"] for campaign in campaigns if campaign.get("shard")):
        yield absent


def _card(campaigns: Sequence[dict[str, Any]], spec: ExportSpec, license_: str | None, pending: int) -> CardInfo:
    names = dict.fromkeys(str(campaign.get("recipe") or campaign.get("flow", "")) for campaign in campaigns)
    licenses = {str(campaign.get("export", {}).get("license", "")) for campaign in campaigns}
    description = ""
    name = str(campaigns[0].get("recipe", ""))
    with suppress(ConfigError):  # a flow, or a recipe of before; an export runs no code of the user's
        known = recipe("" if ":" in name else name)
        description = known.summary + (f" After: {known.paper}." if known.paper else "")
    return CardInfo(
        name=_common_name([str(campaign.get("name", "dataset")) for campaign in campaigns]),
        recipe=", ".join(names),
        license=license_ or (spec.license if len(licenses) == 1 else "") or "unknown",
        description=description if len(names) == 1 else "",
        pending=pending,
    )


def _common_name(names: Sequence[str]) -> str:
    """The name of one run, or what the names of shards have in common: `valves` of `valves-0001-of-0002`, ..."""
    roots = {name.rpartition("-of-")[0].rpartition("-")[0] for name in names}
    return roots.pop() if len(names) > 1 and len(roots) == 1 and "" not in roots else names[0]
