"""datatrove: reads Parquet (ids and kinds by an adapter) and text, and removes near duplicates by MinHash."""

import json
import sys
from collections import Counter
from typing import Any

folder, scratch = sys.argv[1:3]

from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.dedup import (  # noqa: E402
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig  # noqa: E402
from datatrove.pipeline.readers import JsonlReader, ParquetReader  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402
from datatrove.utils.hashing import HashConfig  # noqa: E402


def adapt(self: object, row: dict[str, Any], path: str, place: int) -> dict[str, Any]:
    text = "\n\n".join(message["content"] for message in row["messages"] if message["role"] != "system")
    return {"text": text, "id": row["id"], "metadata": {"kind": row["kind"], "task": row["task"]}}


def main() -> None:
    found = list(ParquetReader(f"{folder}/parquet", glob_pattern="*.parquet", adapter=adapt)())
    kinds = dict(sorted(Counter(one.metadata["kind"] for one in found).items()))
    texts = {one.id: one.text for one in JsonlReader(f"{folder}/text", glob_pattern="*.jsonl")()}
    assert texts == {one.id: one.text for one in found}
    config = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8)
    reader = JsonlReader(f"{folder}/text", glob_pattern="*.jsonl")
    tasks, steps = 2, (f"{scratch}/signatures", f"{scratch}/buckets", f"{scratch}/remove")
    for pipeline, count in (
        ([reader, MinhashDedupSignature(output_folder=steps[0], config=config)], tasks),
        ([MinhashDedupBuckets(input_folder=steps[0], output_folder=steps[1], config=config)], config.num_buckets),
        ([MinhashDedupCluster(input_folder=steps[1], output_folder=steps[2], config=config)], 1),
        ([reader, MinhashDedupFilter(input_folder=steps[2]), JsonlWriter(f"{scratch}/kept")], tasks),
    ):
        LocalPipelineExecutor(pipeline, tasks=count, workers=1, logging_dir=None).run()
    kept = {one.id for one in JsonlReader(f"{scratch}/kept")()}
    near = [number for number in range(len(texts)) if number % 10 == 9]  # each has the text of the one before
    pairs = sum(sum(f"item-{one:06d}" in kept for one in (number - 1, number)) == 1 for number in near)
    more = f"MinHash keeps {len(kept):,}; of {len(near):,} planted near duplicates it found {pairs:,}"
    print(json.dumps({"rows": len(found), "ids": len(texts), "kinds": kinds, "more": more}))


if __name__ == "__main__":
    main()
