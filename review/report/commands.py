"""What `gristmill eval` does. Options and help stand in cli.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from ...campaigns.evaluation.evaluating import Settings, evaluate
from ...campaigns.evaluation.sources import Dataset, Run, Source
from ...campaigns.evaluation.told import as_dict
from ...campaigns.folders import find_run
from ...campaigns.terminal import open_console, print_json
from ...errors import ConfigError
from ...graphs.exchange.files import placed_file
from .page import page_of
from .table import print_report


def evaluate_run(
    run: str,
    *,
    against: str,
    contamination: Sequence[str],
    embedder: str,
    base_url: str,
    api_key_env: str,
    sample: int,
    seed: int,
    out: Path | None,
    as_json: bool,
    store: str,
) -> int:
    """Measures, writes report.json and report.html, and prints the table."""
    settings = Settings(tuple(contamination), embedder, base_url, api_key_env, sample, seed)
    opened: list[Run] = []
    try:
        source = _source(run, store, opened)
        other = _source(against, store, opened) if against else None
        report = evaluate(source=source, against=other, settings=settings)
    finally:
        for one in opened:
            one.close()
    told = as_dict(report)
    folder = out or (source.folder / "report" if isinstance(source, Run) else Path("report"))
    folder.mkdir(parents=True, exist_ok=True)
    bodies = {"report.json": orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n", "report.html": page_of(told)}
    for name, body in bodies.items():
        with placed_file(folder / name) as file:
            file.write(body)
    if as_json:
        print_json(told)
        return 0
    console = open_console()
    print_report(console, told)
    console.print(f"wrote {folder / 'report.html'} and report.json")
    return 0


def _source(given: str, store: str, opened: list[Run]) -> Source:
    """A run by its folder, campaign file or name; else a file or a folder of rows.

    Raises:
        ConfigError: it is neither.
    """
    try:
        found = find_run(Path(given), store)
    except ConfigError as error:
        try:
            return Dataset(given)
        except ConfigError:
            if Path(given).suffix == ".toml":
                raise error from None
            raise ConfigError(
                f"'{given}' is no run and no dataset; give a run's folder, campaign file or name, or a file or folder "
                f"of rows (.jsonl, .json, .csv, .parquet, .arrow)"
            ) from None
    opened.append(Run(*found))
    return opened[-1]
