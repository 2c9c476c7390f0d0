"""Which server a request goes to: the prefix that requests share, and its rank among the servers."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from replica_servers import URLS, about

from gristmill.models.contract import Request
from gristmill.models.hashing import TAG, prefix_of, ranked
from gristmill.prompts.library import PromptLibrary, data
from gristmill.storage.records import Message


def test_the_prefix_is_what_questions_about_one_document_share() -> None:
    assert prefix_of(about(1, 1)) == prefix_of(about(1, 2))
    assert prefix_of(about(1)) != prefix_of(about(2))
    longer = Request(messages=(*about(1).messages, Message(role="assistant", content="no"), about(2).messages[1]))
    assert prefix_of(longer) == prefix_of(about(1)), "a question asked again goes to the same server"
    other = Message(role="system", content="Another system message.")
    assert prefix_of(Request(messages=(other, about(1).messages[1]))) != prefix_of(about(1))
    tag = data("x").split("\n")[0]
    assert len(tag) == TAG, "the key must hold the whole tag, with the hash of the text in it"
    assert prefix_of(about(1)).endswith(">")


def test_the_prefix_of_other_requests() -> None:
    assert prefix_of(Request(kind="embedding", inputs=("a text",))) == ""
    assert prefix_of(Request(kind="completion", text="a" * 512 + "b")) == prefix_of(
        Request(kind="completion", text="a" * 512 + "c")
    )
    plain = [Request(messages=(Message(role="user", content=f"{number} is a number"),)) for number in range(2)]
    assert prefix_of(plain[0]) != prefix_of(plain[1])
    assert ranked(prefix_of(Request(kind="completion", text="\ud800 half a letter")), URLS)


@pytest.mark.parametrize("name", ["write-question-answer", "judge-question-answer", "edit-question-answer"])
def test_the_built_in_prompts_about_one_passage_share_their_prefix(name: str) -> None:
    """Every prompt of a flow says the source first, behind the same system message."""
    library = PromptLibrary()
    values = {"headings": [], "kind": "fact", "kind_description": "", "topic": "", "angle": "", "quote": ""}
    values |= {"question": "Q?", "answer": "A.", "evidence": [], "reasons": [], "suggestions": []}
    values |= {"reviewer_note": "", "earlier_attempt": "", "comment": "", "traits": [], "avoid": []}
    prefixes = {
        passage: {
            prefix_of(Request(messages=library.get(prompt).render({**values, "passage": passage})))
            for prompt in (name, "propose-question")
        }
        for passage in ("The mill stands at the river.", "The wheel turns.")
    }
    assert [len(found) for found in prefixes.values()] == [1, 1]
    assert len(set.union(*prefixes.values())) == 2


def test_every_replica_gets_its_share_and_few_prefixes_move() -> None:
    prefixes = [f"document {number}" for number in range(5000)]
    before = [URLS[ranked(prefix, URLS)[0]] for prefix in prefixes]
    shares = Counter(before)
    assert all(900 < shares[url] < 1100 for url in URLS)
    fewer = URLS[:2] + URLS[3:]
    after = [fewer[ranked(prefix, fewer)[0]] for prefix in prefixes]
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert {old for old, _ in moved} == {URLS[2]}, "only what the one that left had held moves"
    spread = Counter(new for _, new in moved)
    assert all(190 < spread[url] < 310 for url in fewer), "and to all others alike"


def test_the_order_of_the_urls_is_no_matter() -> None:
    mixed = list(URLS)
    random.Random(1).shuffle(mixed)
    for number in range(50):
        prefix = f"document {number}"
        assert [URLS[place] for place in ranked(prefix, URLS)] == [mixed[place] for place in ranked(prefix, mixed)]
