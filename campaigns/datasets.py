"""Exports a run: its store's items, with the documents that they come from, to the formats that the campaign names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..graphs.recipes.catalogue import recipes
from ..storage.datasets.card import CardInfo
from ..storage.datasets.export import ExportReport, export
from ..storage.records import Item
from ..storage.store import RunStore
from .spec import ExportSpec


class Items:
    """A run's items, read from the store each time they are iterated: an export walks them twice."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def __iter__(self) -> Iterator[Item]:
        return self._store.items()


def export_run(
    folder: Path,
    *,
    out: Path | None = None,
    formats: Sequence[str] = (),
    validation: float | None = None,
    license_: str | None = None,
) -> ExportReport:
    """Writes the items of the run in `folder`; what is not given is taken from its campaign.

    Raises:
        ConfigError: nothing is accepted yet, an unknown format, or a folder that cannot be written.
        StoreError: there is no run in `folder`.
    """
    store = RunStore.read(folder)
    try:
        books = store.books()
        if not books.accepted and tuple(formats) != ("rejects",):
            raise ConfigError(
                f"the run in {folder} has no accepted items yet ({books.rejected} rejected, {books.failed} failed); "
                f"`gristmill status {folder}` says why, `--format rejects` writes what was not accepted"
            )
        campaign: dict[str, Any] = store.mark("campaign") or {}
        spec = ExportSpec.model_validate(campaign.get("export", {}))

        @cache
        def document_of(chunk: str) -> str:
            return store.document_of(chunk)

        return export(
            Items(store),
            documents_of=lambda item: list(dict.fromkeys(document_of(chunk) for chunk in item.chunks)),
            out=out or folder / "export",
            formats=tuple(formats) or spec.formats,
            validation=spec.validation if validation is None else validation,
            card=_card(campaign, spec, license_, books.pending),
        )
    finally:
        store.close_reading()


def _card(campaign: dict[str, Any], spec: ExportSpec, license_: str | None, pending: int) -> CardInfo:
    recipe = campaign.get("recipe", "")
    known = recipes().get(recipe)
    description = "" if known is None else known.summary + (f" After: {known.paper}." if known.paper else "")
    return CardInfo(
        name=campaign.get("name", "dataset"),
        recipe=recipe or campaign.get("flow", ""),
        license=license_ or spec.license or "unknown",
        description=description,
        pending=pending,
    )
