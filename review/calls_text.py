"""The calls behind an item as lines in the terminal, with the raw replies."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from ..storage.records import Item
from .item.calls import Asked, Step, said_without, steps_of


def print_calls(console: Console, item: Item, bodies: Mapping[str, bytes]) -> None:
    """Prints each step of `item` with its calls: prompt, model, tokens, cost, time, and the reply as received.

    `bodies` are the kept replies by key. A console of `campaigns.terminal` shows control characters in them as
    signs.
    """
    for step in steps_of(item, bodies):
        console.print(Text(f"\n{title_of(step)}", style="bold"))
        for one in step.calls:
            console.print(Text(f"  {line_of(item, one)}", style="dim"))
            _print_reply(console, one)
    if why := said_without(item):
        console.print(Text(f"\n{why}", style="dim"))


def title_of(step: Step) -> str:
    """Returns what a step was for, in words."""
    if step.what == "draft" and step.draft is not None:
        return f"draft {step.draft + 1} by {step.by}"
    if step.what == "verdict":
        return f"verdict of {step.by}" + (f" on draft {step.draft + 1}" if step.draft is not None else "")
    return step.by or "a call"


def line_of(item: Item, one: Asked) -> str:
    """Returns what the books say of a call."""
    call, (tokens_in, tokens_out) = one.call, one.tokens
    version = item.prompts.get(call.prompt, "")
    parts = [
        f"{call.prompt}@{version}" if version else call.prompt,
        f"{call.role}: {one.model}" if one.model else call.role,
        f"{tokens_in:,} tokens in, {tokens_out:,} out, ${call.usd:.4f}, {call.seconds:.2f} s",
        "from the cache" if call.cached else "",
        f"failed: {call.error}" if call.error else "",
    ]
    return "  ".join(part for part in parts if part)


def _print_reply(console: Console, one: Asked) -> None:
    if one.why:
        console.print(Text(f"  {one.why}", style="yellow"))
    if (reply := one.reply) is None:
        return
    for thought in reply.thoughts:
        console.print(Text(f"(its thoughts)\n{thought}", style="dim"))
    for text in (*reply.texts, *([reply.whole] if reply.whole else ())):
        console.print(Text(text))
    if reply.cut:
        console.print(Text(f"[{reply.cut:,} more characters]", style="dim"))
