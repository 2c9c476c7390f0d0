"""Stores of scored items to select from, and `gristmill select` typed."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result
from made_runs import accepted_of, dialogue

from gristmill.cli import main
from gristmill.storage.records import Decision, Item, Verdict

THEMES = ("pumps leak oil at the valve", "sheep graze on the hill", "the court heard an appeal")


COUNT = 30


def scored(number: int) -> Item:
    """An accepted item of one of three themes; those of the first are liked best."""
    theme = number % 3
    scores = {"clear": 1.0 - theme * 0.3, "grounded": 1.0 - number / 100}
    verdict = Verdict(by="critic", draft=0, decision=Decision.ACCEPT, scores=scores)
    return accepted_of(number).model_copy(
        update={
            "verdicts": (verdict,),
            "attributes": {"theme": THEMES[theme].split()[0], "level": 1 + number % 2},
            "messages": dialogue(number, f"{THEMES[theme]}, said number {number}."),
        }
    )


def typed(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, ["select", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done
