"""The columns of each format as a table: what Parquet files of it hold, whatever the rows happen to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

Kind = str | list[Any] | dict[str, Any]
"""`text`, `int`, a list of one kind, or names with their kinds."""
Columns = Mapping[str, Kind]

PARQUET: Final = ".parquet"  # ends the name of a format that is written as Parquet: `text.parquet`
_TEXT: Final = "text"
_TURNS: Final = [{"role": _TEXT, "content": _TEXT}]


def _texts(names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), _TEXT)


TABLES: Final[Mapping[str, Columns]] = MappingProxyType(
    {
        "chat": {"id": _TEXT, "messages": _TURNS},
        "sharegpt": {"id": _TEXT, "conversations": [_texts("from value")]},
        "alpaca": _texts("id instruction input output system"),
        "text": _texts("id text"),
        "retrieval": {**_texts("id query positive"), "negatives": [_TEXT]},
        "triplets": _texts("anchor positive negative"),
        "classification": _texts("id text label"),
        "extraction": {**_texts("id text"), "triples": [_texts("subject relation object")]},
        "dpo": {
            **dict.fromkeys(("prompt", "chosen", "rejected"), _TURNS),
            **_texts("origin chosen_from rejected_from"),
            "reasons": [_TEXT],
            "critique": _TEXT,
        },
        "parquet": {
            **_texts("id task kind"),
            "messages": _TURNS,
            "documents": [_TEXT],
            "chunks": [_TEXT],
            "evidence": [{"chunk": _TEXT, "start": "int", "end": "int", "quote": _TEXT}],
            **_texts("fields attributes models prompts"),
            "refinements": "int",
        },
    }
)
"""Format → its columns. All but `parquet`, which is that already, may be named with `.parquet` behind it."""


def base(name: str) -> str:
    """Returns the format without `.parquet` behind it: what its rows are."""
    return name.removesuffix(PARQUET)


def features(columns: Columns, labels: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Returns the columns as a dataset card names their types; a text column `label` has the classes `labels`."""
    return [_feature(name, kind, labels if name == "label" else ()) for name, kind in columns.items()]


def _feature(name: str, kind: Kind, labels: Sequence[str]) -> dict[str, Any]:
    if labels:
        names = {str(number): label for number, label in enumerate(labels)}
        return {"name": name, "dtype": {"class_label": {"names": names}}}
    if isinstance(kind, list):
        inner = kind[0]
        listed = features(inner) if isinstance(inner, dict) else "string"
        return {"name": name, "list": listed}
    return {"name": name, "dtype": "int64" if kind == "int" else "string"}
