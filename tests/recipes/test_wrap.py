"""`wrap`: styles at their shares, content kept, one or two calls a text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from recipes_documents import ACCEPT, ANSWERS, CASES, TOPICS, retold
from seed_recipes import accepted, prompts_asked, rejections

from gristmill import Request, Scripted
from gristmill.errors import ConfigError
from gristmill.graphs.recipes.catalogue import recipe

SOURCES = len(TOPICS)


async def test_a_text_costs_a_writer_and_a_critic(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["wrap"])
    await CASES["wrap"].campaign(tmp_path, model, concurrency=1, max_tasks=3).execute()
    assert prompts_asked(model) == ["rephrase-passage", "judge-rewriting"] * 3
    writer, judge = model.requests[:2]
    assert (writer.role, judge.role) == ("generator", "critic")
    assert judge.variables["style_description"] == writer.variables["style_description"]
    assert judge.variables["text"] == retold(
        writer.variables["passage"], writer.variables["style_description"].split()[0]
    )
    for item in accepted(tmp_path):
        assert [message.role for message in item.messages] == ["assistant"]
        assert len(item.chunks) == 1, "the original that it is to be trained beside"


async def test_without_a_judge_a_text_costs_one_call(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["wrap"])
    options = {"judge": False, "styles": ["easy"]}
    report = await CASES["wrap"].campaign(tmp_path, model, options=options).execute()
    assert (report.books.accepted, len(model.requests)) == (SOURCES, SOURCES)


async def test_styles_keep_their_shares_of_what_was_accepted(tmp_path: Path) -> None:
    await CASES["wrap"].campaign(tmp_path, options={"shares": {"easy": 3}}, max_tasks=8, concurrency=1).execute()
    assert Counter(item.attributes["style"] for item in accepted(tmp_path)) == {"easy": 6, "hard": 2}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (lambda passage: passage, "copied"),
        (lambda passage: "They are told of.", "too_short"),
        (lambda passage: retold(passage, "so " * 9), "too_long"),
        (lambda passage: retold("".join(letter for letter in passage if not letter.isdigit()), "so"), "lost_figures"),
        (lambda passage: f"Sure! Here is the text: {retold(passage, 'so')}", "pattern_forbidden"),
    ],
    ids=["copy", "short", "long", "figures", "preamble"],
)
async def test_a_text_that_lost_its_content_or_is_none_of_its_own_is_dropped_unjudged(
    written: object, reason: str, tmp_path: Path
) -> None:
    def write(request: Request) -> dict[str, str]:
        return {"text": written(request.variables["passage"])}  # type: ignore[operator]

    model = Scripted({"rephrase-passage": write, "judge-rewriting": ACCEPT})
    report = await CASES["wrap"].campaign(tmp_path, model).execute()
    assert report.books.accepted == 0
    assert rejections(report) == {reason: 2 * SOURCES}
    assert set(prompts_asked(model)) == {"rephrase-passage"}


async def test_the_consistency_gate_drops_what_the_judge_finds_changed(tmp_path: Path) -> None:
    changed = {"decision": "accept", "scores": [{"name": "consistent", "value": 0.4}]}
    model = Scripted({**ANSWERS["wrap"], "judge-rewriting": changed})
    report = await CASES["wrap"].campaign(tmp_path, model).execute()
    assert report.books.accepted == 0
    assert rejections(report) == {"low_consistent": 2 * SOURCES}


def test_a_style_of_ones_own_is_known_and_a_misspelt_one_is_not() -> None:
    options = recipe("wrap").options
    assert options.model_validate({"styles": ["pirate"], "own": {"pirate": "as a pirate speaks."}})
    with pytest.raises(ConfigError, match="no style is called 'hrad'"):
        options.model_validate({"styles": ["hrad"]})
    with pytest.raises(ConfigError, match="shares names 'easy'"):
        options.model_validate({"styles": ["hard"], "shares": {"easy": 1}})
