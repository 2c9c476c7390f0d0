"""What a run says in words: the books, why items were lost, an item's story, the end of a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..evals.agreement import Kappa, Share
from ..evals.agreement_report import RoundAgreement, rounds_of_people
from ..storage.changed import count_changed, told
from ..storage.people import People, Shift
from ..storage.records import Decision, Draft, Item, Span, Status, Verdict
from ..storage.returns import MARKS, NOTE, REFINES, Remake, remakes_of
from ..storage.reviews import Review, decision_of
from ..storage.samples import Samples
from ..storage.store import Books, RunStore
from ..storage.versions import stale_reason
from .planning.yields import MARK as DRAWS
from .planning.yields import NOTES, print_yields
from .prompt_versions import edited_prompts, print_edited
from .steering.ends import MARK as STEERING
from .steering.ends import print_steering

NEAR = 200  # characters of a passage that are shown before and after what is cited
ERROR = 240  # characters of an error in a summary; `show` has all of it
READ_ONCE = "documents are read once a run: to have them in, run the campaign with --refresh"
DECIDED = {"accept": "accepted", "edit": "edited", "reject": "rejected", "send_back": "sent back"}
STALE_WORDS = {
    "document_removed": "a document that it cites is no longer there",
    "evidence_changed": "what it cites is no longer in the document",
}
STYLES = {Status.ACCEPTED: "green", Status.REJECTED: "yellow", Status.FAILED: "red", Status.PENDING: "cyan"}


def status_of(store: RunStore) -> dict[str, Any]:
    """Returns everything that `gristmill status` shows, as JSON values."""
    books = store.books()
    campaign = store.mark("campaign") or {}
    people = People(store)
    people.look()
    return {
        "folder": str(store.folder),
        "name": campaign.get("name", store.folder.name),
        "recipe": campaign.get("recipe") or campaign.get("flow"),
        "target": campaign.get("target"),
        "budget": campaign.get("budget"),
        "worked_on_by": store.holder,
        "stop": store.mark("stop"),
        "spent": store.mark("spent"),
        "sample": None if (last := Samples(store).last()) is None else last.model_dump(mode="json"),
        "documents": store.mark("ingested"),
        "skipped": [dict(zip(("name", "reason", "detail"), row, strict=True)) for row in store.skipped()],
        "graph": store.mark("graph"),
        "entities": store.count("entities"),
        "relations": store.count("relations"),
        "calls_kept": store.count("calls"),
        "changed": count_changed(store),
        "prompts": {name: [one._asdict() for one in made] for name, made in edited_prompts(store).items()},
        "books": books_dict(books),
        "draws": store.mark(DRAWS),
        "steering": store.mark(STEERING),
        "notes": store.mark(NOTES),
        "people": people_dict(people.shift, books),
        "decisions": {**people.decisions, "undecided": people.undecided()},
        "reasons": [
            {"status": status, "reason": reason, "items": count} for (status, reason), count in store.reasons().items()
        ],
        "examples": {reason: store.example(status, reason) for status, reason in list(store.reasons())[:8]},
        "errors": errors_of(store),
        "agreement": [one.model_dump(mode="json") for one in rounds_of_people(store)],
    }


def errors_of(store: RunStore) -> dict[str, str]:
    """Returns one error text for each reason that tasks failed with, the most frequent first."""
    failed = [reason for status, reason in store.reasons() if status == Status.FAILED][:8]
    return {reason: store.item(store.example(Status.FAILED, reason)).error for reason in failed}


def books_dict(books: Books) -> dict[str, Any]:
    return {
        "planned": books.planned,
        "accepted": books.accepted,
        "rejected": books.rejected,
        "failed": books.failed,
        "pending": books.pending,
        "balanced": books.balanced,
    }


def people_of(store: RunStore) -> Shift:
    """Returns by how much people moved a run's counts."""
    people = People(store)
    people.look()
    return people.shift


def people_dict(shift: Shift, books: Books) -> dict[str, Any]:
    """What people did, and `counted`: the items that count as accepted, towards a target and in an export."""
    return {**asdict(shift), "counted": books.accepted + shift.total, "text": shift.described}


def print_status(console: Console, status: dict[str, Any]) -> None:
    """Prints what `status_of` returned."""
    console.print(Text(f"{status['name']}  ({status['folder']})", style="bold"))
    pid, stop = status["worked_on_by"], status["stop"]
    if pid is not None:
        console.print(Text(f"running, process {pid}", style="green"))
    elif stop:
        console.print(Text(f"stopped: {stop['text']}"))
    else:
        console.print(Text("not running, and not finished: the same `gristmill run` command goes on", style="yellow"))
    found = status["documents"]
    if found:
        graph = f"; {status['entities']} entities, {status['relations']} relations" if status["entities"] else ""
        console.print(
            Text(f"{found['documents']} documents, {found['chunks']} chunks, {found['tokens']:,} tokens{graph}")
        )
    for row in status["skipped"][:20]:
        console.print(Text(f"  skipped {row['name']}: {row['reason']}: {row['detail']}", style="yellow"))
    if any(row["reason"] == "missing_extra" for row in status["skipped"]):
        console.print(Text(f"  {READ_ONCE}", style="yellow"))
    if len(status["skipped"]) > 20:
        console.print(Text(f"  and {len(status['skipped']) - 20} more skipped; --json lists them", style="yellow"))
    if status["graph"] and status["graph"]["failed"]:
        console.print(Text(f"  chunks without extraction: {status['graph']['failed']}", style="yellow"))
    print_extraction(console, (status["graph"] or {}).get("extraction") or {})
    print_books(console, status["books"])
    print_people(console, status["people"])
    print_changed(console, status["changed"])
    print_edited(console, status["prompts"])
    print_decisions(console, status["decisions"])
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("status", "reason", "items", "example"):
        table.add_column(column, justify="right" if column == "items" else "left")
    for row in status["reasons"]:
        style = STYLES[Status(row["status"])]
        example = status["examples"].get(row["reason"], "")
        table.add_row(Text(row["status"], style=style), Text(row["reason"] or "-"), str(row["items"]), Text(example))
    if status["reasons"]:
        console.print(table)
    print_yields(console, status["draws"])
    print_steering(console, status["steering"])
    print_errors(console, status["errors"])
    print_rounds(console, [RoundAgreement.model_validate(one) for one in status["agreement"]])
    spent = status["spent"]
    if spent:
        console.print(
            Text(
                f"spent {spent['tokens']:,} tokens, ${spent['usd']:.4f}, {spent['seconds']:.0f} s; "
                f"{status['calls_kept']} replies are kept"
            )
        )


def print_extraction(console: Console, extraction: dict[str, Any]) -> None:
    """Prints what a graph's extraction cost for each token of the source, and how many chunks gave nothing."""
    if extraction.get("empty"):
        console.print(Text(f"  chunks that were read and gave nothing: {extraction['empty']}", style="yellow"))
    if extraction.get("per_source_token"):
        ratio, passes = extraction["per_source_token"], extraction["passes"] / extraction["measured"]
        console.print(Text(f"  extraction: {ratio:.2f} tokens for each of the source, in {passes:.2f} passes a chunk"))


def print_errors(console: Console, errors: dict[str, str]) -> None:
    """Prints what failed tasks say, one example a reason, each on one line."""
    for reason, error in errors.items():
        text = " ".join(error.split())
        console.print(Text(f"  {reason}: {text[:ERROR]}{'…' if len(text) > ERROR else ''}", style="red"))


def print_rounds(console: Console, rounds: Sequence[RoundAgreement]) -> None:
    """Prints how far critics and people agreed, round by round, where people have judged."""
    for one in rounds:
        told = f", {one.precedents} precedents" if one.precedents else ""
        if not one.judged:
            console.print(Text(f"round {one.round}{told}: nothing is judged yet", style="dim"))
            continue
        console.print(
            Text(
                f"round {one.round}{told}: people judged {one.judged}, agreed on {share_words(one.agreed)}; "
                f"{kappa_words(one.kappa)}"
            )
        )


def share_words(found: Share) -> str:
    """Words a share with its interval: `80% (55 to 93)`; `-` of nothing."""
    return "-" if found.value is None else f"{found.value:.0%} ({100 * found.low:.0f} to {100 * found.high:.0f})"


def kappa_words(found: Kappa) -> str:
    """Words a kappa with its interval, and why it is not defined or not to be trusted."""
    if found.value is None or found.low is None or found.high is None:
        return f"kappa is not defined: {found.note}"
    if found.note:  # of one side alone it is 0 whatever people decide, and so is its interval
        return f"kappa says nothing yet: {found.note}"
    value, low, high = (round(part, 2) + 0.0 for part in (found.value, found.low, found.high))  # no -0.00
    return f"kappa {value:.2f} ({low:.2f} to {high:.2f})"


def print_skipped(console: Console, skipped: list[tuple[str, str, str]]) -> None:
    """Prints how many documents were skipped by reason, with the first names; rows are name, reason, detail."""
    for reason, count in Counter(row[1] for row in skipped).most_common():
        rows = [row for row in skipped if row[1] == reason]
        names = ", ".join(row[0] for row in rows[:3]) + (f" and {count - 3} more" if count > 3 else "")
        console.print(
            Text(f"  {count} {'document' if count == 1 else 'documents'} skipped, {reason}: {names}", "yellow")
        )
        if reason == "missing_extra":
            console.print(Text(f"    {rows[0][2]}; {READ_ONCE}", style="yellow"))


def print_books(console: Console, books: dict[str, Any]) -> None:
    """Prints the balance, as a sum that anybody can check."""
    line = Text(f"planned {books['planned']} = ")
    for index, status in enumerate((Status.ACCEPTED, Status.REJECTED, Status.FAILED, Status.PENDING)):
        line.append(" + " if index else "")
        line.append(f"{status.value} {books[status.value]}", style=STYLES[status])
    if not books["balanced"]:
        line.append("   THE BOOKS DO NOT BALANCE: please report this", style="bold red")
    console.print(line)


def print_people(console: Console, people: dict[str, Any]) -> None:
    """Prints what people's decisions add to the books, when there are any."""
    if people["text"]:
        console.print(Text(f"people: {people['text']}; {people['counted']} items count as accepted", style="cyan"))
    if people["stale"]:
        text = f"stale: {people['stale']} accepted items cite what is no longer in the documents; they do not count"
        console.print(Text(text, style="yellow"))


def print_changed(console: Console, items: int) -> None:
    """Prints how many items were drawn from entities that are others by now, when there are any."""
    if items:
        text = f"changed: {items} items were drawn from entities that were merged, split or lost since"
        console.print(Text(f"{text}; `gristmill review RUN --list --changed --stage all` lists them", style="yellow"))


def print_decisions(console: Console, decisions: dict[str, int]) -> None:
    """Prints how many items people decided, and how many wait for them, when there are any of either."""
    said = [f"{decisions[key]} {words}" for key, words in DECIDED.items() if decisions[key]]
    if said or decisions["undecided"]:
        console.print(Text(f"reviewed: {', '.join(said) or 'nothing'}; {decisions['undecided']} not decided"))


def print_item(
    console: Console, item: Item, store: RunStore, *, full: bool = False, history: Sequence[Review] = ()
) -> None:
    """Prints an item's story: its source, every draft with the verdicts on it, the decision, and what people did."""
    console.print(Text(f"{item.id}  {item.kind}", style="bold"), Text(item.status.value, style=STYLES[item.status]))
    attributes = {key: value for key, value in item.attributes.items() if key not in MARKS}  # told below, in words
    console.print(Text(f"task {item.task}  " + "  ".join(f"{key}={value}" for key, value in attributes.items())))
    for key in item.chunks:
        chunk = store.chunk(key)
        where = f"{store.document_name(chunk.document)}, characters {chunk.start} to {chunk.end}"
        console.print(Text(f"\nsource  {where}" + (f"  ({' > '.join(chunk.headings)})" if chunk.headings else "")))
        cited = [span for draft in item.drafts for span in draft.evidence if span.chunk == key]
        console.print(_passage(chunk.text, cited, full=full))
    for draft in item.drafts:
        _print_draft(console, draft, item)
        for verdict in item.verdicts:
            if verdict.draft == draft.index:
                _print_verdict(console, verdict)
    if not item.drafts:
        for verdict in item.verdicts:
            _print_verdict(console, verdict)
    console.print()
    if (stale := STALE_WORDS.get(stale_reason(store, item.id))) is not None:
        console.print(Text(f"stale  {stale}", style="yellow"))
    for mark in told(store, item.task):
        console.print(Text(f"changed  {mark.text}", style="yellow"))
    why = f" because {', '.join(item.reasons)}" if item.reasons else ""
    console.print(Text(f"decision  {item.status.value}{why}", style=STYLES[item.status]))
    if item.error:
        console.print(Text(f"error  {item.error}", style="red"))
    if item.raw:
        console.print(Text(f"raw reply\n{item.raw}", style="dim"))
    if origin := item.attributes.get(REFINES):
        console.print(Text(f"made again from {origin}, by the note “{item.attributes.get(NOTE, '')}”", style="cyan"))
    print_history(console, history)
    for one in remakes_of(item, history, store):
        console.print(Text(_remake_words(one), style="cyan"))
    usage = item.usage
    console.print(
        Text(
            f"cost  {usage.calls} calls ({usage.cached_calls} cached), {usage.input_tokens} tokens in, "
            f"{usage.output_tokens} out, ${usage.usd:.4f}",
            style="dim",
        )
    )
    made = [f"{name}@{version}" for name, version in item.prompts.items()]
    made += [f"{role}: {model}" for role, model in item.models.items()]
    if made:
        console.print(Text("made by  " + "  ".join(made), style="dim"))


def print_history(console: Console, history: Sequence[Review]) -> None:
    """Prints what people did with an item, the oldest first, with the wording that an edit gave it."""
    undone = {one.undoes for one in history if one.undoes}
    standing = decision_of(history)
    for one in history:
        line = Text(f"{one.at:%Y-%m-%d %H:%M}  {one.reviewer}: ", style="dim" if one.id in undone else "")
        line.append(one.action.value.replace("_", " "), style="bold" if one is standing else "")
        line.append(f" {', '.join(one.reasons)}" if one.reasons else "")
        line.append(f" “{one.note}”" if one.note else "")
        line.append(" (taken back)" if one.id in undone else "")
        console.print(line)
        for message in one.messages if one is standing else ():
            console.print(Text(f"  {message.role}: {message.content}"))


def _remake_words(one: Remake) -> str:
    if one.status is None:
        return f"will be made again as {one.item}: `gristmill run`, or workers that run now, take it up"
    if one.status is Status.PENDING:
        return f"is being made again as {one.item}: {one.task} is planned and has not ended"
    return f"made again as {one.item}: {one.status.value}"


def _passage(text: str, spans: list[Span], *, full: bool) -> Text:
    """The passage with what is cited underlined; unless `full`, only what stands near it."""
    passage = Text(text)
    for span in spans:
        passage.stylize("bold underline", span.start, span.end)
    if full:
        return passage
    start = max(0, min((span.start for span in spans), default=0) - NEAR)
    end = min(len(text), max((span.end for span in spans), default=NEAR) + NEAR)
    shown = Text("[…] ", style="dim") if start else Text()
    shown.append_text(passage[start:end])
    shown.append(" […]" if end < len(text) else "", style="dim")
    return shown


def _print_draft(console: Console, draft: Draft, item: Item) -> None:
    console.print(
        Text(f"\ndraft {draft.index + 1} by {draft.by}" + (f" ({draft.note})" if draft.note else ""), style="bold")
    )
    for message in draft.messages:
        console.print(Text(f"{message.role}: {message.content}"))
    for span in draft.evidence:
        console.print(Text(f"  cites {span.start}-{span.end}: “{span.quote}”", style="dim"))


def _print_verdict(console: Console, verdict: Verdict) -> None:
    styles = {Decision.ACCEPT: "green", Decision.REVISE: "cyan", Decision.REJECT: "yellow"}
    scores = ", ".join(f"{name} {value:.2f}" for name, value in verdict.scores.items())
    line = Text(f"  {verdict.by}: ")
    line.append(verdict.decision.value, style=styles[verdict.decision])
    line.append(f" {', '.join(verdict.reasons)}" if verdict.reasons else "")
    line.append(f"  [{scores}]" if scores else "", style="dim")
    console.print(line)
    if verdict.text:
        console.print(Text(f"    {verdict.text}", style="dim"))
