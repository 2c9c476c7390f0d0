"""`swim-ir`: a summary before the query, languages at their shares, pairs that the passage answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from recipes_documents import ACCEPT, ANSWERS, CASES, TOPICS
from seed_recipes import accepted, prompts_asked, rejections

from gristmill import Request, Scripted
from gristmill.errors import ConfigError
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.prompts.library import PromptLibrary

EXEMPLARS = [
    {"language": "sw", "passage": "Simba hula nyama.", "summary": "Lions eat meat.", "query": "simba hula nini"},
    {"language": "en", "passage": "Lions eat meat.", "summary": "What lions eat.", "query": "what do lions eat"},
]


async def test_one_call_sums_up_and_asks_and_one_judges(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["swim-ir"])
    await CASES["swim-ir"].campaign(tmp_path, model, concurrency=1, max_tasks=2).execute()
    assert prompts_asked(model) == ["summarise-then-ask", "judge-query"] * 2
    schema = PromptLibrary().get("summarise-then-ask").schema
    assert schema is not None
    assert list(schema.model_fields) == ["summary", "query"], "the summary is written before the query"
    for item in accepted(tmp_path):
        query, positive = (message.content for message in item.messages)
        assert (item.fields["query"], item.fields["positive"]) == (query, positive)
        assert query.endswith(item.attributes["language"])
        assert positive in [f"# {name.title()} {n}\n\n{text}" for n, (name, text) in enumerate(TOPICS)]
        assert item.fields["summary"]


async def test_languages_keep_their_shares_and_see_their_own_exemplars(tmp_path: Path) -> None:
    options = {"languages": ["en", "sw"], "shares": {"sw": 3}, "exemplars": EXEMPLARS}
    model = Scripted(ANSWERS["swim-ir"])
    await CASES["swim-ir"].campaign(tmp_path, model, options=options, concurrency=1, max_tasks=8).execute()
    assert Counter(item.attributes["language"] for item in accepted(tmp_path)) == {"sw": 6, "en": 2}
    for request in model.requests:
        if request.prompt == "summarise-then-ask":
            (shown,) = request.variables["exemplars"]
            assert shown["language"] == request.variables["language"]
            assert shown["query"] in request.messages[-1].content


async def test_a_query_in_another_language_is_dropped_unjudged(tmp_path: Path) -> None:
    def asked(request: Request) -> dict[str, str]:
        number = request.variables["passage"][:12]
        return {
            "summary": "On valves.",
            "query": f"how often do the fitters of the works oil the old valves of {number}",
        }

    model = Scripted({"summarise-then-ask": asked, "judge-query": ACCEPT})
    options = {"languages": ["de", "en"], "check_language": True}
    report = await CASES["swim-ir"].campaign(tmp_path, model, options=options).execute()
    assert rejections(report)["wrong_language"] == len(TOPICS)
    assert {item.attributes["language"] for item in accepted(tmp_path)} == {"en"}


async def test_a_passage_that_does_not_answer_is_no_pair(tmp_path: Path) -> None:
    low = {"decision": "accept", "scores": [{"name": "answered", "value": 0.3}]}
    model = Scripted({**ANSWERS["swim-ir"], "judge-query": low})
    report = await CASES["swim-ir"].campaign(tmp_path, model).execute()
    assert (report.books.accepted, rejections(report)) == (0, {"low_answered": 2 * len(TOPICS)})


def test_a_share_of_a_language_that_is_not_asked_for_is_refused() -> None:
    with pytest.raises(ConfigError, match="shares names 'fr'"):
        recipe("swim-ir").options.model_validate({"languages": ["de"], "shares": {"fr": 2}})
