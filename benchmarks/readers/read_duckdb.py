"""DuckDB over all parts: count, ids, kinds; and the nested columns by name."""

import json
import sys

folder, _ = sys.argv[1:3]

import duckdb  # noqa: E402

rows = f"read_parquet('{folder}/parquet/*.parquet')"
count, ids = duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM {rows}").fetchall()[0]
kinds = dict(duckdb.sql(f"SELECT kind, count(*) FROM {rows} GROUP BY kind ORDER BY kind").fetchall())
answers = duckdb.sql(f"SELECT count(DISTINCT messages[2].content) FROM {rows}").fetchall()[0][0]
lines = duckdb.sql(f"SELECT count(*) FROM read_json('{folder}/jsonl/*.jsonl')").fetchall()[0][0]
assert lines == count
print(json.dumps({"rows": count, "ids": ids, "kinds": kinds, "more": f"{answers} different answers"}))
