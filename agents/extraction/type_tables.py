"""Tables of types as people write them, in TOML or Python, checked by name before anything is made of them.

`gene = "a gene"`, `gene = { description = "a gene", attributes = ["symbol"] }`, or a list of such tables with their
`name`. What is wrong is said by the type's name and key, with what was given and how it should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

MAX_TYPES = 500  # of a sort: every one stands in every prompt
MAX_LISTED = 500  # attributes or pairs of a type
MAX_DESCRIPTION = 500  # characters


def read_table(given: Any, keys: Sequence[str]) -> Any:
    """Returns the types as mappings of `keys` to values; records stay as they are.

    Raises:
        ValueError: what is wrong with which type, and the mend.
    """
    if isinstance(given, Mapping):
        rows: Iterable[Any] = (_row(name, value, keys) for name, value in given.items())
    elif isinstance(given, list | tuple):
        rows = (one if isinstance(one, BaseModel) else _listed(one, number) for number, one in enumerate(given))
    else:
        raise ValueError(f'must be a table of types, name = "description", not {_shown(given)}')
    if len(given) > MAX_TYPES:
        raise ValueError(
            f"has {len(given):,} types, and every one stands in every prompt; give at most {MAX_TYPES}, general ones"
        )
    return tuple(_checked(row, keys) for row in rows)


def _row(name: object, given: Any, keys: Sequence[str]) -> dict[str, Any]:
    if isinstance(given, str):
        return {"name": str(name), "description": given}
    if isinstance(given, Mapping):
        if "name" in given:
            raise ValueError(f"{_shown(name)} has a key 'name', and is called so already; remove one of them")
        return {**given, "name": str(name)}
    table = ", ".join(f"{key} = ..." for key in keys)
    raise ValueError(f"{_shown(name)} must be a description in quotes or a table {{ {table} }}, not {_shown(given)}")


def _listed(given: Any, number: int) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    raise ValueError(f'has {_shown(given)} at place {number + 1}, no type; write a table, name = "description"')


def _checked(row: Any, keys: Sequence[str]) -> Any:
    if isinstance(row, BaseModel):
        return row
    name = row.get("name")
    if not isinstance(name, str):
        raise ValueError(f"has a type {_shown(row)} whose name is {_shown(name)}; give it a name, text in quotes")
    where = _shown(name)
    for key in sorted(row.keys() - {"name", *keys}, key=str):
        near = get_close_matches(str(key), keys, 1)
        mend = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(keys)}"
        raise ValueError(f"{where}: no key is called {_shown(key)}; {mend}")
    description = row.get("description", "")
    if not isinstance(description, str):
        raise ValueError(f"{where}: the description must be text in quotes, not {_shown(description)}")
    line = " ".join(description.split())
    if len(line) > MAX_DESCRIPTION:
        raise ValueError(
            f"{where}: the description has {len(line):,} characters, and stands in every prompt; give at most "
            f"{MAX_DESCRIPTION}"
        )
    if not line.isprintable():
        raise ValueError(f"{where}: the description has control characters, {_shown(line)}; remove them")
    for key in ("attributes", "pairs"):
        _require_list(where, key, row.get(key, ()))
    return {**row, "description": line}


def _require_list(where: str, key: str, given: Any) -> None:
    example = '["symbol", "locus"]' if key == "attributes" else '[["gene", "protein"]], each a source and a target'
    if not isinstance(given, list | tuple):
        raise ValueError(f"{where}: {key} must be a list like {example}, not {_shown(given)}")
    if len(given) > MAX_LISTED:
        raise ValueError(f"{where}: has {len(given):,} {key}, and all stand in every prompt; give at most {MAX_LISTED}")
    for one in given:
        pair = isinstance(one, list | tuple) and len(one) == 2 and all(isinstance(end, str) for end in one)
        if not (isinstance(one, str) if key == "attributes" else pair):
            raise ValueError(f"{where}: {key} must be a list like {example}; {_shown(one)} is none of these")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
