"""The page of one item: its states, hostile text, decisions that come twice or too late, claims."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from item_states import AGAIN, CLOSES, DOCUMENT, FIRST, RAW, STATES, asked, fill, made, span
from review_items import item_of, put

from gristmill.review.desk import Desk
from gristmill.review.item.calls import FAILED, GONE, NO_CACHE, NOT_TOLD
from gristmill.review.web.app import create_app
from gristmill.review.web.site import Access, Site
from gristmill.storage.precedents import ROUNDS, Round
from gristmill.storage.records import Call, Decision, Draft, Entity, Item, Relation, Span, Status, Usage, Verdict
from gristmill.storage.reviews import Action, Reviews
from gristmill.storage.store import RunStore

TOKEN = "t" * 24
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}</textarea></title><!--"


class Person:
    """Somebody with a session of their own at a site."""

    def __init__(self, site: Site, name: str) -> None:
        self.name = name
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(site), raise_app_exceptions=False),
            base_url="http://localhost:1",
            headers={"Accept": "text/html"},
        )
        self.csrf = ""

    async def enter(self) -> Person:
        await self.http.get("/", params={"token": TOKEN})
        answer = await self.http.get("/")
        found = re.search(r'name="csrf" content="([^"]+)"', answer.text)
        assert found, answer.text
        self.csrf = found[1]
        return self

    async def page(self, item: str, query: str = "", status: int = 200, **headers: str) -> str:
        answer = await self.http.get(f"/items/{item}{query}", headers=headers)
        assert answer.status_code == status, answer.text
        return answer.text

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"X-CSRF-Token": self.csrf, "Accept": "application/json"})

    async def decide(self, item: str, action: str, *, seen: str = "", event: str = "", **more: Any) -> httpx.Response:
        body = {"event": event or uuid4().hex, "action": action, "seen": seen, **more}
        return await self.post(f"/items/{item}/decisions", body)


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = RunStore.open(tmp_path / "run")
    await fill(store)
    yield store
    await store.close()


async def opened(folder: Path, reviewer: str) -> tuple[Site, Person]:
    site = Site(folder, "", Access("127.0.0.1", 1, TOKEN, reviewer))
    return site, await Person(site, reviewer).enter()


@pytest.fixture
async def ada(run: RunStore) -> AsyncIterator[Person]:
    site, person = await opened(run.folder, "ada")
    yield person
    await person.http.aclose()
    await site.aclose()


@pytest.fixture
async def bob(run: RunStore, ada: Person) -> AsyncIterator[Person]:
    site, person = await opened(run.folder, "bob")
    yield person
    await person.http.aclose()
    await site.aclose()


def id_of(name: str) -> str:
    return STATES[name][1].id


class Text(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def article(self) -> dict[str, str | None]:
        return next(attributes for tag, attributes in self.tags if tag == "article")


async def test_a_refined_and_rejected_item(ada: Person) -> None:
    page = await ada.page(id_of("rejected"))
    text = Text(page).text
    for shown in (
        "When does the relief valve close?",
        "Draft 1, by generator",
        "Draft 2, by refiner: what changed",
        "the pressure was wrong",
        "Grounded, but anybody knows it.",
        "judge:relevance",
        "0.31",
        "manuals/valves.md",
        "Valves › Relief",  # noqa: RUF001
        "4,321 in, 210 out",
        "$0.0123",
        "5, 1 from the cache",
        "1180591620717411303424",  # a field beyond 64 bits
    ):
        assert shown in text, shown
    assert "<del>7</del><ins>5</ins>" in page
    assert f'<mark class="cited evidence">{CLOSES}</mark>' in page
    start = FIRST.text.index(CLOSES)
    assert f"cited {start:,}–{start + len(CLOSES):,}" in text
    assert page.count('<details class="fold">') == 3  # before and after the citation, and the rest of the other passage
    assert 'nowhere to be found</span> <span class="chip failed">not in the passage' in page
    assert 'href="/graph?entity=entity-valve"' in page
    assert "closes at</text>" in page
    assert "spring &lt;b&gt;&amp;amp;" in page
    assert "made again as" in text
    assert AGAIN[1].id in page
    assert "its file is not where this server looks" in text
    assert "its file has changed since" in text


async def test_what_was_made_again_names_its_origin_and_the_note(ada: Person) -> None:
    page = await ada.page(AGAIN[1].id, "?stage=returned")
    assert f'made again from <a href="/items/{id_of("rejected")}?stage=returned"' in page
    assert "say &lt;i&gt;which&lt;/i&gt; valve" in page


async def test_a_score_that_fell_short_stands_beside_what_its_round_asked_for(run: RunStore, ada: Person) -> None:
    rounds = (Round(minimum={"nontrivial": 0.3}), Round(number=2, minimum={"nontrivial": 0.45, "clear": 0.6}))
    await run.set_mark(ROUNDS, [one.model_dump(mode="json") for one in rounds])
    scores = {"nontrivial": 0.44, "clear": 0.9}
    judged = Verdict(by="critic", draft=0, decision=Decision.REVISE, reasons=("low_nontrivial",), scores=scores)
    short = item_of(501, round=2, reasons=("low_nontrivial",), verdicts=(judged,))
    await put(run, (501, short))
    text = " ".join(Text(await ada.page(short.id)).text.split())
    assert "nontrivial 0.44 of 0.45 at least" in text
    assert text.count("at least") == 1


async def test_a_draft_in_the_same_words_says_so(run: RunStore, ada: Person) -> None:
    first = item_of(502).drafts[0]
    same = item_of(502, drafts=(first, first.model_copy(update={"index": 1, "by": "refiner"})))
    await put(run, (502, same))
    assert "Draft 2, by refiner: in the same words" in Text(await ada.page(same.id)).text


async def test_an_accepted_item(ada: Person) -> None:
    page = Text(await ada.page(id_of("accepted")))
    assert page.article()["data-drafted"] == "yes"
    assert json.loads(page.article()["data-messages"] or "")[1]["content"] == "It closes at 5 bar."


async def test_a_failed_item_shows_what_the_model_answered_as_text(ada: Person) -> None:
    page = await ada.page(id_of("failed"))
    parsed = Text(page)
    assert RAW in parsed.text
    assert "alert" not in "".join(re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL))
    assert "the server answered with HTML" in parsed.text
    assert parsed.article()["data-drafted"] == ""


async def test_a_poison_item_and_one_without_messages(ada: Person) -> None:
    assert "3 workers ended" in await ada.page(id_of("poison"))
    assert "ended before one was made" in await ada.page(id_of("without messages"))


async def test_an_item_whose_passage_and_entities_are_gone(ada: Person) -> None:
    """A planner of a user may name what is not there: that fails one task, and must not hide the others."""
    page = await ada.page(id_of("without source"))
    assert "The run no longer has <code>chunk-gone</code>" in page
    assert "Path in the knowledge graph" in page  # by the task's relations


@pytest.mark.parametrize("given", ["item-none", "x", "item-553", "a" * 128])
async def test_an_item_that_is_not_there(ada: Person, given: str) -> None:
    assert "404" in await ada.page(given, status=404)


@pytest.mark.parametrize("given", ["%3Cscript%3E", "a" * 129, "..%2F..", "%00", "-x", "item%20x"])
async def test_what_can_be_no_id(ada: Person, given: str) -> None:
    answer = await ada.http.get(f"/items/{given}")
    assert answer.status_code in {400, 404}
    assert "<script>" not in answer.text.replace('<script type="module"', "")


@pytest.mark.parametrize("query", ["?sort=nonsense", "?stage=9", "?round=x", "?score_from=nan%00"])
async def test_a_queue_that_cannot_be_is_refused(ada: Person, query: str) -> None:
    assert "400" in await ada.page(id_of("rejected"), query, status=400)


async def test_hostile_text_is_text_everywhere(run: RunStore, ada: Person) -> None:
    evil = Entity(id="entity-evil", name=HOSTILE, type=HOSTILE)
    other = Entity(id="entity-other", name=HOSTILE[::-1], type="")
    relation = Relation(id="relation-evil", source=evil.id, target=other.id, type=HOSTILE)
    await run.set_graph([evil, other], [relation], {})
    wording = asked(HOSTILE, f"{HOSTILE} and more")
    drafts = (
        Draft(index=0, by=HOSTILE, messages=asked(HOSTILE, "short"), evidence=(span("# Valves"),), note=HOSTILE),
        Draft(index=1, by=HOSTILE, messages=wording, note=HOSTILE, prompt=HOSTILE, model=HOSTILE),
    )
    lost = Span(chunk=HOSTILE, start=0, end=5, quote=HOSTILE)
    verdicts = (
        Verdict(
            by=HOSTILE,
            draft=1,
            decision="reject",
            reasons=(HOSTILE,),
            scores={HOSTILE: 0.5},
            text=HOSTILE,
            evidence=(lost,),
            prompt=HOSTILE,
        ),
    )
    task, item = made(
        HOSTILE,
        kind=HOSTILE,
        reasons=(HOSTILE,),
        messages=wording,
        fields={HOSTILE: HOSTILE},
        drafts=drafts,
        verdicts=verdicts,
        chunks=(FIRST.id, HOSTILE),
        entities=(evil.id, other.id),
        attributes={"draw": HOSTILE, HOSTILE: HOSTILE, "x": [HOSTILE], "refines": HOSTILE, "reviewer_note": HOSTILE},
        prompts={HOSTILE: HOSTILE},
        models={HOSTILE: HOSTILE},
        error=HOSTILE,
        raw=HOSTILE,
    )
    await run.plan([task])
    await run.finish(task.id, item.status, [item])
    answer = await ada.decide(item.id, "send_back", note=HOSTILE)
    assert answer.status_code == 200
    edit = [{"role": "user", "content": HOSTILE}, {"role": "assistant", "content": f"new {HOSTILE}"}]
    last = answer.json()["last"]
    assert (await ada.decide(item.id, "edit", seen=last, note=HOSTILE, messages=edit, overrule=True)).status_code == 200
    page = await ada.page(item.id)
    found = Text(page)
    assert [tag for tag, _ in found.tags if tag == "img"] == []
    scripts = [attributes for tag, attributes in found.tags if tag == "script"]
    assert all((attributes["src"] or "").startswith("/static/") for attributes in scripts)
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"style", "srcdoc"})
    assert found.text.count(HOSTILE) > 15
    assert json.loads(found.article()["data-messages"] or "")[0]["content"] == HOSTILE


async def test_a_fragment_is_the_article_alone(ada: Person) -> None:
    part = await ada.page(id_of("rejected"), **{"hx-request": "true"})
    assert part.lstrip().startswith("<article")
    assert "<html" not in part


async def test_very_long_texts(run: RunStore, ada: Person) -> None:
    drafts = (
        Draft(index=0, by="generator", messages=asked("?", "a " * 100_000)),
        Draft(index=1, by="refiner", messages=asked("?", "a b " * 50_000)),
    )
    task, item = made("long", drafts=drafts, messages=drafts[1].messages)
    await run.plan([task])
    await run.finish(task.id, item.status, [item])
    assert len(await ada.page(item.id)) > 400_000


async def test_a_decision_is_taken_once_however_often_it_is_sent(run: RunStore, ada: Person) -> None:
    item, event = id_of("rejected"), uuid4().hex
    answers = await asyncio.gather(*(ada.decide(item, "accept", event=event) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["last"] for answer in answers} == {event}
    assert [one.id for one in Reviews(run).history(item)] == [event]
    assert answers[0].json()["status"] == "accepted"


async def test_who_comes_second_is_told_who_was_first(run: RunStore, ada: Person, bob: Person) -> None:
    item = id_of("rejected")
    first = (await ada.decide(item, "accept", note="well made")).json()
    answer = await bob.decide(item, "reject")
    assert answer.status_code == 409
    told = answer.json()
    assert "ada was first" in told["error"]
    assert (told["first"]["reviewer"], told["first"]["action"], told["first"]["note"]) == ("ada", "accept", "well made")
    assert told["last"] == first["last"]
    refused = await bob.decide(item, "reject", seen=told["last"], reasons=["unclear"])
    assert refused.status_code == 409  # as in the terminal
    assert "ada decided it: accept; undo that first" in refused.json()["error"]
    again = await bob.decide(item, "reject", seen=told["last"], reasons=["unclear"], overrule=True)
    assert again.status_code == 200
    page = await ada.page(item)
    assert "well made" in page
    assert Text(page).article()["data-decided-by"] == "bob"


async def test_a_persons_last_decision_is_found_wherever_it_was_made(run: RunStore, ada: Person, bob: Person) -> None:
    async def last(person: Person) -> Any:
        return (await person.http.get("/decisions/last")).json()

    assert (await last(ada))["item"] is None
    await Desk(run).decide(id_of("accepted"), Action.REJECT, "ada", note="not a question")  # in a terminal
    first = await ada.decide(id_of("rejected"), "accept")
    await bob.decide(AGAIN[1].id, "accept")
    found = await last(ada)
    assert (found["item"], found["event"]["action"]) == (id_of("rejected"), "accept")
    assert found["last"] == first.json()["last"]
    await bob.decide(id_of("rejected"), "reject", seen=found["last"], overrule=True)  # ada's stands no more
    found = await last(ada)
    assert (found["item"], found["event"]["note"]) == (id_of("accepted"), "not a question")
    await ada.decide(found["item"], "undo", seen=found["last"])
    assert (await last(ada))["item"] is None


async def test_an_event_of_another_item_counts_for_that_one_alone(run: RunStore, ada: Person) -> None:
    event = uuid4().hex
    assert (await ada.decide(id_of("rejected"), "accept", event=event)).status_code == 200
    assert (await ada.decide(id_of("accepted"), "reject", event=event)).status_code == 409
    assert Reviews(run).history(id_of("accepted")) == []


async def test_undo_and_precedents_are_events_too(run: RunStore, ada: Person) -> None:
    item = id_of("rejected")
    last = (await ada.decide(item, "reject")).json()["last"]
    marked = (await ada.decide(item, "precedent", seen=last)).json()
    assert marked["precedent"] is True
    assert Text(await ada.page(item)).article()["data-precedent"] == "yes"
    undone = (await ada.decide(item, "undo", seen=marked["last"])).json()
    assert (undone["decision"], undone["precedent"]) == (None, False)
    assert (await ada.decide(item, "undo", seen=undone["last"])).status_code == 400
    assert [one.action for one in Reviews(run).history(item)] == [Action.REJECT, Action.PRECEDENT, Action.UNDO]


async def test_an_edit_shows_what_changed(ada: Person) -> None:
    item = id_of("rejected")
    messages = [message.model_dump() for message in asked("When does the relief valve close?", "It shuts at 5 bar.")]
    assert (await ada.decide(item, "edit", messages=messages)).json()["status"] == "accepted"
    assert "It <del>closes</del><ins>shuts</ins> at 5 bar." in await ada.page(item)


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("failed", {"action": "accept"}, "nothing to accept"),
        ("rejected", {"action": "send_back"}, "with a note"),
        ("rejected", {"action": "send_back", "note": "x" * 10_001}, "note"),
        ("rejected", {"action": "edit", "messages": []}, "at least one"),
        ("rejected", {"action": "edit", "messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ("rejected", {"action": "edit", "messages": [{"role": "user", "content": "x" * 200_001}]}, "content"),
        ("rejected", {"action": "dance"}, "action"),
        ("rejected", {"action": "accept", "event": "<script>"}, "event"),
        ("rejected", {"action": "accept", "seen": None}, "seen"),
        ("rejected", {"action": "accept", "extra": 1}, "extra"),
        ("rejected", {"action": "reject", "reasons": ["x"] * 21}, "reasons"),
    ],
)
async def test_what_makes_no_sense_is_a_400_that_says_why(
    run: RunStore, ada: Person, name: str, body: dict[str, Any], why: str
) -> None:
    answer = await ada.post(f"/items/{id_of(name)}/decisions", {"event": uuid4().hex, "seen": "", **body})
    assert answer.status_code == 400
    assert why in answer.json()["error"]
    assert Reviews(run).history(id_of(name)) == []


async def test_decisions_come_as_json_with_the_pages_token_and_on_items_that_are_there(ada: Person) -> None:
    path = f"/items/{id_of('rejected')}/decisions"
    body = {"event": uuid4().hex, "action": "accept", "seen": ""}
    assert (await ada.http.post(path, json=body)).status_code == 403
    token = {"X-CSRF-Token": ada.csrf}
    assert (await ada.http.post(path, data=body, headers=token)).status_code == 415
    token["Content-Type"] = "application/json"
    assert (await ada.http.post(path, content="{", headers=token)).status_code == 400
    assert (await ada.decide("item-none", "accept")).status_code == 404
    assert (await ada.post("/items/item-none/claim", {})).status_code == 404
    assert (await ada.post("/items/item-none/skip", {})).status_code == 404
    assert (await ada.http.get(path)).status_code == 405


async def test_who_looks_at_an_item_is_shown_to_others(ada: Person, bob: Person) -> None:
    item = id_of("rejected")
    assert (await ada.post(f"/items/{item}/claim", {})).json()["held_by"] == ""
    assert (await bob.post(f"/items/{item}/claim", {})).json()["held_by"] == "ada"
    assert Text(await bob.page(item)).article()["data-held-by"] == "ada"
    assert Text(await ada.page(item)).article()["data-held-by"] == ""
    assert item not in (await bob.http.get("/following")).json()["next"]
    assert item in (await ada.http.get("/following")).json()["next"]
    assert item not in json.loads(Text(await bob.page(id_of("failed"))).article()["data-next"] or "")
    assert (await ada.post(f"/items/{item}/claim", {"hold": False})).json()["held_by"] == ""
    assert (await bob.post(f"/items/{item}/claim", {})).json()["held_by"] == ""
    assert (await bob.decide(item, "accept")).status_code == 200
    told = (await ada.post(f"/items/{item}/claim", {})).json()
    assert (told["held_by"], told["decision"]["reviewer"]) == ("", "bob")  # a decision lets the item go


async def test_a_skip_is_taken_and_taken_back(ada: Person, bob: Person) -> None:
    item = id_of("rejected")
    assert (await ada.post(f"/items/{item}/skip", {"skip": True})).json() == {"item": item, "skipped": True}
    assert item not in (await ada.http.get("/following")).json()["next"]
    assert item in (await bob.http.get("/following")).json()["next"]
    await ada.post(f"/items/{item}/skip", {"skip": False})
    assert item in (await ada.http.get("/following")).json()["next"]


async def test_decisions_go_on_while_a_campaign_runs_and_after_it_ended_the_item(run: RunStore, ada: Person) -> None:
    """`run` holds the run's lock all the time, as a campaign does; the page has joined beside it."""
    task, item = made("new while it runs")
    await run.plan([task])
    await run.finish(task.id, Status.REJECTED, [item])
    assert (await ada.decide(item.id, "accept")).status_code == 200
    assert Reviews(run).history(item.id)[0].reviewer == "ada"


async def test_the_query_names_the_queue(run: RunStore, ada: Person) -> None:
    failed = [id_of("failed"), id_of("poison")]
    page = Text(await ada.page(failed[0], "?status=failed&sort=oldest"))
    assert json.loads(page.article()["data-next"] or "") == [failed[1]]
    back = Text(await ada.page(failed[1], "?status=failed&sort=oldest"))
    assert back.article()["data-previous"] == failed[0]
    assert (await ada.http.get("/following?status=failed&sort=oldest")).json()["next"] == failed


def test_the_states_are_what_they_say() -> None:
    assert {item.status for _, item in STATES.values()} == {Status.ACCEPTED, Status.REJECTED, Status.FAILED}
    assert DOCUMENT.text[FIRST.start : FIRST.end] == FIRST.text
    assert isinstance(AGAIN[1], Item)
    assert AGAIN[1].usage != Usage()


async def test_raw_replies_are_text_and_their_absence_is_said(run: RunStore, ada: Person) -> None:
    message = {"content": HOSTILE, "reasoning_content": HOSTILE}
    body = {"model": HOSTILE, "choices": [{"message": message, "finish_reason": HOSTILE}]}
    await run.put("a" * 32, json.dumps(body).encode())
    await run.put("b" * 32, HOSTILE.encode())
    calls = (
        Call(key="a" * 32, role=HOSTILE, prompt=HOSTILE, input_tokens=1234, usd=0.5, seconds=2.5),
        Call(key="b" * 32, role="generator", cached=True),
        Call(key="c" * 32, role="generator"),
        Call(role="generator"),
        Call(role="generator", error=HOSTILE),
    )
    drafts = (Draft(index=0, by="generator", messages=asked("Why?", "So."), calls=calls),)
    task, item = made("answered", drafts=drafts, models={HOSTILE: HOSTILE})
    silent, unasked = made("unasked", usage=Usage())
    await run.plan([task, silent])
    for one in (item, unasked):
        await run.finish(one.task, one.status, [one])
    parsed = Text(await ada.page(item.id))
    assert not any("onerror" in attributes or "alert(1)" in str(attributes) for _, attributes in parsed.tags)
    assert parsed.text.count(HOSTILE) >= 5
    for shown in ("1,234 tokens in", "$0.50", "2.5 s", "from the cache", "5 calls", GONE, NO_CACHE, FAILED):
        assert shown in parsed.text, shown
    assert NOT_TOLD not in parsed.text
    assert NOT_TOLD in Text(await ada.page(id_of("rejected"))).text, "an item of an earlier gristmill"
    assert "What the models answered" not in Text(await ada.page(unasked.id)).text
