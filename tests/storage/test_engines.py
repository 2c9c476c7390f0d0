"""What other engines read of an export: all parts as one table, with the same columns, ids and nested values."""

from __future__ import annotations

from pathlib import Path

import duckdb
import engines
import polars
import pytest
from pyarrow import dataset, parquet

COUNT = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export in parts, whose first parts have empty lists where later ones do not."""
    made = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:  # small row groups, so that so few rows are several files
        patch.setattr("gristmill.storage.datasets.writers._ROWS_A_GROUP", 50)
        patch.setattr("engines.PART", 10_000)
        assert engines.write(made, COUNT)["rows"] == COUNT
    assert len(list((made / "parquet").glob("*.parquet"))) > 1
    return made


def test_duckdb_reads_all_parts_as_one_table(folder: Path) -> None:
    rows = f"read_parquet('{folder}/parquet/*.parquet')"
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM {rows}").fetchall() == [(COUNT, COUNT)]
    kinds = duckdb.sql(f"SELECT kind, count(*) FROM {rows} GROUP BY kind ORDER BY kind").fetchall()
    assert kinds == [("pretraining", 200), ("qa", 200), ("reasoning", 200)]
    answer = duckdb.sql(f"SELECT messages[2].content FROM {rows} WHERE id = 'item-000000'").fetchall()
    assert answer[0][0].startswith("Item 0: ")
    assert duckdb.sql(f"SELECT count(*) FROM read_json('{folder}/jsonl/*.jsonl')").fetchall() == [(COUNT,)]


def test_polars_scans_all_parts(folder: Path) -> None:
    rows = polars.scan_parquet(folder / "parquet" / "*.parquet").collect()
    assert rows.height == COUNT
    assert rows["evidence"].list.len().sum() == COUNT // 2 - 1
    assert rows.schema["evidence"] == polars.List(
        polars.Struct({"chunk": polars.String, "start": polars.Int64, "end": polars.Int64, "quote": polars.String})
    )
    texts = polars.read_ndjson(folder / "text" / "train-00000.jsonl")
    assert texts.columns == ["id", "text"]


def test_arrow_sees_one_schema_and_bounded_row_groups(folder: Path) -> None:
    parts = sorted((folder / "parquet").glob("*.parquet"))
    assert len({str(parquet.read_schema(part)) for part in parts}) == 1
    assert dataset.dataset(folder / "parquet").count_rows() == COUNT
    assert "null" not in str(parquet.read_schema(parts[0]))
