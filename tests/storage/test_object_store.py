"""An export to an object store, against a real server that speaks S3 on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs, parquet
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, Request, Scripted
from gristmill.campaigns.datasets import export_runs
from gristmill.errors import ConfigError
from gristmill.storage.datasets.remote import is_remote, upload


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL pattern of a bucket on a server that starts empty: `s3://mills/{}?...`."""
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mill")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "water")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"s3://mills/{{}}?endpoint_override={host}:{port}&scheme=http&allow_bucket_creation=true"
    system, _ = fs.FileSystem.from_uri(url.format("x"))
    system.create_dir("mills")
    yield url
    server.stop()


def names(url: str) -> list[str]:
    system, root = fs.FileSystem.from_uri(url)
    found = system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    return sorted(one.path.removeprefix(f"{root}/") for one in found if one.is_file)


async def run(folder: Path) -> Path:
    def answer(request: Request) -> Any:
        if request.role == "generator":
            return f"Explain: {request.variables['passage']}"
        return judged()

    rows(folder, 30)
    campaign = Campaign(
        "mills",
        [folder / "rows.jsonl"],
        flow=flow(),
        models={"default": Scripted(answer)},
        prompts=[str(PROMPTS)],
        runs=str(folder / "runs"),
    )
    return (await campaign.execute()).folder


async def test_an_export_goes_to_a_bucket_and_replaces_the_one_before(tmp_path: Path, bucket: str) -> None:
    folder = await run(tmp_path)
    url = bucket.format("sets/mills")
    exported = export_runs([folder], out=url, formats=["parquet", "jsonl"])
    assert exported.uploaded == (
        "s3://mills/sets/mills/jsonl/train.jsonl",
        "s3://mills/sets/mills/parquet/train.parquet",
    )
    assert names(url) == ["jsonl/train.jsonl", "parquet/train.parquet"]
    system, root = fs.FileSystem.from_uri(url)
    there = parquet.read_table(f"{root}/parquet/train.parquet", filesystem=system)
    with system.open_input_stream(f"{root}/jsonl/train.jsonl") as stream:
        lines = [json.loads(line) for line in stream.read().splitlines()]
    assert sorted(there["id"].to_pylist()) == sorted(line["id"] for line in lines)
    assert there.num_rows == 30
    assert not list(folder.glob(".export-*"))  # what was staged is gone

    export_runs([folder], out=url, formats=["parquet"], validation=0.3)
    assert names(url) == ["jsonl/train.jsonl", "parquet/train.parquet", "parquet/validation.parquet"]
    export_runs([folder], out=url, formats=["parquet"])
    assert names(url) == ["jsonl/train.jsonl", "parquet/train.parquet"]


def test_what_is_no_store_or_refuses_is_named_without_the_query(tmp_path: Path, bucket: str) -> None:
    file = tmp_path / "a" / "b.jsonl"
    file.parent.mkdir()
    file.write_text("{}\n")
    with pytest.raises(ConfigError, match="cannot write to ftp://x/y; give a folder, s3://"):
        upload(tmp_path, [file], "ftp://x/y?secret=1")
    wrong = bucket.format("x").replace("s3://mills", "s3://no-such-bucket").replace("&allow_bucket_creation=true", "")
    with pytest.raises(ConfigError, match="cannot write to s3://no-such-bucket/x: ") as refused:
        upload(tmp_path, [file], wrong)
    assert "endpoint_override" not in str(refused.value)
    with pytest.raises(ConfigError) as hidden:
        upload(tmp_path, [file], "ftp://user:hunter2@bucket/x")
    assert "hunter2" not in str(hidden.value)
    assert not is_remote("runs/s3")
    assert not is_remote("C:\\out")
    assert is_remote("gs://bucket/x")
