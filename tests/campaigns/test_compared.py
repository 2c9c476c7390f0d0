"""What items are held against is looked at before anything is spent: by a run its start, by a dry run all of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from gated_runs import LONG, OTHER, answering, campaign, items
from rich.console import Console

from gristmill.campaigns.checking.compared import Compared
from gristmill.campaigns.commands.endings import print_forecast
from gristmill.campaigns.forecast import forecast
from gristmill.errors import ConfigError


def lines(path: Path, *rows: Any) -> str:
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return str(path)


async def test_a_dry_run_says_how_many_texts_each_has(tmp_path: Path) -> None:
    before = await campaign(tmp_path, answering([LONG], []), 1).execute()
    (tmp_path / "later").mkdir()
    held = lines(tmp_path / "held.jsonl", {"question": "Unlike."}, {"question": " ?! "}, {"problem": OTHER})
    sets = lines(tmp_path / "bench.jsonl", {"question": "How many?", "answer": "Three."}, {"question": ""})
    blank = lines(tmp_path / "blank.jsonl", {"question": None})
    planned = campaign(
        tmp_path / "later",
        answering([OTHER, LONG], []),
        2,
        novelty={"against": [str(before.folder), held, blank]},
        contamination={"sets": [sets]},
    )
    found = await forecast(planned, pilot=2)
    assert found.compared == (
        Compared("novelty.against", str(before.folder), len(items(before.folder))),
        Compared("novelty.against", held, 2, 1),
        Compared("novelty.against", blank, 0, 1),
        Compared("contamination.sets", "bench.jsonl", 2, note="1 rows empty"),
    )
    told = io.StringIO()
    print_forecast(Console(file=told, width=400), planned, found)
    assert f"held against novelty.against {held}: 2 texts, 1 without a word\n" in told.getvalue()
    assert "held against contamination.sets bench.jsonl: 2 texts (1 rows empty)\n" in told.getvalue()


@pytest.mark.parametrize("dry", [True, False], ids=["dry run", "run"])
async def test_a_set_without_the_columns_is_refused_before_a_model_is_asked(tmp_path: Path, dry: bool) -> None:
    model = answering([LONG, OTHER], [])
    held = lines(tmp_path / "held.jsonl", {"label": 3})
    planned = campaign(tmp_path, model, 1, novelty={"against": [held]})
    with pytest.raises(ConfigError, match=r"row 1 of .*held.jsonl has the columns label"):
        await (forecast(planned, pilot=1) if dry else planned.execute())
    assert model.requests == []
    assert not (tmp_path / "runs").exists()


async def test_a_dry_run_reads_to_the_last_row(tmp_path: Path) -> None:
    model = answering([LONG, OTHER], [])
    held = lines(tmp_path / "held.jsonl", *[{"question": f"Number {at}?"} for at in range(400)], {"label": 3})
    with pytest.raises(ConfigError, match=r"row 401 of .*held.jsonl has the columns label"):
        await forecast(campaign(tmp_path, model, 1, novelty={"against": [held]}), pilot=1)
    assert model.requests == []


async def test_a_set_of_the_gate_s_own_fields_needs_no_other_column(tmp_path: Path) -> None:
    held = lines(tmp_path / "held.jsonl", {"answer": "Yes.", "label": 1})
    planned = campaign(tmp_path, answering([LONG], []), 1, novelty={"against": [held], "fields": ["answer"]})
    assert (await forecast(planned, pilot=1)).compared == (Compared("novelty.against", held, 1),)
