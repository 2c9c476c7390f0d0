"""Ray Data: all parts as one data set, grouped by kind, exact duplicates of the answers found."""

import json
import sys

folder, scratch = sys.argv[1:3]

import ray  # noqa: E402

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=500_000_000)
rows = ray.data.read_parquet(f"{folder}/parquet")
kinds = {row["kind"]: row["count()"] for row in rows.groupby("kind").count().take_all()}
ids = len(rows.unique("id"))
answers = rows.map(lambda row: {"answer": row["messages"][-1]["content"]})
different = len(answers.unique("answer"))
lines = ray.data.read_json(f"{folder}/text", file_extensions=["jsonl"]).count()
assert lines == rows.count()
print(json.dumps({"rows": rows.count(), "ids": ids, "kinds": dict(sorted(kinds.items())),
                  "more": f"{different:,} different answers"}))  # fmt: skip
