"""What a campaign is to draw is checked before anything is spent, and a planner that goes round comes to an end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from small_graphs import graph_of

from gristmill.campaigns.campaign import Campaign
from gristmill.campaigns.prepare import prepare, require_draws
from gristmill.campaigns.spec import CampaignSpec
from gristmill.campaigns.spec_file import load_spec
from gristmill.errors import ConfigError
from gristmill.graphs.planners.base import PlanView, lazily
from gristmill.graphs.planners.groups import graph_of as graph_in
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.graphs.sampling.catalogue import sampler
from gristmill.storage.records import Task

CAMPAIGN = """
name = "drawn"
recipe = "entigraph"
documents = ["docs"]

[options.shares]
pair = 1
{name} = 1

[options.draws.{name}]
{table}

[models.default]
model = "offline"

[graph.resolution]
near_types = {near}
"""


def written(folder: Path, table: str, *, name: str = "mine", near: str = "[]") -> Path:
    (folder / "docs").mkdir(parents=True, exist_ok=True)
    (folder / "docs" / "a.md").write_text("The Foyle Bridge crosses the Foyle.")
    path = folder / "campaign.toml"
    path.write_text(CAMPAIGN.format(table=table, name=name, near=near))
    return path


def test_a_seed_has_types_of_its_own_to_begin_at(tmp_path: Path) -> None:
    """What a seed calls its entities stands beside the schema's types: no schema has to list it."""
    (tmp_path / "plants.csv").write_text(
        "subject,predicate,object,subject_type,object_type\nSihwa,located in,South Korea,power station,country\n"
    )
    path = written(tmp_path, 'sampler = "anchor"\ntypes = ["power station", "person"]')
    path.write_text(path.read_text() + '\n[graph]\nseed = "plants.csv"\n')
    path.write_text(path.read_text().replace('documents = ["docs"]', ""))
    spec = load_spec(path)
    require_draws(spec, prepare(spec).options)
    path.write_text(path.read_text().replace('"power station"', '"power statoin"'))
    spec = load_spec(path)
    with pytest.raises(ConfigError, match=r"'power statoin', and no entity can .*mean 'power station'"):
        require_draws(spec, prepare(spec).options)


@pytest.mark.parametrize(
    ("table", "near", "says"),
    [
        ('sampler = "uncertainty"', "[]", "draws.mine: sampler 'uncertainty' draws facts by their scores and has none"),
        ('sampler = "anchor"\ntypes = ["persn"]', "[]", "draws.mine: .*'persn', and no entity can .*mean 'person'"),
        ('sampler = "pair"', '[["person", "plce"]]', "near_types has 'plce', .*did you mean 'place'"),
        ('sampler = "pair"', '[["person"]]', "a line needs two types"),
    ],
)
def test_what_cannot_be_drawn_stops_a_campaign_before_it_spends(
    tmp_path: Path, table: str, near: str, says: str
) -> None:
    campaign = Campaign.load(written(tmp_path, table, near=near))
    with pytest.raises(ConfigError, match=says):
        campaign.prepare()
    assert not campaign.spec.folder.exists()


def test_types_of_the_schema_in_any_spelling_may_be_near(tmp_path: Path) -> None:
    Campaign.load(written(tmp_path, 'sampler = "pair"', near='[["Person", "PLACE"]]')).prepare()


def test_scores_are_looked_for_beside_the_campaign_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "campaigns" / "one"
    path = written(folder, 'sampler = "long-tail"\ndraw = "uncertainty"\noptions = { scores = "scores.jsonl" }')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"one.scores\.jsonl' cannot be read"):
        Campaign.load(path).prepare()
    (folder / "scores.jsonl").write_text('{"fact": "r1", "score": 0.5}\n')
    Campaign.load(path).prepare()
    whole = load_spec(path).identity
    monkeypatch.chdir(folder)
    assert load_spec("campaign.toml").options == load_spec(path).options, "from whichever folder it is read"
    assert load_spec("campaign.toml").identity == whole, "a run is resumed from any folder"


def test_a_taxonomy_is_looked_for_beside_the_campaign_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "c.toml").write_text(
        'name = "c"\nrecipe = "grounded-qa"\ndocuments = ["x"]\n'
        'options = { taxonomy = "kinds.toml", kinds = ["dose"] }\n'
        '[models.default]\nmodel = "offline"\n'
    )
    (tmp_path / "one" / "kinds.toml").write_text(
        '[[kind]]\nname = "dose"\ngroup = "recall"\ndescription = "how much"\n'
    )
    Campaign.load("one/c.toml").prepare()


def test_options_of_other_recipes_are_left_as_they_are() -> None:
    spec = CampaignSpec(name="a", documents=("x",), recipe="rows", options={"attributes": {"scores": "a/b.jsonl"}})
    assert spec.identity["options"] == {"attributes": {"scores": "a/b.jsonl"}}


def test_a_type_that_the_schema_has_and_the_documents_have_not_costs_its_draw_alone() -> None:
    view = PlanView([], graph_of([(0, 1), (1, 2)]))
    options = recipe("entigraph").options.model_validate(
        {
            "shares": {"pair": 1, "people": 1},
            "draws": {"people": {"sampler": "anchor", "types": ["person"]}},
            "weight": "uniform",
        }
    )
    recipe("entigraph").planner(view, 10, random.Random(1), options)
    assert view.yields["pair"].drawn + view.yields["pair"].refused.total() > 0
    (reason,) = view.yields["people"].refused
    assert "no entity of type 'person'" in reason


def test_a_planner_without_a_graph_is_told_which_recipes_build_one() -> None:
    with pytest.raises(ConfigError, match=r"'bridges' draws from a knowledge graph, .* recipe = \"entigraph\""):
        graph_in(PlanView([]), "bridges")


# planners that go round


def planned(tasks: Any) -> list[Task]:
    known: set[str] = set()
    view = PlanView([], None, is_planned=known.__contains__)
    planner = lazily(lambda *_: tasks())
    found: list[Task] = []
    while some := planner(view, 7, random.Random(1), None):
        found += some
        known.update(task.id for task in some)
    return found


@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_planner_that_draws_with_replacement_ends_when_all_are_planned(size: int) -> None:
    graph = graph_of([(number, number + 1) for number in range(size)])

    def tasks() -> Iterator[Task]:
        for draw in sampler("pair", repeats=True).draws(graph, random.Random(1)):
            yield Task.of("pair", entities=tuple(sorted(draw.entities)))

    assert len(planned(tasks)) == size


def test_a_planner_that_gives_one_task_for_ever_ends() -> None:
    assert len(planned(lambda: (Task.of("x", seed=0) for _ in count()))) == 1


def test_a_walk_past_all_that_is_planned_is_not_cut_off() -> None:
    every = [Task.of("x", seed=seed) for seed in range(20_000)]
    known = {task.id for task in every[:19_990]}
    planner = lazily(lambda *_: iter([*every, *every[:5]]))
    assert len(planner(PlanView([], None, is_planned=known.__contains__), 50, random.Random(1), None)) == 10
