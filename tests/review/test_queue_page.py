"""The queue's pages as a browser asks for them: filters, places, counts, decisions on many, names."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from places import DOCS
from queue_pages import FRAGMENT, bars, ids, more, total, walk
from review_items import CHUNK, DOCUMENT, item_of, put

from gristmill.review.web.app import create_app
from gristmill.review.web.keys import keys_of
from gristmill.review.web.serve import access_of
from gristmill.review.web.site import Site
from gristmill.storage.records import Chunk, Document, Entity, Item, Status
from gristmill.storage.reviews import Action, Reviews
from gristmill.storage.store import RunStore

COUNT = 60
Enter = Callable[..., Awaitable[httpx.AsyncClient]]
BATCH = "batch-0001"


def undrafted(number: int, **fields: Any) -> Item:
    """An item that ended before there was a draft."""
    ended = {"status": Status.FAILED, "reasons": ("bad_reply",), "messages": (), "drafts": (), "verdicts": ()}
    return item_of(number, **{**ended, **fields})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = RunStore.open(tmp_path / "run")
    other = Document.of("pumps.md", "# Pumps\nA pump lifts water.")
    chunk = Chunk.of(other.id, 0, 0, len(other.text), other.text, headings=("Pumps", "Lifting"))
    await store.add_documents([(DOCUMENT, [CHUNK]), (other, [chunk])])
    await store.set_graph([Entity(id="entity-0", name="Brass", type="material")], [], {})
    await put(store, *[(number, item_of(number)) for number in range(COUNT)])
    await put(
        store,
        (200, undrafted(200, chunks=(chunk.id,), error="the reply is no JSON", raw="<html>")),
        (201, undrafted(201, chunks=(chunk.id,), reasons=("poison",), error="")),
        (202, undrafted(202, chunks=(), reasons=("poison",), error="it ended three workers")),
    )
    yield store
    await store.close()


@pytest.fixture
async def enter(store: RunStore) -> AsyncIterator[Enter]:
    """`await enter("bob")` opens the site in a browser of its own, under that name."""
    site = Site(store.folder, "", access_of("127.0.0.1", 8765, "", "ada"))
    app = create_app(site)
    clients: list[httpx.AsyncClient] = []

    async def entering(name: str = "") -> httpx.AsyncClient:
        # An error of ours is answered, as in the server, and not raised here.
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765", follow_redirects=True)
        clients.append(client)
        page = await client.get(site.access.url)
        assert page.status_code == 200, page.text
        found = re.search(r'name="csrf" content="([^"]+)"', page.text)
        assert found
        client.headers["X-CSRF-Token"] = found[1]
        if name:
            assert (await client.post("/me", json={"name": name})).json() == {"reviewer": name}
        return client

    yield entering
    for client in clients:
        await client.aclose()
    await site.aclose()


@pytest.fixture
async def ada(enter: Enter) -> httpx.AsyncClient:
    return await enter()


def number(index: int) -> str:
    return item_of(index).id


async def test_the_page_says_what_waits(ada: httpx.AsyncClient) -> None:
    text = (await ada.get("/")).text
    assert total(text) == COUNT + 3
    assert len(ids(text)) == 25
    assert "Question" in text
    assert "Brass." in text  # how the answer begins
    assert "reason not judged yet" in text
    assert "critics disagree" not in text  # there is one critic
    assert "<style" not in text
    assert " style=" not in text


async def test_what_was_never_drafted_has_a_title(ada: httpx.AsyncClient) -> None:
    text = (await ada.get("/?status=failed&sort=oldest")).text
    titles = re.findall(r'class="open"[^>]*>([^<]*)</a>', text)
    assert titles == ["Pumps · Lifting", "Pumps · Lifting", "it ended three workers"]
    assert "the reply is no JSON" in text
    assert "A pump lifts water." in text
    assert text.count("no draft") == 3


@pytest.mark.parametrize("sort", ["teaches", "newest", "oldest", "score"])
@pytest.mark.parametrize("filters", ["", "reason=trivial&", "stage=all&status=rejected&"])
async def test_more_items_come_once_each(ada: httpx.AsyncClient, filters: str, sort: str) -> None:
    path = f"/?{filters}sort={sort}"
    found = await walk(ada, path)
    assert len(found) == len(set(found)) == total((await ada.get(path)).text)


async def test_the_link_to_more_works_without_script(ada: httpx.AsyncClient) -> None:
    first = (await ada.get("/?reason=trivial&sort=oldest")).text
    assert not more(first)
    first = (await ada.get("/?sort=oldest")).text
    (link,) = [html.unescape(one) for one in re.findall(r'class="button" href="([^"]+)"', first)]
    second = (await ada.get(link)).text
    assert "<html" in second
    assert ids(second) == [number(index) for index in range(25, 50)]
    assert (await ada.get(more(first))).text.startswith("<!doctype html>")  # as when that link is opened by itself


@pytest.mark.parametrize("sort", ["teaches", "newest", "score"])
async def test_no_item_repeats_while_items_come_in(ada: httpx.AsyncClient, store: RunStore, sort: str) -> None:
    text = (await ada.get(f"/?sort={sort}")).text
    found, came = ids(text), 1000
    while further := more(text):
        await put(store, (came, item_of(came)), (came + 1, item_of(came + 1)))
        came += 2
        text = (await ada.get(further, headers=FRAGMENT)).text
        found += ids(text)
    assert len(found) == len(set(found))
    assert {number(index) for index in range(COUNT)} <= set(found)


async def test_filters_combine(ada: httpx.AsyncClient) -> None:
    async def count(**given: Any) -> int:
        return total((await ada.get(f"/?{urlencode(given, doseq=True)}")).text)

    assert await count(reason="trivial") == 20
    assert await count(reason="trivial", entity="entity-1") == 10
    assert await count(reason="trivial", score_from=0.1, score_to=0.3) == 7
    assert await count(reason="trivial", document="valves.md", text="question 13") == 1
    assert await count(document="pumps.md") == 2
    assert await count(critic="critic") == COUNT
    assert await count(status="failed") == 3
    assert await count(status=["failed", "accepted"]) == 3
    assert await count(reason="poison") == 2
    assert await count(round=1, kind="qa", draw="chunk") == COUNT + 3
    assert await count(round=2) == 0
    assert await count(stage="decided") == 0
    assert await count(text="brass quest") == COUNT


async def test_bars_filter_and_unfilter(ada: httpx.AsyncClient) -> None:
    reasons = bars((await ada.get("/bars", headers=FRAGMENT)).text, "reason")
    assert {name: found[0] for name, found in reasons.items()} == {
        "ungrounded": 20, "trivial": 20, "unclear": 20, "poison": 2, "bad reply": 1,
    }  # fmt: skip
    to = reasons["trivial"][1]
    assert total((await ada.get(f"/?{to}")).text) == 20
    chosen = bars((await ada.get(f"/bars?{to}", headers=FRAGMENT)).text, "reason")
    assert chosen["trivial"] == (20, "", True)
    assert chosen["unclear"][:2] == (20, "reason=unclear")


async def test_bars_keep_the_other_filters_and_the_order(ada: httpx.AsyncClient) -> None:
    text = (await ada.get("/bars?reason=trivial&sort=newest&score_to=0.3", headers=FRAGMENT)).text
    documents, entities = bars(text, "document"), bars(text, "entity")
    assert documents == {}  # only one: nothing to choose between
    query = parse_qs(entities["Brass"][1])
    assert query == {"reason": ["trivial"], "sort": ["newest"], "score_to": ["0.3"], "entity": ["entity-0"]}


async def test_entities_have_names(ada: httpx.AsyncClient) -> None:
    entities = bars((await ada.get("/bars", headers=FRAGMENT)).text, "entity")
    assert {name: found[0] for name, found in entities.items()} == {"Brass": 32, "entity-1": 31}
    page = (await ada.get("/?entity=entity-0")).text
    assert re.search(r'class="chip set" href="/\?">.*?<bdi>Brass</bdi>', page)


async def test_chips_take_a_filter_away(ada: httpx.AsyncClient) -> None:
    page = (await ada.get("/?reason=trivial&text=question&sort=newest")).text
    found = re.findall(r'class="chip set" href="/\?([^"]*)"', page)
    assert [html.unescape(one) for one in found] == [
        "text=question&sort=newest",
        "reason=trivial&sort=newest",
        "sort=newest",
    ]


async def test_counts_without_script(ada: httpx.AsyncClient) -> None:
    page = await ada.get("/bars?reason=trivial")
    assert page.text.startswith("<!doctype html>")
    assert bars(page.text, "reason")["trivial"][2]


async def test_bars_follow_what_happens(ada: httpx.AsyncClient, store: RunStore) -> None:
    async def trivial() -> int:
        return bars((await ada.get("/bars", headers=FRAGMENT)).text, "reason")["trivial"][0]

    assert [await trivial(), await trivial()] == [20, 20]
    await put(store, (1000, item_of(1000)))  # 1000 % 3 == 1
    assert await trivial() == 21
    await ada.post("/decisions", json={"id": BATCH, "action": "accept", "ids": [number(1)]})
    assert await trivial() == 20
    await ada.post("/skips", json={"ids": [number(4)]})
    assert await trivial() == 19


async def test_rows_link_to_the_item_with_the_queue(ada: httpx.AsyncClient) -> None:
    page = (await ada.get("/?reason=trivial&sort=oldest&status=rejected&status=failed")).text
    link = html.unescape(re.findall(r'class="open" href="([^"]+)"', page)[0])
    assert urlsplit(link).path == f"/items/{number(1)}"
    assert parse_qs(urlsplit(link).query) == {"reason": ["trivial"], "sort": ["oldest"]}


@pytest.mark.parametrize(
    "query",
    [
        "stage=elsewhere", "sort=best", "status=odd", "round=0", "round=x", f"round={10**30}", "score_from=2",
        "score_to=nan", "score_to=-1", "text=" + "x" * 501, "after=x", "after=1_99999999999999999999", "after=nan_1",
        "after=1e999_1", "after=_", "after=1_2_3", "after=1_-1",
    ],
)  # fmt: skip
async def test_bad_parameters_are_refused(ada: httpx.AsyncClient, query: str) -> None:
    for path in ("/", "/rows", "/bars"):
        if path == "/bars" and "after" in query:
            continue
        answer = await ada.get(f"{path}?{query}", headers={**FRAGMENT, "Accept": "application/json"})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]


@pytest.mark.parametrize(
    "query", ["reason=%00", "text=%00%ff", "entity=%ED%A0%80", "unknown=1", "document=%27--", "reason="]
)
async def test_odd_parameters_find_nothing_or_all(ada: httpx.AsyncClient, query: str) -> None:
    assert (await ada.get(f"/?{query}")).status_code == 200
    assert (await ada.get(f"/bars?{query}", headers=FRAGMENT)).status_code == 200


# decisions on many


async def test_many_are_decided_and_taken_back(ada: httpx.AsyncClient, store: RunStore) -> None:
    chosen = [number(index) for index in range(10)]
    asked = {"id": BATCH, "action": "reject", "ids": chosen, "reasons": ["trivial"], "note": "all of a kind"}
    answer = (await ada.post("/decisions", json=asked)).json()
    assert answer == {"id": BATCH, "decided": 10, "refused": 0, "why": {}, "more": False}
    assert set(await walk(ada, "/?stage=decided")) == set(chosen)
    decision = Reviews(store).history(chosen[0])[-1]
    assert (decision.reviewer, decision.reasons, decision.note) == ("ada", ("trivial",), "all of a kind")
    for _ in range(2):  # an undo that is sent twice counts once
        answer = (await ada.post("/decisions/undo", json={"id": BATCH})).json()
        assert answer == {"id": BATCH, "undone": 10, "refused": 0, "why": {}}
    assert total((await ada.get("/")).text) == COUNT + 3
    assert len(Reviews(store).history(chosen[0])) == 2


async def test_a_repeated_request_counts_once(ada: httpx.AsyncClient, store: RunStore) -> None:
    asked = {"id": BATCH, "action": "accept", "ids": [number(1), number(2)]}
    answers = await asyncio.gather(*(ada.post("/decisions", json=asked) for _ in range(5)))
    assert [answer.json()["decided"] for answer in answers] == [2] * 5
    assert len(list(Reviews(store).all())) == 2


async def test_all_that_match_are_decided_and_nothing_that_came_later(ada: httpx.AsyncClient, store: RunStore) -> None:
    page = (await ada.get("/?reason=trivial")).text
    last = int(re.findall(r'data-last="(\d+)"', page)[0])
    filters = html.unescape(re.findall(r'data-filters="([^"]*)"', page)[0])
    await put(store, (1000, item_of(1000)))  # trivial too, but nobody has seen it
    asked = f'{{"id": "{BATCH}", "action": "reject", "filters": {filters}, "upto": {last}}}'
    for _ in range(2):  # when it comes again, the filters match no more, and the answer is the same
        answer = await ada.post("/decisions", content=asked, headers={"Content-Type": "application/json"})
        assert (answer.json()["decided"], answer.json()["more"]) == (20, False)
    assert ids((await ada.get("/?reason=trivial")).text) == [item_of(1000).id]


async def test_who_cannot_be_decided_is_named(ada: httpx.AsyncClient, enter: Enter, store: RunStore) -> None:
    bob = await enter("bob")
    await bob.post("/decisions", json={"id": "bobs-batch", "action": "accept", "ids": [number(1)]})
    await Reviews(store).claim([number(2)], "bob")
    chosen = [number(0), number(1), number(2), undrafted(200).id, "item-unknown"]
    answer = (await ada.post("/decisions", json={"id": BATCH, "action": "accept", "ids": chosen})).json()
    assert (answer["decided"], answer["refused"]) == (1, 4)
    assert answer["why"][number(1)].startswith("bob decided it: accept")
    assert answer["why"][number(2)] == "bob looks at it now"
    assert "nothing to accept" in answer["why"][undrafted(200).id]
    assert "no item" in answer["why"]["item-unknown"]
    assert (await bob.post("/decisions/undo", json={"id": "bobs-batch"})).json()["undone"] == 1


async def test_what_was_made_again_is_not_decided_unseen(ada: httpx.AsyncClient, store: RunStore) -> None:
    failed = item_of(500, status=Status.FAILED, reasons=("bad_reply",))
    await put(store, (500, failed))
    page = (await ada.get("/?status=failed&reason=bad_reply&sort=newest")).text
    found = re.search(rf'data-id="{failed.id}" data-number="(\d+)"', page)
    assert found
    shown = (await ada.get(f"/items/{failed.id}")).text
    assert f'data-id="{failed.id}" data-number="{found[1]}"' in shown
    assert await store.retry_failed() == 4  # it, and those of the fixture
    await store.finish(failed.task, Status.REJECTED, [item_of(500)])
    old = {"ids": [failed.id], "numbers": [int(found[1])]}
    answer = (await ada.post("/decisions", json={"id": BATCH, "action": "reject", **old})).json()
    assert (answer["decided"], answer["refused"]) == (0, 1)
    assert "made again" in answer["why"][failed.id]
    single = {"event": "event-0001", "action": "reject", "seen": "", "number": int(found[1])}
    answer = await ada.post(f"/items/{failed.id}/decisions", json=single)
    assert answer.status_code == 409
    assert "made again" in answer.json()["error"]
    assert Reviews(store).history(failed.id) == []
    uneven = {"id": BATCH, "action": "reject", **old, "numbers": [1, 2]}
    assert (await ada.post("/decisions", json=uneven)).status_code == 400


async def test_a_skip_of_many_that_is_repeated_answers_the_same(ada: httpx.AsyncClient) -> None:
    asked = {"id": BATCH, "filters": {"reason": "trivial"}}
    first = (await ada.post("/skips", json=asked)).json()
    assert first["skipped"] == 20
    assert (await ada.post("/skips", json=asked)).json() == first
    await ada.post("/skips/undo", json={"ids": first["ids"]})
    assert total((await ada.get("/?reason=trivial")).text) == 20


async def test_decisions_on_many_are_by_the_name_that_the_page_showed(ada: httpx.AsyncClient, store: RunStore) -> None:
    asked = {"id": BATCH, "action": "reject", "ids": [number(0)], "reviewer": "grace"}
    assert (await ada.post("/decisions", json=asked)).json()["decided"] == 1
    assert (await ada.post("/decisions/undo", json={"id": BATCH, "reviewer": "grace"})).json()["undone"] == 1
    assert [one.reviewer for one in Reviews(store).history(number(0))] == ["grace", "grace"]


async def test_undo_leaves_what_was_decided_again(ada: httpx.AsyncClient, enter: Enter) -> None:
    bob = await enter("bob")
    both = [number(1), number(2)]
    await ada.post("/decisions", json={"id": BATCH, "action": "accept", "ids": both})
    await bob.post("/decisions/undo", json={"id": BATCH})
    await bob.post("/decisions", json={"id": "bobs-batch", "action": "reject", "ids": both})
    assert (await ada.post("/decisions/undo", json={"id": BATCH})).json()["undone"] == 2  # long since
    page = (await ada.get("/?stage=decided")).text
    assert page.count("by <bdi>bob</bdi>") == 2
    assert (await ada.post("/decisions/undo", json={"id": "never-was"})).status_code == 404


async def test_two_reviewers_at_once_decide_each_item_once(enter: Enter, store: RunStore) -> None:
    people = [await enter(name) for name in ("bob", "cy", "dee")]
    chosen = [number(index) for index in range(COUNT)]
    answers = await asyncio.gather(
        *(
            one.post("/decisions", json={"id": f"batch-of-{index}", "action": "accept", "ids": chosen})
            for index, one in enumerate(people)
        )
    )
    told = [answer.json() for answer in answers]
    assert sum(one["decided"] for one in told) == COUNT
    assert sum(one["refused"] for one in told) == 2 * COUNT
    assert len(list(Reviews(store).all())) == COUNT


async def test_items_are_sent_back_with_a_note(ada: httpx.AsyncClient, store: RunStore) -> None:
    asked = {"id": BATCH, "action": "send_back", "ids": [number(1)]}
    answer = await ada.post("/decisions", json=asked, headers={"Accept": "application/json"})
    assert (answer.status_code, "with a note" in answer.json()["error"]) == (400, True)
    assert (await ada.post("/decisions", json={**asked, "note": "name the alloy"})).json()["decided"] == 1
    assert Reviews(store).history(number(1))[-1].action is Action.SEND_BACK


@pytest.mark.parametrize(
    "body",
    [
        {}, {"id": BATCH}, {"id": BATCH, "action": "accept"}, {"id": BATCH, "action": "accept", "ids": []},
        {"id": BATCH, "action": "edit", "ids": ["item-1"]}, {"id": BATCH, "action": "undo", "ids": ["item-1"]},
        {"id": "x", "action": "accept", "ids": ["item-1"]}, {"id": "a.b.c.d.e", "action": "accept", "ids": ["item-1"]},
        {"id": BATCH, "action": "accept", "ids": ["../etc"]}, {"id": BATCH, "action": "accept", "ids": ["a"] * 1001},
        {"id": BATCH, "action": "accept", "ids": ["item-1"], "filters": {}},
        {"id": BATCH, "action": "accept", "filters": {"stage": "odd"}},
        {"id": BATCH, "action": "accept", "filters": {}, "upto": -1},
        {"id": BATCH, "action": "accept", "ids": ["item-1"], "note": "x" * 10_001},
        {"id": BATCH, "action": "reject", "ids": ["item-1"], "reasons": ["<script>"]},
        {"id": BATCH, "action": "accept", "ids": ["item-1"], "reviewer": ""}, [], "text", 7,
    ],
)  # fmt: skip
async def test_a_bad_decision_is_refused_and_nothing_is_written(
    ada: httpx.AsyncClient, store: RunStore, body: Any
) -> None:
    answer = await ada.post("/decisions", json=body, headers={"Accept": "application/json"})
    assert answer.status_code == 400, answer.text
    assert list(Reviews(store).all()) == []


async def test_writes_need_the_sessions_token(ada: httpx.AsyncClient, store: RunStore) -> None:
    body = {"id": BATCH, "action": "accept", "ids": [number(1)]}
    for path in ("/decisions", "/decisions/undo", "/skips", "/skips/undo", "/me"):
        assert (await ada.post(path, json=body, headers={"X-CSRF-Token": "x"})).status_code == 403
        assert (await ada.post(path, data={"id": BATCH})).status_code == 415
        assert (await ada.get(path)).status_code == 405
    assert list(Reviews(store).all()) == []


# skips, names, claims


async def test_skipped_items_go_behind_for_this_reviewer(ada: httpx.AsyncClient, enter: Enter) -> None:
    bob = await enter("bob")
    answer = (await ada.post("/skips", json={"filters": {"reason": "trivial"}})).json()
    assert (answer["skipped"], answer["more"], len(answer["ids"])) == (20, False, 20)
    assert total((await ada.get("/?reason=trivial")).text) == 0
    assert total((await ada.get("/?stage=skipped")).text) == 20
    assert total((await bob.get("/?reason=trivial")).text) == 20
    assert (await ada.post("/skips/undo", json={"ids": answer["ids"][:5]})).json() == {"back": 5}
    assert total((await ada.get("/?reason=trivial")).text) == 5


async def test_what_is_not_there_is_not_skipped(ada: httpx.AsyncClient) -> None:
    assert (await ada.post("/skips", json={"ids": ["item-unknown"]})).status_code == 200
    assert total((await ada.get("/?stage=skipped")).text) == 0


async def test_a_person_changes_their_name(ada: httpx.AsyncClient) -> None:
    assert (await ada.post("/me", json={"name": "  Grace O'Hopper <b> "})).json() == {"reviewer": "Grace O'Hopper <b>"}
    await ada.post("/decisions", json={"id": BATCH, "action": "accept", "ids": [number(1)]})
    page = (await ada.get("/?stage=decided")).text
    assert page.count("<bdi>Grace O&#39;Hopper &lt;b&gt;</bdi>") == 2  # in the header, and who decided


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "a\u202eb", "\x00", 7, None])
async def test_what_is_no_name_is_refused(ada: httpx.AsyncClient, name: Any) -> None:
    answer = await ada.post("/me", json={"name": name}, headers={"Accept": "application/json"})
    assert answer.status_code == 400, answer.text
    assert 'data-name="ada"' in (await ada.get("/")).text


async def test_the_list_says_who_looks_at_what(ada: httpx.AsyncClient, enter: Enter, store: RunStore) -> None:
    await Reviews(store).claim([number(1)], "bob")
    page = (await ada.get("/?sort=oldest")).text
    assert "<bdi>bob</bdi> looks at it now" in page
    assert "looks at it now" not in (await (await enter("bob")).get("/?sort=oldest")).text


async def test_hostile_text_stays_text(ada: httpx.AsyncClient, store: RunStore) -> None:
    evil = '"><img src=x onerror=alert(1)>{{7*7}}</script>'
    document = Document.of(f"{evil}.md", evil)
    chunk = Chunk.of(document.id, 0, 0, len(evil), evil, headings=(evil,))
    await store.add_documents([(document, [chunk])])
    await store.set_graph([Entity(id="entity-0", name=evil, type="x")], [], {})
    made = undrafted(900, chunks=(chunk.id,), error=evil, reasons=(evil,), attributes={"draw": evil, "kind": evil})
    await put(store, (900, made))
    for path in ("/?sort=newest", "/bars", f"/?{urlencode({'reason': evil})}", "/?entity=entity-0", "/?bars=1"):
        for headers in ({}, FRAGMENT):
            text = (await ada.get(path, headers=headers)).text
            assert "<img" not in text
            assert "</script>{" not in text
            assert text.count("onerror=alert(1)") == text.count("&lt;img src=x onerror=alert(1)&gt;")


def test_the_keys_of_the_docs_are_those_of_the_pages() -> None:
    text = (DOCS / "review.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `")]
    for page, column in (("item", 1), ("queue", 2)):
        told = {key for row in rows if len(row) == 3 and row[column].strip() for key in re.findall("`([^`]+)`", row[0])}
        bound = {key for one in keys_of(page) for key in one.keys if not key.startswith("Arrow")}
        bound -= {"Escape", "o"}  # what every list and field does; another name of Enter
        assert bound <= told, f"docs/review.md says nothing of {bound - told} on the {page} page"
