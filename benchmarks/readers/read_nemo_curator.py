"""NeMo Curator: the stages of its readers for Parquet and JSON Lines, and its word filter, called in this process.

A pipeline of it runs the same stages on a Ray cluster, which this does not start.
"""

import glob
import json
import sys

folder, _ = sys.argv[1:3]

from nemo_curator.stages.text.filters.heuristic import WordCountFilter  # noqa: E402
from nemo_curator.stages.text.io.reader.jsonl import JsonlReaderStage  # noqa: E402
from nemo_curator.stages.text.io.reader.parquet import ParquetReaderStage  # noqa: E402

columns = ["id", "kind", "task", "messages"]
rows = ParquetReaderStage().read_data(sorted(glob.glob(f"{folder}/parquet/*.parquet")), None, columns)
lines = JsonlReaderStage().read_data(sorted(glob.glob(f"{folder}/text/*.jsonl")), None, ["id", "text"])
texts = lines.to_pydict()  # an Arrow table
assert set(texts["id"]) == set(rows["id"])
kinds = {str(kind): int(count) for kind, count in rows["kind"].value_counts().sort_index().items()}
words = WordCountFilter(min_words=10)
kept = sum(words.keep_document(words.score_document(text)) for text in texts["text"])
more = f"its word filter keeps {kept:,} texts"
print(json.dumps({"rows": len(rows), "ids": int(rows["id"].nunique()), "kinds": kinds, "more": more}))
