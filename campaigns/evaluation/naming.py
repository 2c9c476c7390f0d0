"""What people call a cell: the document of a chunk and its place there, the name of an entity."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from ...storage.store import RunStore

CHUNK, ENTITY = "chunk=", "entity="


def names_of(cells: Iterable[str], store: RunStore) -> dict[str, str]:
    """Returns what is shown of each cell that is named by an id; of others, and of ids that are gone, nothing."""
    listed = list(cells)
    return _chunks([one for one in listed if one.startswith(CHUNK)], store) | _entities(
        [one for one in listed if one.startswith(ENTITY)], store
    )


def _chunks(cells: list[str], store: RunStore) -> dict[str, str]:
    found = {}
    sql = "SELECT d.name, c.body FROM chunks c JOIN documents d ON d.id = c.document WHERE c.id = ?"
    for cell in cells:
        for name, body in store.rows(sql, cell.removeprefix(CHUNK)):
            found[cell] = f"{name}, chunk {orjson.loads(body).get('index', 0) + 1}"
    return found


def _entities(cells: list[str], store: RunStore) -> dict[str, str]:
    names = store.entity_names([cell.removeprefix(ENTITY) for cell in cells]) if cells else {}
    return {f"{ENTITY}{id}": f"entity {name}" for id, name in names.items()}
