"""What planners draw next, where that is one rule for many recipes: each source once before any twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from recipe_families import CASES

EACH_ONCE = {
    "wrap": 2,
    "swim-ir": 2,
    "maga": 5,
    "agent-instruct": 2,
    "codeclm": 2,
    "refed": 3,
    "grounded-qa": 2,
    "active-inheritance": 2,
    "dart": 2,
    "open-math": 3,
    "rest": 2,
}
"""Recipe → rounds over its sources that its small campaign draws at least."""
MORE = {"active-inheritance": {"per_seed": 2}}


@pytest.mark.parametrize("name", EACH_ONCE)
def test_each_source_is_drawn_once_before_any_twice(name: str, tmp_path: Path) -> None:
    ran = CASES[name].run(tmp_path, concurrency=1, options=MORE.get(name, {}))
    drawn = [task.chunks for task in ran.tasks]
    assert all(len(chunks) == 1 for chunks in drawn)
    sources = len(set(drawn))
    assert sources > 1
    for number in range(EACH_ONCE[name]):
        round_ = drawn[number * sources : (number + 1) * sources]
        assert Counter(round_) == dict.fromkeys(set(drawn), 1), f"in round {number}"
