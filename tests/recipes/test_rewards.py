"""Rewards of a search: a reward model, a function of the user's own, criteria."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import recipes_searches
from recipes_searches import CASES, PROMPTS, quality, searching
from search_parts import ONE, pairs
from seed_recipes import shown

from gristmill import Request, Status
from gristmill.errors import ConfigError


def test_a_reward_model_reads_the_conversation_and_answers_with_a_number(tmp_path: Path) -> None:
    def scored(request: Request) -> Any:
        if request.prompt != "reward-conversation":
            return searching(request)
        assert [message.role for message in request.messages] == ["user", "assistant"]
        assert request.messages[0].content == PROMPTS[0]["text"]
        return f"reward:{20 * quality(request.messages[1].content) - 30:.4f}"

    ran = replace(ONE, script=scored).run(tmp_path, options={"reward": "model", "centre": -20, "scale": 5})
    (item,) = ran.accepted
    top = max(quality(draft.fields["response"]) for draft in item.drafts)
    assert quality(item.fields["response"]) == top
    assert item.fields["reward"] == pytest.approx(1 / (1 + 2.718281828459045 ** -((20 * top - 30 + 20) / 5)), abs=1e-4)
    assert len(pairs(tmp_path)) == 1


@pytest.mark.parametrize("said", ["-3.5", "reward: -3.5", "Reward = -3.5\n", " -35e-1 ."])
def test_how_reward_models_write_their_number(said: str, tmp_path: Path) -> None:
    def scored(request: Request) -> Any:
        return said if request.prompt == "reward-conversation" else searching(request)

    (item,) = replace(ONE, script=scored).run(tmp_path, options={"reward": "model", "centre": -3.5}).accepted
    assert item.fields["reward"] == 0.5
    assert item.verdicts[0].text == "reward -3.5"
    assert not [verdict for verdict in item.verdicts if verdict.decision != "accept"], "of equals none is the worst"


@pytest.mark.parametrize("said", ["nan", "inf", "good", "1 2", "reward: high", "helpful:1.2,correct:3.4"])
def test_a_reward_model_that_gives_no_number_is_no_reward(said: str, tmp_path: Path) -> None:
    def scored(request: Request) -> Any:
        return said if request.prompt == "reward-conversation" else searching(request)

    (item,) = replace(ONE, script=scored).run(tmp_path, options={"reward": "model"}).items
    assert (item.status, item.reasons, item.raw) == (Status.FAILED, ("bad_reply",), said)
    assert 'let a judge score: reward = "judge"' in item.error


def test_a_function_of_the_users_scores_without_a_call(tmp_path: Path) -> None:
    ran = CASES["toa"].run(tmp_path, options={"reward": "recipes_searches:measured"})
    assert set(ran.calls) == {"write-response", "improve-response"}
    assert ran.calls.total() == 8 * len(PROMPTS)
    assert all(item.fields["reward"] == quality(item.fields["response"]) for item in ran.accepted)
    assert {verdict.by for item in ran.accepted for verdict in item.verdicts} == {"measured"}


@pytest.mark.parametrize("value", [float("nan"), 2, -0.1, "0.5", None, True])
def test_a_function_that_gives_no_reward_stops_before_more_is_paid(
    value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"reward": "recipes_searches:measured"}
    with monkeypatch.context() as patch:
        patch.setattr(recipes_searches, "measured", lambda instruction, response: value)
        with pytest.raises(ConfigError, match=r"reward 'measured' gave .* it has to be a number in \[0, 1\]"):
            ONE.run(tmp_path, options=options)
    ran = ONE.run(tmp_path, options=options)
    assert (len(ran.accepted), len(ran.requests)) == (1, 7), "the first response was paid before"


def test_an_async_function_may_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def later(instruction: str, response: str) -> float:
        return quality(response)

    monkeypatch.setattr(recipes_searches, "measured", later)
    assert len(ONE.run(tmp_path, options={"reward": "recipes_searches:measured"}).accepted) == 1


def test_criteria_are_the_users_and_the_reward_is_their_mean(tmp_path: Path) -> None:
    def marks(request: Request) -> Any:
        if request.prompt != "reward-response":
            return searching(request)
        assert "- rhyme: Does it rhyme?" in shown(request)
        assert "- word_count: Is it short?" in shown(request)
        return {"marks": [{"name": "Rhyme", "value": 4}, {"name": "word count", "value": 9}]}

    criteria = {"rhyme": "Does it rhyme?", "Word count": "Is it short?"}
    (item,) = replace(ONE, script=marks).run(tmp_path, options={"criteria": criteria}).accepted
    assert item.verdicts[-1].scores == {"rhyme": 0.4, "word_count": 0.9, "reward": 0.65}
