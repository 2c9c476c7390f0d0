"""Recipes that wait for ends, or count what they drew, where another hand stands between: attributes, steering."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipe_families import CASES
from seed_recipes import Ran, accepting

from gristmill import Request
from gristmill.agents.variables import TRAITS


def fit(request: Request) -> Any:
    """As the case's own script, whose judge goes by all that a prompt shows, traits too; this one accepts all."""
    found = CASES["genetic-instruct"].script(request)
    return accepting(correct=0.9, quality=0.9) if isinstance(found, dict) and "decision" in found else found


QUOTAS = {"hop1": 2, "hop2": 2, "hop3": 2}
WAITING = {
    "dart": CASES["dart"],
    "open-math": CASES["open-math"],
    "rest": CASES["rest"],
    "s3": CASES["s3"],
    "reverse-gen": CASES["reverse-gen"],
    "deliberate-practice": CASES["deliberate-practice"],
    "gsdp": replace(CASES["gsdp"], options={"quotas": QUOTAS, "shares": {"community": 0}}),
    "genetic-instruct": replace(CASES["genetic-instruct"], script=fit),
}
TONE = {"values": {"tone": ["dry"]}}
BETWEEN: dict[str, dict[str, Any]] = {
    "attributes": {"attributes": TONE},
    "steering": {"steer": {"on": True}},
    "both": {"attributes": TONE, "steer": {"on": True}},
}


def drawn(ran: Ran) -> Counter[tuple[str, ...]]:
    """How many tasks of each kind, round and generation."""
    return Counter(
        (task.kind, *(str(task.attributes.get(name)) for name in ("round", "generation", "step"))) for task in ran.tasks
    )


@pytest.mark.parametrize("name", WAITING)
def test_a_recipe_that_waits_makes_as_much_with_attributes_and_steered_as_without(name: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = WAITING[name].run(tmp_path / "plain")
    for between, values in BETWEEN.items():
        (tmp_path / between).mkdir()
        ran = WAITING[name].run(tmp_path / between, **values)
        assert ran.report.stop == plain.report.stop, between
        assert ran.report.books.balanced
        assert drawn(ran) == drawn(plain), between
        assert len(ran.accepted) == len(plain.accepted), between
        assert all(task.attributes.get(TRAITS) == (["tone"] if "attributes" in values else None) for task in ran.tasks)


@pytest.mark.parametrize("name", ["rest", "genetic-instruct", "gsdp"])
def test_one_with_attributes_that_stopped_again_and_again_makes_as_much(name: str, tmp_path: Path) -> None:
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    whole = WAITING[name].run(tmp_path / "whole", **BETWEEN["attributes"])
    for most in (*range(2, len(whole.tasks), 5), None):
        parts = WAITING[name].run(tmp_path / "parts", **BETWEEN["attributes"], max_tasks=most)
        assert parts.report.books.balanced
    assert drawn(parts) == drawn(whole)
    assert len(parts.accepted) == len(whole.accepted)
