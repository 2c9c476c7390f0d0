"""Items in every state that a run may leave them in, with their documents and graph, for the tests of their page."""

from __future__ import annotations

from typing import Any

from gristmill.storage.records import (
    Chunk,
    Decision,
    Document,
    Draft,
    Entity,
    Item,
    Message,
    Relation,
    Span,
    Status,
    Task,
    Usage,
    Verdict,
    content_id,
)
from gristmill.storage.store import RunStore

FILLER = "Fittings are inspected every spring, and worn ones are replaced before the season begins. "
CLOSES = "The relief valve closes at 5 bar, once the pressure has fallen."
OPENS = "It opens at 7 bar."
SPARE = "Spare springs are kept in the yellow cabinet."
TEXT = f"# Valves\n\n{FILLER * 12}{CLOSES} {OPENS} {FILLER * 30}{SPARE} {FILLER * 4}"
DOCUMENT = Document.of("manuals/valves.md", TEXT, sections=((0, 1, "Valves"),))
FIRST = Chunk.of(DOCUMENT.id, 0, 0, 3000, TEXT[:3000], headings=("Valves", "Relief"))
SECOND = Chunk.of(DOCUMENT.id, 1, 3000, len(TEXT), TEXT[3000:], headings=("Valves", "Spares"))


def span(quote: str, chunk: Chunk = FIRST) -> Span:
    start = chunk.text.index(quote)
    return Span(chunk=chunk.id, start=start, end=start + len(quote), quote=quote)


def asked(question: str, answer: str) -> tuple[Message, ...]:
    return (Message(role="user", content=question), Message(role="assistant", content=answer))


VALVE = Entity(id="entity-valve", name="relief valve", type="part", mentions=(span("relief valve"),))
BAR = Entity(id="entity-bar", name="5 bar", type="quantity")
SPRING = Entity(id="entity-spring", name="spring <b>&amp;", type="part")
CLOSES_AT = Relation(id="relation-closes", source=VALVE.id, target=BAR.id, type="closes at")
HOLDS = Relation(id="relation-holds", source=SPRING.id, target=VALVE.id, type="holds")

QUESTION = "When does the relief valve close?"
DRAFTS = (
    Draft(index=0, by="generator", messages=asked(QUESTION, "It closes at 7 bar."), evidence=(span(OPENS),)),
    Draft(
        index=1,
        by="refiner",
        messages=asked(QUESTION, "It closes at 5 bar."),
        evidence=(span(CLOSES),),
        note="the pressure was wrong",
        prompt="write-question-answer@000000000000",
        model="small",
    ),
)
VERDICTS = (
    Verdict(by="critic", draft=0, decision=Decision.REVISE, reasons=("ungrounded",), scores={"grounded": 0.1}),
    Verdict(
        by="critic",
        draft=1,
        decision=Decision.REJECT,
        reasons=("trivial",),
        scores={"grounded": 1.0, "nontrivial": 0.31},
        text="Grounded, but anybody knows it.",
        evidence=(span(CLOSES), Span(chunk=FIRST.id, start=0, end=4, quote="nowhere to be found")),
    ),
    Verdict(by="judge:relevance", draft=1, decision=Decision.ACCEPT, scores={"relevance": 0.8}),
)


def made(name: str, **fields: Any) -> tuple[Task, Item]:
    """An item of a task of its own; by default a rejected one with two drafts."""
    task = Task.of(
        "pair",
        chunks=(FIRST.id, SECOND.id),
        entities=(SPRING.id, VALVE.id, BAR.id),
        relations=(HOLDS.id, CLOSES_AT.id),
        attributes={"name": name},
    )
    values: dict[str, Any] = {
        "status": Status.REJECTED,
        "reasons": ("trivial",),
        "messages": DRAFTS[1].messages,
        "fields": {"question": QUESTION, "answer": "It closes at 5 bar.", "n": 2**70},
        "chunks": task.chunks,
        "entities": task.entities,
        "evidence": DRAFTS[1].evidence,
        "attributes": {"draw": task.kind, "name": name},
        "drafts": DRAFTS,
        "verdicts": VERDICTS,
        "prompts": {"judge-question-answer": "000000000000", "gone": "111111111111"},
        "models": {"critic": "large", "generator": "small"},
        "usage": Usage(calls=5, cached_calls=1, input_tokens=4321, output_tokens=210, usd=0.0123, seconds=2.5),
    }
    return task, Item(id=content_id("item", task.id, 0), task=task.id, **{"kind": "qa", **values, **fields})


NOTHING: dict[str, Any] = {"messages": (), "fields": {}, "evidence": (), "drafts": (), "verdicts": ()}
RAW = "<html><h1>502 Bad Gateway</h1><script>alert(1)</script></html>"
HTML = "the server answered with HTML"
STATES: dict[str, tuple[Task, Item]] = {
    "rejected": made("rejected"),
    "accepted": made("accepted", status=Status.ACCEPTED, reasons=()),
    "failed": made(
        "failed",
        **NOTHING,
        status=Status.FAILED,
        reasons=("bad_reply",),
        error=HTML,
        raw=RAW,
    ),
    "poison": made(
        "poison", **NOTHING, status=Status.FAILED, reasons=("poison",), error="3 workers ended while they worked on it"
    ),
    "without messages": made("without messages", **NOTHING, reasons=("unsuitable",)),
    "without source": made("without source", chunks=("chunk-gone",), entities=("entity-gone",), evidence=()),
}
AGAIN = made(
    "again", attributes={"draw": "pair", "refines": STATES["rejected"][1].id, "reviewer_note": "say <i>which</i> valve"}
)


async def fill(store: RunStore, *more: tuple[Task, Item]) -> None:
    """Puts all states, and `more`, into a run."""
    await store.add_documents([(DOCUMENT, [FIRST, SECOND])])
    await store.set_graph([VALVE, BAR, SPRING], [CLOSES_AT, HOLDS], {})
    pairs = [*STATES.values(), AGAIN, *more]
    await store.plan([task for task, _ in pairs])
    for task, item in pairs:
        await store.finish(task.id, item.status, [item])
