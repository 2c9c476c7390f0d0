"""Spark: all parts as one table, grouped by kind, answers counted that are there more than once."""

import json
import sys

folder, scratch = sys.argv[1:3]

from pyspark.sql import SparkSession, functions  # noqa: E402

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.warehouse.dir", f"{scratch}/warehouse")
    .config("spark.local.dir", scratch)
    .getOrCreate()
)
rows = spark.read.parquet(f"{folder}/parquet")
kinds = {row["kind"]: row["count"] for row in rows.groupBy("kind").count().collect()}
answer = functions.element_at("messages", -1)["content"].alias("answer")
different = rows.select(answer).distinct().count()
lines = spark.read.json(f"{folder}/text/*.jsonl").count()
count = rows.count()
assert lines == count
ids = rows.select("id").distinct().count()
print(json.dumps({"rows": count, "ids": ids, "kinds": dict(sorted(kinds.items())),
                  "more": f"{different:,} different answers"}))  # fmt: skip
spark.stop()
