"""What each recipe is shown with: options that only the user can give, and rows, which its planner draws from."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pytest

from gristmill.errors import ConfigError
from gristmill.graphs.planners.base import Column, Options, PlanView, columns_of
from gristmill.graphs.recipes.catalogue import recipes
from gristmill.graphs.recipes.examples import TEXT, Example, example_of
from gristmill.storage.records import Chunk, Task

DOCUMENT = (
    "Whole flour still has the germ of the grain. The oil of the germ turns rancid, so whole flour spoils sooner than "
    "white flour. Gluten forms when the proteins of wheat meet water, and makes a dough elastic. A miller sets the "
    "distance of the stones by ear, and the meal of a cold stone keeps its smell for weeks longer than that of a hot "
    "one."
)
FOUND = recipes()
EXAMPLES = {name: example_of(found) for name, found in FOUND.items()}
FROM_ROWS = sorted(name for name, found in FOUND.items() if found.needs & {"seeds", "labels"})
ASKED = sorted(name for name, example in EXAMPLES.items() if example.asked)


def view_of(rows: Sequence[Mapping[str, Any]]) -> PlanView:
    """What a planner sees of rows: a chunk each, their other columns beside it."""
    chunks, meta = [], {}
    for number, row in enumerate(rows):
        chunk = Chunk.of(f"row-{number}", 0, 0, len(row[TEXT]), row[TEXT])
        chunks.append(chunk)
        meta[chunk.id] = {name: value for name, value in row.items() if name != TEXT}
    return PlanView(chunks, meta=lambda chunk: meta[chunk.id])


def drawn(name: str, options: Mapping[str, Any]) -> Sequence[Task]:
    found, rows = FOUND[name], EXAMPLES[name].rows or [{TEXT: DOCUMENT}]
    return found.planner(view_of(rows), 2, random.Random(1), found.options.model_validate(options))


@pytest.mark.parametrize("name", FROM_ROWS)
def test_a_recipe_that_starts_from_rows_has_some_with_the_columns_that_it_names(name: str) -> None:
    rows = EXAMPLES[name].rows
    assert len({row[TEXT] for row in rows}) == len(rows) >= 4
    columns = columns_of(FOUND[name].options())
    for row in rows:
        assert row[TEXT].strip()
        assert all(column in row for column, _ in columns.values()), "the example shows those too that rows may lack"
        assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize("name", sorted(set(FOUND) - set(FROM_ROWS)))
def test_others_have_no_rows_and_name_no_column(name: str) -> None:
    assert EXAMPLES[name].rows == ()
    assert columns_of(FOUND[name].options()) == {}


@pytest.mark.parametrize("name", sorted(name for name, found in FOUND.items() if "graph" not in found.needs))
def test_the_planner_draws_from_the_example_as_it_stands(name: str) -> None:
    tasks = drawn(name, EXAMPLES[name].filled)
    assert tasks
    assert all(isinstance(task, Task) for task in tasks)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_the_options_of_an_example_are_valid_and_change_something(name: str) -> None:
    example, found = EXAMPLES[name], FOUND[name]
    made, default = found.options.model_validate(example.filled), found.options()
    assert not set(example.asked) & set(example.options)
    assert all(getattr(made, option) != getattr(default, option) for option in example.filled)


def test_what_only_the_user_can_give_is_asked_for() -> None:
    """A recipe that draws nothing with its defaults says what it lacks, and its example has exactly that."""
    lacking = {}
    for name in sorted(name for name, found in FOUND.items() if "graph" not in found.needs):
        try:
            drawn(name, {})
        except ConfigError as error:
            lacking[name] = str(error)
    assert list(lacking) == ASKED
    for name, said in lacking.items():
        assert all(option in said for option in EXAMPLES[name].asked), name


@pytest.mark.parametrize("name", ASKED)
def test_without_one_of_the_asked_options_there_is_an_error(name: str) -> None:
    for option in EXAMPLES[name].asked:
        with pytest.raises(ConfigError):
            drawn(name, {key: value for key, value in EXAMPLES[name].filled.items() if key != option})


def test_only_marked_options_that_hold_a_name_are_columns() -> None:
    class Own(Options):
        label: Annotated[str, Column()] = "label"
        topic: Annotated[str, Column(needed=False)] = ""
        other: str = "label"

    assert columns_of(Own()) == {"label": ("label", Column())}
    assert columns_of(Own(topic="field")) == {"label": ("label", Column()), "topic": ("field", Column(needed=False))}


def test_a_recipe_of_ones_own_has_no_example() -> None:
    assert example_of(FOUND["bare"].__class__(**{**vars(FOUND["bare"]), "name": "mine"})) == Example()
