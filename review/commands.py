"""What `gristmill review` does. Options and help stand in cli.py."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.text import Text

from ..campaigns.folders import find_run
from ..campaigns.report import print_item
from ..campaigns.reviewer import reviewer_name
from ..campaigns.terminal import open_console, plain, print_json
from ..errors import ConfigError, StoreError
from ..evals.agreement_report import agreement_of
from ..models.redact import redact
from ..storage.changed import told
from ..storage.records import Message
from ..storage.returns import remakes_of
from ..storage.reviews import Action
from ..storage.store import RunStore
from .agreement_text import print_agreement
from .calls_text import print_calls
from .desk import Desk, Outcome, Wanted
from .exchange import argilla, incoming
from .exchange.argilla import record_of
from .exchange.incoming import Given, Refused, Taken
from .exchange.outgoing import handed, line_of, write_lines
from .item.calls import keys_of
from .listing import listed, pages_of, print_list
from .queue.index import ReviewIndex
from .queue.known import require_known
from .queue.query import Filters, Sort
from .web.site import minimum_of

MESSAGES = TypeAdapter(tuple[Message, ...])


def open_(
    run: Path,
    *,
    port: int,
    host: str,
    token: str,
    names: tuple[str, ...],
    reviewer: str,
    browser: bool,
    store: str,
) -> int:
    """Serves the pages of `run` until Ctrl-C."""
    from .web.serve import serve

    folder, url = find_run(run, store)
    who = reviewer_name(reviewer)
    asyncio.run(
        serve(
            folder,
            url,
            host=host,
            port=port,
            token=token,
            reviewer=who,
            names=names,
            browser=browser,
            console=open_console(),
        )
    )
    return 0


def list_(
    run: Path,
    *,
    sort: str,
    limit: int,
    after: str,
    ids: bool,
    as_json: bool,
    reviewer: str,
    store: str,
    **filters: Any,
) -> int:
    """Lists items of `run`."""
    wanted, who = filters_of(filters), reviewer_name(reviewer)
    with queue_of(run, store, wanted) as index:
        pages = pages_of(index, wanted, Sort(sort), reviewer=who, after=after, limit=limit)
        if ids:
            for page in pages:
                sys.stdout.writelines(f"{one.id}\n" for one in page.items)
            return 0
        total = index.count(wanted, reviewer=who)
        found = list(pages)
    items = [one for page in found for one in page.items]
    place = found[-1].next if found else ""
    if as_json:
        print_json({"total": total, "next": place, "items": [listed(one) for one in items]})
    else:
        print_list(open_console(), items, total, place)
    return 0


def show(run: Path, *, item: str, full: bool, raw: bool, as_json: bool, store: str) -> int:
    """Shows one item with what people decided, and, when `raw` is asked for, with what the models answered."""
    with reading(run, store) as opened:
        story = Desk(opened).story(opened.item(item).id)
        bodies = opened.replies(keys_of(story.item)) if raw else {}
        if not as_json:
            console = open_console()
            print_item(console, story.item, opened, full=full, history=story.history)
            if story.held_by:
                console.print(Text(f"{story.held_by} looks at it now", style="cyan"))
            if raw:
                print_calls(console, story.item, bodies)
            return 0
        made = remakes_of(story.item, story.history, opened)
        changed = told(opened, story.item.task)
    print_json(
        {
            "item": story.item.model_dump(mode="json"),
            "history": [one.model_dump(mode="json") for one in story.history],
            "decision": story.decision and story.decision.model_dump(mode="json"),
            "result": story.result.model_dump(mode="json"),
            "made_again": [one.model_dump(mode="json") for one in made],
            "changed": [one._asdict() for one in changed],
            "last": story.last,
            "held_by": story.held_by,
            **(
                {"replies": {key: redact(body.decode("utf-8", "replace")) for key, body in bodies.items()}}
                if raw
                else {}
            ),
        }
    )
    return 0


def decide(
    run: Path,
    *,
    action: str,
    items: tuple[str, ...],
    note: str,
    reasons: str,
    messages: Path | None,
    seen: str | None,
    as_json: bool,
    reviewer: str,
    store: str,
) -> int:
    """Decides items of `run`, given by their ids or the beginnings of these."""
    taken = Action(action.replace("-", "_"))
    given = _ids(items, stdin_is_taken=messages == Path("-"))
    if (messages is not None or seen is not None or taken is Action.EDIT) and len(given) != 1:
        raise ConfigError(f"{len(given)} items are given; an edit, --messages and --seen are for one item")
    if (messages is None) == (taken is Action.EDIT):
        raise ConfigError("the action edit goes with --messages FILE, and no other action does")
    wanted = {
        "action": taken,
        "reviewer": reviewer_name(reviewer),
        "seen": seen,
        "note": note,
        "reasons": tuple(code for code in (part.strip() for part in reasons.split(",")) if code),
        "messages": () if messages is None else read_messages(messages),
    }
    outcomes = asyncio.run(_decide(run, store, given, wanted))
    return _say_outcomes(given, outcomes, taken, as_json=as_json)


async def _decide(run: Path, store: str, given: list[str], wanted: dict[str, Any]) -> list[Outcome]:
    async with joining(run, store) as opened:
        found: dict[str, str] = {}
        refused: dict[str, str] = {}
        for key in given:
            try:
                found[key] = opened.item(key).id
            except StoreError as error:
                refused[key] = str(error)
        done = await Desk(opened).decide_all([Wanted(id, **wanted) for id in found.values()])
    outcomes = dict(zip(found, done, strict=True))
    return [outcomes[key] if key in outcomes else Outcome(None, refused[key]) for key in given]


def _say_outcomes(given: list[str], outcomes: list[Outcome], action: Action, *, as_json: bool) -> int:
    done = [one.event for one in outcomes if one.event is not None]
    refused = {key: one.why for key, one in zip(given, outcomes, strict=True) if one.event is None}
    if as_json:
        print_json({"events": [one.model_dump(mode="json") for one in done], "refused": refused})
    else:
        count = f"{len(done)} {'item' if len(done) == 1 else 'items'}"
        open_console().print(Text(f"{action.value.replace('_', ' ')}: {count}"))
    errors = open_console(stderr=True)
    for key, why in refused.items():
        errors.print(Text(f"refused {key}: {why}", style="yellow"))
    return 1 if refused else 0


def export(
    run: Path,
    *,
    out: Path,
    format_: str,
    sort: str,
    every: bool,
    limit: int | None,
    reviewer: str,
    store: str,
    **filters: Any,
) -> int:
    """Writes items of `run` for another tool."""
    if every:
        filters |= {"stage": "all", "status": ("accepted", "rejected", "failed")}
    wanted = filters_of(filters)
    with reading(run, store) as opened, queue_of(run, store, wanted) as index:
        items = handed(index, opened, wanted, Sort(sort), reviewer=reviewer_name(reviewer), limit=limit)
        made = record_of if format_ == "argilla" else line_of
        count = write_lines(out, (made(one) for one in items), array=format_ == "argilla")
    if out != Path("-"):
        open_console().print(Text(f"wrote {out}: {count} {'item' if count == 1 else 'items'}"))
    return 0


def import_(
    run: Path,
    *,
    file: Path,
    format_: str,
    users: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    reviewer: str,
    store: str,
) -> int:
    """Takes decisions in that were made elsewhere."""
    names = _names(users, format_)
    refused: list[dict[str, Any]] = []

    def say(one: Refused) -> None:
        if as_json:
            refused.append({"line": one.line, "item": one.item, "why": one.why})
        else:
            sys.stderr.write(plain(f"line {one.line}{f', {one.item}' if one.item else ''}: {one.why}\n"))

    with sys.stdin.buffer if file == Path("-") else file.open("rb") as opened:
        if format_ == "argilla":
            given = argilla.decisions_of(opened, names)
        else:
            given = incoming.decisions_of(incoming.lines_of(opened), reviewer_name(reviewer))
        taken = asyncio.run(_import(run, store, given, dry_run=dry_run, say=say))
    if as_json:
        print_json({**incoming.summary(taken), "refused": refused, "dry_run": dry_run})
    else:
        would = "would be " if dry_run else ""
        open_console().print(
            Text(
                f"{would}decided {taken.decided}, already there {taken.already}, not decided {taken.undecided}, "
                f"refused {taken.refused}"
            )
        )
    return 1 if taken.refused else 0


async def _import(
    run: Path, store: str, given: Iterable[Given], *, dry_run: bool, say: Callable[[Refused], None]
) -> Taken:
    async with joining(run, store) as opened:
        return await incoming.take_in(opened, given, dry_run=dry_run, say=say)


def _names(users: Iterable[str], format_: str) -> dict[str, str]:
    """Returns names by id of `ID=NAME`."""
    found: dict[str, str] = {}
    for one in users:
        id, equals, name = one.partition("=")
        if not (id and equals and name) or format_ != "argilla":
            raise ConfigError(f"--user {one}: give an id and a name, ID=NAME, with --format argilla")
        found[id] = name
    return found


def _ids(items: Iterable[str], *, stdin_is_taken: bool) -> list[str]:
    """Returns what was typed, with the lines of stdin in place of `-`; raises `ConfigError` for nothing."""
    found: list[str] = []
    for word in items:
        if word == "-" and stdin_is_taken:
            raise ConfigError("stdin cannot be both the ids and the messages; give one of them otherwise")
        found += [line.strip() for line in sys.stdin] if word == "-" else [word]
    ids = list(dict.fromkeys(word for word in found if word))
    if not ids:
        raise ConfigError("no ids are given; name items, or pipe their ids in for -")
    return ids


def read_messages(path: Path) -> tuple[Message, ...]:
    """Returns the messages of a JSON file: a list of role and content, or an object that has one as `messages`."""
    text = sys.stdin.buffer.read() if path == Path("-") else path.read_bytes()
    try:
        return MESSAGES.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(
            f"{path}: {where}: {first['msg']}; "
            f'give a list such as [{{"role": "user", "content": "..."}}, {{"role": "assistant", "content": "..."}}]'
        ) from None


def filters_of(given: dict[str, Any]) -> Filters:
    """Returns the options of a command line as filters; an option that was not given filters nothing.

    Raises:
        ConfigError: a value that cannot be.
    """
    known = {name: value for name, value in given.items() if value not in (None, "", ())}
    try:
        return Filters(**known)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise ConfigError(f"{option}: {first['msg']}") from None


@contextmanager
def reading(run: Path, store: str) -> Iterator[RunStore]:
    """The run, open for reading."""
    opened = RunStore.read(*find_run(run, store))
    try:
        yield opened
    finally:
        opened.close_reading()


@asynccontextmanager
async def joining(run: Path, store: str) -> AsyncIterator[RunStore]:
    """The run, open for decisions beside the process that works on it."""
    opened = RunStore.join(*find_run(run, store))
    try:
        yield opened
    finally:
        await opened.close()


@contextmanager
def queue_of(run: Path, store: str, wanted: Filters) -> Iterator[ReviewIndex]:
    """The run's queue, with what is new taken in; raises `ConfigError` for a value in `wanted` that the run lacks."""
    with reading(run, store) as opened, open_console(stderr=True).status("reading the run") as status:
        index = ReviewIndex(opened, minimum=minimum_of(opened.mark("campaign") or {}))
        try:
            index.refresh(lambda items: status.update(f"reading the run: {items:,} items"))
            status.stop()
            require_known(index, opened, wanted)
            yield index
        finally:
            index.close()


def agreement(run: Path, *, wanted: float, as_json: bool, store: str) -> int:
    """Prints how far critics and people agree in `run`."""
    opened = RunStore.read(*find_run(run, store))
    try:
        report = agreement_of(opened, wanted=wanted)
    finally:
        opened.close_reading()
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        print_agreement(open_console(), report)
    return 0
