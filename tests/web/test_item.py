"""One item in a real browser: decided by keys and buttons, in every state and size; two people at once."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from browser import NARROW, People, path_of, shot
from item_page import IDS, MORE, QUEUE, Run, at, enter, sent
from item_states import AGAIN, STATES, fill
from playwright.async_api import Route, expect
from served import served_here

from gristmill.storage.records import Item
from gristmill.storage.reviews import Action, Review, Reviews
from gristmill.storage.store import RunStore

# Tests name `run` before `people`: so the pages are closed before their server ends.


@pytest_asyncio.fixture(loop_scope="session")
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    store = RunStore.open(tmp_path / "run")
    await fill(store, *MORE)
    await store.close()
    async with served_here(tmp_path / "run") as place:
        yield Run(place)


async def test_ten_decisions_with_ten_keys(run: Run, people: People) -> None:
    page = await enter(people, run)
    for number in range(10):
        await at(page, IDS[number])
        await page.keyboard.press("a" if number % 2 else "r")
    await at(page, IDS[10])
    assert path_of(page) == f"/items/{IDS[10]}{QUEUE}"
    await sent(page)
    for number in range(10):
        assert run.actions(IDS[number]) == ["accept" if number % 2 else "reject"]
        assert run.history(IDS[number])[0].reviewer == "ada"


async def test_undo_goes_back_to_what_was_decided_last(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("a")
    await at(page, IDS[1])
    await page.keyboard.press("s")
    await at(page, IDS[2])
    await page.keyboard.press("u")
    await at(page, IDS[1])
    await page.keyboard.press("u")
    await at(page, IDS[0])
    await run.comes_to(IDS[0], "accept", "undo")
    await sent(page)
    await page.keyboard.press("u")
    await expect(page.get_by_text("there is nothing to take back")).to_be_visible()
    await page.keyboard.press("r")
    await at(page, IDS[1])
    await run.comes_to(IDS[0], "accept", "undo", "reject")


async def test_buttons_do_what_keys_do(run: Run, people: People) -> None:
    page = await enter(people, run, size=NARROW)
    await page.get_by_role("button", name="Next item").click()
    await at(page, IDS[1])
    await page.get_by_role("button", name="Previous item").click()
    await at(page, IDS[0])
    await page.get_by_role("button", name=re.compile("^Accept")).click()
    await at(page, IDS[1])
    await page.get_by_role("button", name=re.compile("^Undo")).click()
    await at(page, IDS[0])
    await run.comes_to(IDS[0], "accept", "undo")


async def test_a_note_sends_an_item_back(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("b")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("say what should change")).to_be_visible()
    await page.keyboard.type("say which valve; a and r are only letters here")
    await page.keyboard.press("Control+Enter")
    await at(page, IDS[1])
    await run.comes_to(IDS[0], "send_back")
    assert run.history(IDS[0])[0].note == "say which valve; a and r are only letters here"


async def test_an_edit_shows_its_changes_and_keeps_its_text(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("e")
    answer = page.get_by_role("textbox", name="assistant")
    await expect(answer).to_be_focused()
    await answer.fill('It shuts at 5 bar. <img src=x onerror="alert(1)">')
    live = page.get_by_role("region", name="What you changed in the assistant message")
    await expect(live.locator("del")).to_have_text(["closes"])
    await expect(live.locator("ins").first).to_have_text("shuts")
    await page.keyboard.press("Escape")
    await expect(answer).to_be_hidden()
    await page.keyboard.press("e")
    await expect(answer).to_have_value(re.compile("^It shuts"))
    await page.reload()  # as after a crash
    await at(page, IDS[0])
    await expect(answer).to_be_visible()
    await expect(answer).to_have_value(re.compile("^It shuts"))
    await expect(live.locator("del")).to_have_text(["closes"])
    await shot(page, "item-edit", whole=True)
    await answer.focus()
    await page.keyboard.press("Control+Enter")
    await at(page, IDS[1])
    await run.comes_to(IDS[0], "edit")
    assert run.history(IDS[0])[0].messages[1].content.startswith("It shuts at 5 bar. <img")
    assert run.history(IDS[0])[0].messages[0] == MORE[0][1].messages[0]


async def test_a_rejection_with_other_reasons(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("R")
    await expect(page.get_by_role("checkbox", name="unclear")).to_be_checked()
    await page.get_by_role("checkbox", name="unclear").uncheck()
    await page.get_by_role("checkbox", name="trivial").check()
    await page.get_by_label("Further codes").fill("off_topic, ")
    await page.keyboard.press("Control+Enter")
    await at(page, IDS[1])
    await run.comes_to(IDS[0], "reject")
    assert run.history(IDS[0])[0].reasons == ("trivial", "off_topic")


async def test_a_precedent_is_marked_before_or_after_the_decision(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("p")
    await expect(page.get_by_text("a precedent, once you decide")).to_be_visible()
    await page.keyboard.press("r")
    await expect(page.get_by_label("Why (may stay empty)")).to_be_focused()  # the critic learns from the note
    await page.keyboard.type("anybody knows it")
    await page.keyboard.press("Control+Enter")
    await at(page, IDS[1])
    await run.comes_to(IDS[0], "reject", "precedent")
    assert run.history(IDS[0])[0].note == "anybody knows it"
    await sent(page)
    await page.goto(f"{run.served.origin}/items/{IDS[0]}")
    await at(page, IDS[0])
    await page.keyboard.press("p")
    await run.comes_to(IDS[0], "reject", "precedent", "no_precedent")
    await page.keyboard.press("p")  # it has a note: nothing is asked
    await run.comes_to(IDS[0], "reject", "precedent", "no_precedent", "precedent")


async def test_a_mark_on_a_decision_without_a_note_asks_for_one(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("a")
    await at(page, IDS[1])
    await sent(page)
    await page.keyboard.press("k")
    await at(page, IDS[0])
    await page.keyboard.press("p")
    await expect(page.get_by_label("The decision has no note")).to_be_focused()
    assert run.actions(IDS[0]) == ["accept"]
    await page.keyboard.type("it names the valve")
    await page.keyboard.press("Control+Enter")
    await run.comes_to(IDS[0], "accept", "precedent")
    assert run.history(IDS[0])[1].note == "it names the valve"
    await expect(page.get_by_role("heading", name="Make a precedent")).to_be_hidden()
    await sent(page)
    await page.keyboard.press("u")  # the decision, with its mark
    await run.comes_to(IDS[0], "accept", "precedent", "undo")


async def test_shift_accepts_with_a_note_and_the_plain_key_without(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("A")
    await expect(page.get_by_label("Why is it good?")).to_be_focused()
    await page.keyboard.type("asks for a cause")
    await page.reload()
    await at(page, IDS[0])
    await page.get_by_label("Why is it good?").focus()
    await expect(page.get_by_label("Why is it good?")).to_have_value("asks for a cause")
    await page.keyboard.press("Control+Enter")
    await at(page, IDS[1])
    await page.keyboard.press("a")
    await run.comes_to(IDS[1], "accept")
    assert [run.history(one)[0].note for one in IDS[:2]] == ["asks for a cause", ""]


async def test_what_was_done_and_what_is_left_is_said(run: Run, people: People) -> None:
    page = await enter(people, run)
    said = page.get_by_role("status").and_(page.locator("#said"))
    await expect(said).to_have_text(re.compile(r"^\s*12 left\s*$"))
    await page.keyboard.press("a")
    await expect(said).to_have_text(re.compile("^accepted: “When does .*”. u takes it back.  ?11 left"))
    await at(page, IDS[1])
    await page.keyboard.press("s")
    await expect(said).to_have_text(re.compile("^skipped: .* 10 left"))
    await at(page, IDS[2])
    await page.keyboard.press("u")
    await expect(said).to_have_text(re.compile("^taken back: skipped: .* 11 left"))
    await sent(page)
    await page.reload()
    await expect(said).to_contain_text("11 left")


@pytest.mark.parametrize("who", ["bob", "ada"])
async def test_what_is_decided_already_is_overruled_by_the_second_press_alone(
    run: Run, people: People, who: str
) -> None:
    store = RunStore.join(run.served.folder)
    await Reviews(store).add(
        Review(id="the-first", item=IDS[0], action=Action.ACCEPT, reviewer=who, at="2026-01-01T00:00:00Z")
    )
    await store.close()
    page = await enter(people, run)
    await page.keyboard.press("r")
    name = "you have" if who == "ada" else "bob has"
    await expect(page.get_by_text(f'{name} decided this item: accepted. "r" once more overrules that.')).to_be_visible()
    await page.keyboard.press("a")  # another key is another question
    await expect(page.get_by_text('"a" once more overrules that')).to_be_visible()
    assert run.actions(IDS[0]) == ["accept"]
    await page.keyboard.press("a")
    await run.comes_to(IDS[0], "accept", "accept")


async def test_undo_is_one_notion_on_items_and_in_the_list(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("a")
    await at(page, IDS[1])
    await page.get_by_role("link", name="Queue").click()
    await page.goto(f"{run.served.origin}/{QUEUE}")
    row = page.locator(f'.row[data-id="{IDS[1]}"]')
    await row.locator(".open").focus()
    await page.keyboard.press("r")
    await expect(row.locator(".outcome")).to_contain_text("rejected")
    await page.goto(f"{run.served.origin}/items/{IDS[4]}{QUEUE}")
    await at(page, IDS[4])
    await page.keyboard.press("u")  # what the list did last
    await run.comes_to(IDS[1], "reject", "undo")
    await at(page, IDS[1])
    await page.goto(f"{run.served.origin}/{QUEUE}")
    await expect(row).to_be_visible()
    await page.keyboard.press("u")  # what the item's page did before
    await run.comes_to(IDS[0], "accept", "undo")
    await expect(page.locator("#said")).to_contain_text("taken back: accepted")
    await page.keyboard.press("u")
    await expect(page.get_by_text("there is nothing to take back: no decision of yours stands")).to_be_visible()


async def test_undo_finds_what_was_decided_elsewhere_and_asks_first(run: Run, people: People) -> None:
    store = RunStore.join(run.served.folder)
    await Reviews(store).add(
        Review(id="typed", item=IDS[3], action=Action.ACCEPT, reviewer="ada", at="2026-01-01T00:00:00Z")
    )
    await store.close()
    page = await enter(people, run)
    await page.keyboard.press("u")
    await expect(page.get_by_text(f"Your last decision: accept on {IDS[3]}")).to_be_visible()
    assert run.actions(IDS[3]) == ["accept"]
    await page.keyboard.press("u")
    await run.comes_to(IDS[3], "accept", "undo")
    await at(page, IDS[3])


async def test_a_held_key_is_one_decision(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.down("a")
    for _ in range(5):
        await page.keyboard.down("a")  # the browser says that these repeat
    await at(page, IDS[1])
    for _ in range(5):
        await page.keyboard.down("a")
    await page.keyboard.up("a")
    await sent(page)
    assert run.actions(IDS[0]) == ["accept"]
    assert run.actions(IDS[1]) == []


async def test_a_key_for_an_item_that_is_not_in_view_is_refused_aloud(run: Run, people: People) -> None:
    page = await enter(people, run)
    there = asyncio.Event()

    async def hold(route: Route) -> None:
        await there.wait()
        await route.continue_()

    await page.goto(run.served.origin + "/")  # so that nothing is fetched ahead
    await page.route("**/items/*?*", hold)
    going = asyncio.ensure_future(page.goto(f"{run.served.origin}/items/{IDS[4]}"))  # no query: it passes
    await going
    await at(page, IDS[4])
    await page.evaluate("history.replaceState({}, '', location.pathname + '?reason=unclear&sort=oldest')")
    await page.keyboard.press("a")
    if await page.get_by_text("on its way").count():
        await page.keyboard.press("r")
        await expect(page.get_by_text('"r" was not taken: the next item is not here yet')).to_be_visible()
    there.set()
    await page.wait_for_selector("article[data-ready=yes]")
    await sent(page)
    assert run.actions(IDS[4]) == ["accept"]
    assert [one for one in IDS if run.actions(one)] == [IDS[4]]


async def test_an_item_that_another_person_looks_at_needs_its_key_twice(run: Run, people: People) -> None:
    ada = await enter(people, run)
    bob = await people.enter(run.served, "/")
    await bob.get_by_role("button", name=re.compile("You decide as")).click()
    await bob.get_by_label("Your name").fill("bob")
    await bob.get_by_role("button", name="Use this name").click()
    await expect(bob.locator("#who")).to_have_text(re.compile("bob"))
    await bob.goto(f"{run.served.origin}/items/{IDS[0]}{QUEUE}")
    await at(bob, IDS[0])
    await expect(bob.get_by_role("alert").filter(has_text="ada looks at this item now")).to_be_visible()
    await shot(bob, "item-held")
    await bob.keyboard.press("r")
    await expect(bob.get_by_text('"r" once more decides all the same')).to_be_visible()
    assert run.actions(IDS[0]) == []
    await bob.keyboard.press("r")
    await run.comes_to(IDS[0], "reject")
    assert run.history(IDS[0])[0].reviewer == "bob"
    await ada.keyboard.press("j")
    await ada.wait_for_selector("article[data-ready=yes]")
    assert (await ada.locator("article").get_attribute("data-id")) != IDS[0]


async def test_the_end_of_the_queue_says_so(run: Run, people: People) -> None:
    page = await enter(people, run, STATES["failed"][1].id, "?status=failed&sort=oldest")
    await page.keyboard.press("a")
    await expect(page.get_by_text("there is no draft to accept")).to_be_visible()
    await page.keyboard.press("r")
    await at(page, STATES["poison"][1].id)
    await page.keyboard.press("r")
    await expect(page.get_by_text("Nothing more waits here.")).to_be_visible()
    await page.keyboard.press("r")
    await expect(page.get_by_text('"r" was not taken')).to_be_visible()
    await page.keyboard.press("u")
    await at(page, STATES["poison"][1].id)
    await run.comes_to(STATES["poison"][1].id, "reject", "undo")


async def test_keys_can_be_turned_off_and_help_says_them(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("a")  # not while the help is open
    await page.get_by_role("checkbox", name="single keys act").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("a")
    await page.reload()
    await at(page, IDS[0])
    await page.keyboard.press("a")
    assert run.actions(IDS[0]) == []
    await expect(page.locator("article")).to_have_attribute("data-id", IDS[0])


async def test_the_search_is_one_key_away(run: Run, people: People) -> None:
    page = await enter(people, run)
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    assert "reason=unclear" in page.url


@pytest.mark.parametrize("name", [*STATES, "again"])
@pytest.mark.parametrize(("size", "scheme"), [(NARROW, "dark"), ((1280, 860), "light")])
async def test_every_state_fits_the_window(
    run: Run, people: People, name: str, size: tuple[int, int], scheme: str
) -> None:
    item: Item = {**STATES, "again": AGAIN}[name][1]
    page = await enter(people, run, item.id, "", size=size, scheme=scheme)
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
    await shot(page, f"item-{name}-{scheme}", whole=True)


async def test_what_is_cited_comes_into_view_within_its_pane(run: Run, people: People) -> None:
    page = await enter(people, run, size=(1280, 420))
    pane = page.locator(".passage > .text").first
    await page.evaluate(
        "import('/static/item_source.js').then(({ bringCitedIntoView }) => { const pane = document.querySelector"
        "('.passage > .text'); pane.style.maxHeight = '5rem'; pane.scrollTop = 0; bringCitedIntoView(document); })"
    )
    await page.wait_for_function("document.querySelector('.passage > .text').scrollTop > 0")
    frame, cited = await pane.bounding_box(), await pane.locator("mark.cited").first.bounding_box()
    assert frame
    assert cited
    assert frame["y"] <= cited["y"] < frame["y"] + frame["height"]
    assert await page.evaluate("scrollY") == 0
    legend = page.locator(".legend")
    await expect(legend).to_have_text(re.compile("filled: cited by the item; dashed: what a verdict points at"))


async def test_a_verdict_leads_to_its_draft(run: Run, people: People) -> None:
    page = await enter(people, run)
    first = page.locator("details", has=page.locator("#draft-1"))
    await expect(first).not_to_have_attribute("open", "")
    await page.locator(".verdict").get_by_role("link", name="draft 1").click()
    await expect(first).to_have_attribute("open", "")
    await expect(page.locator("#draft-1")).to_be_in_viewport()
    await page.keyboard.press("a")
    await at(page, IDS[1])
    assert "#" not in page.url


async def test_the_pages_diff_gives_both_texts_back(run: Run, people: People) -> None:
    page = await enter(people, run)
    dice = random.Random(5)
    pairs = [["".join(dice.choices("ab .\né<", k=dice.randrange(14))) for _ in range(2)] for _ in range(3000)]
    pairs += [["a " * 50_000, "a b " * 25_000], ["gone", ""]]
    wrong = await page.evaluate(
        """async (pairs) => {
          const { wordDiff } = await import("/static/diff.js");
          const all = (pieces, not) => pieces.filter(([kind]) => kind !== not).map(([, text]) => text).join("");
          const right = (d, a, b) => all(d, "ins") === a && all(d, "del") === b;
          return pairs.filter(([a, b]) => !right(wordDiff(a, b), a, b));
        }""",
        pairs,
    )
    assert wrong == []
