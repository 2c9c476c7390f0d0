"""Polars, lazily over all parts."""

import json
import sys

folder, _ = sys.argv[1:3]

import polars  # noqa: E402

rows = polars.scan_parquet(f"{folder}/parquet/*.parquet")
count, ids = rows.select(polars.len(), polars.col("id").n_unique().alias("ids")).collect().row(0)
kinds = dict(rows.group_by("kind").len().sort("kind").collect().iter_rows())
evidence = rows.select(polars.col("evidence").list.len().sum()).collect().item()
print(json.dumps({"rows": count, "ids": ids, "kinds": kinds, "more": f"{evidence} spans of evidence"}))
