"""Hugging Face datasets: Parquet by pattern, and the folder with its card."""

import json
import sys
from collections import Counter

folder, scratch = sys.argv[1:3]

import datasets  # noqa: E402

rows = datasets.load_dataset("parquet", data_files=f"{folder}/parquet/*.parquet", split="train", cache_dir=scratch)
card = datasets.load_dataset(f"{folder}/huggingface", split="train", cache_dir=scratch)
assert rows.features == card.features, (rows.features, card.features)
assert len(rows) == len(card)
kinds = dict(sorted(Counter(rows["kind"]).items()))
print(json.dumps({"rows": len(rows), "ids": len(set(rows["id"])), "kinds": kinds, "more": "card and Parquet agree"}))
