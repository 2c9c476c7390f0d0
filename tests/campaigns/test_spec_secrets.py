"""Credentials that a person puts where they do not belong: shown by no error, kept by no store."""

from __future__ import annotations

from pathlib import Path

import pytest
from isolation import CANARY
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, ModelSpec, Request, Scripted
from gristmill.campaigns.spec import make_spec
from gristmill.campaigns.spec_file import load_spec
from gristmill.errors import ConfigError
from gristmill.storage.store import RunStore


@pytest.mark.parametrize(
    "model",
    [
        {"model": "openai_api/m", "base_url": f"http://user:{CANARY}-pass@127.0.0.1/v1"},
        {"model": "openai_api/m", "base_url": f"http://127.0.0.1/v1?key={CANARY}"},
        {"model": "openai_api/m", "api_key": f"sk-{CANARY}-0123456789"},
        {"model": "openai_api/m", "extra": f"sk-{CANARY}-0123456789"},
        f"opneai_api/m?token=sk-{CANARY}-0123456789",
    ],
)
def test_a_refused_spec_shows_no_credential(tmp_path: Path, model: object) -> None:
    with pytest.raises(ConfigError) as caught:
        make_spec({"name": "x", "documents": ["d"], "models": {"default": model}})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        'key = "sk-{}-0123456789',
        "api_key = {}",
        'headers = {{ "X-Team" = {} }}',
        "base_url = http://user:{}@host/v1",
        "base_url = http://host/v1?k={}",
        "extra = {}",
        "{}",
        "{}==",
        'documents = ["d"] {}',
    ],
)
def test_a_line_that_is_not_toml_is_named_without_its_credential(tmp_path: Path, line: str) -> None:
    (tmp_path / "c.toml").write_text(f'name = "x"\n{line.format(CANARY)}\n')
    with pytest.raises(ConfigError, match="line 2") as caught:
        load_spec(tmp_path / "c.toml")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    ['api_key "{}"', 'api_key2 = "{}', "token {} = 5", 'API-KEY = "{}', '"my token" = {}', "[models.x] password {}"],
)
def test_a_short_credential_in_a_line_that_is_not_toml_is_not_shown_either(tmp_path: Path, line: str) -> None:
    (tmp_path / "c.toml").write_text(f'name = "x"\n{line.format("hunter2")}\n')
    with pytest.raises(ConfigError, match="line 2") as caught:
        load_spec(tmp_path / "c.toml")
    assert "hunter2" not in str(caught.value)


def test_a_line_that_is_not_toml_is_shown(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('name = "x"\nrecipe = sft pairs\n')
    with pytest.raises(ConfigError, match=r"\n  recipe = sft pairs\n"):
        load_spec(tmp_path / "c.toml")


async def test_the_store_keeps_no_credential_of_the_campaign(tmp_path: Path) -> None:
    rows(tmp_path, 2)
    extra = {"api_key": f"{CANARY}-plain", "headers": {"Authorization": f"Bearer {CANARY}-0123"}, "top_k": 5}

    def answer(request: Request) -> object:
        return f"Explain {request.variables['passage']}" if request.role == "generator" else judged()

    unused = ModelSpec(model="openai_api/m", base_url="http://127.0.0.1:9/v1", extra=extra)
    report = await Campaign(
        "test", [tmp_path / "rows.jsonl"], flow=flow(), prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"),
        models={"generator": Scripted(answer), "critic": Scripted(answer), "spare": unused},
    ).execute()  # fmt: skip
    kept = RunStore.read(report.folder).mark("campaign")
    assert kept["models"]["spare"]["extra"]["top_k"] == 5
    for found in report.folder.rglob("*"):
        assert CANARY.encode() not in found.read_bytes(), found
