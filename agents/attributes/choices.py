"""Checks of what a model chose and copied: an entry of its own list, the end of a text, an example that it repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...evals.folding import words
from ...storage.records import Draft
from ..generator import CUT, FINISH
from ..names import name_key
from ..state import FlowState, Node
from ..verifiers.verifier import PASSED, Finding, missing, text_of, verifier
from .attributes import alike

TEMPLATE_MARKS = r"<\|[a-z_]+\|>|<(?:start|end)_of_turn>"  # of a chat template, in what should be a user's words

Texts = Callable[[FlowState], Sequence[str]]


def listed(field: str, *, among: str, place: str = "") -> Node:
    """Checks that a field is an entry of the draft's list `among` (`not_listed`).

    With `place`, an attribute of the task that counts from 1, it must be the entry there: `short_list` where the list
    ends before it, `wrong_choice` for another entry.
    """

    def check(draft: Draft, state: FlowState) -> Finding:
        text, entries = text_of(draft, field), draft.fields.get(among)
        if text is None or not isinstance(entries, list | tuple):
            return missing(among if text is not None else field)
        folded = [words(str(entry)) for entry in entries]
        if words(text) not in folded:
            return Finding(("not_listed",), f"'{field}' is no entry of '{among}'")
        number = state["task"].attributes.get(place)
        if not isinstance(number, int):
            return PASSED
        if not 1 <= number <= len(folded):
            return Finding(("short_list",), f"'{among}' has {len(folded)} entries, and entry {number} was asked for")
        if words(text) != folded[number - 1]:
            return Finding(("wrong_choice",), f"'{field}' is not entry {number} of '{among}'")
        return PASSED

    return verifier("listed", check, reads=("drafts", "task"))


def finished(field: str, *, whole: bool = True) -> Node:
    """Checks that a text has words (`empty`) and, if it is to be `whole`, that it was not cut off (`cut_off`)."""

    def check(draft: Draft, _: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        if not words(text):
            return Finding(("empty",), f"'{field}' has no words")
        if whole and draft.fields.get(FINISH) == CUT:
            return Finding(("cut_off",), f"'{field}' ended at the most tokens allowed")
        return PASSED

    return verifier("finished", check)


def names_all(field: str, *, of: Texts) -> Node:
    """Checks that a list names all of what the model was shown, up to spelling (`misses_entity`)."""

    def check(draft: Draft, state: FlowState) -> Finding:
        given = draft.fields.get(field)
        if not isinstance(given, list | tuple):
            return missing(field)
        named = {name_key(str(one)) for one in given}
        if absent := [text for text in of(state) if name_key(text) not in named]:
            return Finding(("misses_entity",), f"'{field}' lacks {', '.join(absent)}")
        return PASSED

    return verifier("names_all", check, reads=("drafts", "entities"))


def no_copy(field: str, *, of: Texts, exactly: bool = False) -> Node:
    """Checks that a field has not nearly the words of one of the texts that the model was shown (`copied`).

    With `exactly` only the same words in the same order count: for a text that was to be changed a little.
    """

    def check(draft: Draft, state: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        examples = [shown for shown in of(state) if words(shown)]  # a task without chunks has shown nothing
        if any(words(text) == words(shown) if exactly else alike(text, shown) for shown in examples):
            return Finding(("copied",), f"'{field}' nearly repeats an example")
        return PASSED

    return verifier("no_copy", check, reads=("drafts", "chunks", "task"))
