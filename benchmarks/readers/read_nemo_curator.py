"""NeMo Curator: its readers for Parquet and JSON Lines, in a pipeline on Ray, written out again by its own writer."""

import glob
import json
import sys
from typing import Any

folder, scratch = sys.argv[1:3]

import pandas  # noqa: E402
from nemo_curator.backends.ray_data import RayDataExecutor  # noqa: E402
from nemo_curator.core.client import RayClient  # noqa: E402
from nemo_curator.pipeline import Pipeline  # noqa: E402
from nemo_curator.stages.text.filters import ScoreFilter  # noqa: E402
from nemo_curator.stages.text.filters.heuristic import WordCountFilter  # noqa: E402
from nemo_curator.stages.text.io.reader import JsonlReader, ParquetReader  # noqa: E402
from nemo_curator.stages.text.io.writer import JsonlWriter  # noqa: E402


def run(name: str, reader: Any, *stages: Any) -> pandas.DataFrame:
    pipeline = Pipeline(name=name, stages=[reader, *stages, JsonlWriter(path=f"{scratch}/{name}")])
    pipeline.run(RayDataExecutor())
    return pandas.concat(pandas.read_json(path, lines=True) for path in glob.glob(f"{scratch}/{name}/*.jsonl"))


def main() -> None:
    client = RayClient(num_cpus=2, num_gpus=0, include_dashboard=False)
    client.start()
    rows = run("parquet", ParquetReader(file_paths=f"{folder}/parquet", fields=["id", "kind", "task", "messages"]))
    long = ScoreFilter(WordCountFilter(min_words=10), text_field="text")
    texts = run("text", JsonlReader(file_paths=f"{folder}/text"), long)
    kinds = {kind: int(count) for kind, count in rows["kind"].value_counts().sort_index().items()}
    client.stop()
    print(json.dumps({"rows": len(rows), "ids": int(rows["id"].nunique()), "kinds": kinds,
                      "more": f"its word filter keeps {len(texts):,} texts"}))  # fmt: skip


if __name__ == "__main__":
    main()
