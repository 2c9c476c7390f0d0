"""Instructions on a text, carried out on it: facets, agents' instructions, harder ones, examples after a few shots.

What an instruction asks for is told by cue words (`figures`, `how many`, `one sentence`); it is done by counting and by
taking text out. What has no cue is answered with the sentences that share most words with the instruction.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...prompts.schemas import Facet, Facets, Instruction, Judgement, Output, Proposal, Suggestions, TaskSample
from .asked import Asked
from .questions import candidates
from .responding import respond
from .sentences import NUMBER, content_stems, numbers, words
from .wording import capital, covered, joined, judged, listed, noted, sentences, stock, topics

_FACETS = (
    ("figures", "List every figure that the text gives, with the words around it."),
    ("length", "Count the sentences of the text and answer with the number alone."),
    ("subject", "Name the three things that the text speaks of most, as a list."),
    ("gist", "Shorten the text to the one sentence that says most about {0}."),
    ("mention", "Copy every sentence of the text that names {0}."),
    ("question", "Write a question that the text answers, and its answer behind it."),
    ("notes", "Turn the text into notes without filler words."),
    ("words", "Count the words of the text and answer with the number alone."),
    ("order", "Say what the text begins with and what it ends with."),
    ("names", "List the names in the text, as a list, those about {0} first."),
)  # fmt: skip
_WAYS: tuple[tuple[str, Callable[[str, str], str]], ...] = (
    (r"\bcopy\b.*\bsentences?\b", lambda text, said: _naming(text, said)),
    (r"\bcount\b.*\bsentences|how many sentences", lambda text, said: str(len(sentences(text)))),
    (r"\bcount\b.*\bwords|how many words", lambda text, said: str(len(words(text)))),
    (r"\bfigures?\b|\bnumbers?\b|\bamounts?\b|\bcalculation", lambda text, said: listed(_figures(text))),
    (r"\bshorten|one sentence|summar|\bgist\b", lambda text, said: _nearest(text, said, 1)),
    (r"\bnotes?\b|\bshort lines", lambda text, said: listed([noted(one) for one in sentences(text)])),
    (r"\bnames?\b|things that the text|\blist\b", lambda text, said: listed(topics(text, 6))),
    (r"begins with|\border\b|\bsteps?\b", lambda text, said: _ends(text)),
    (r"\bquestions?\b", lambda text, said: _question(text)),
)  # fmt: skip


def carried_out(text: str, said: str) -> str:
    """Returns what an instruction makes of a text, empty where the text has nothing for it."""
    if not text.strip():
        return ""
    for cue, way in _WAYS:
        if re.search(cue, said, re.IGNORECASE | re.DOTALL):
            return way(text, said)
    return _nearest(text, said, 2)


def _figures(text: str) -> list[str]:
    return [noted(one).rstrip(".") for one in sentences(text) if NUMBER.search(one)]


def _naming(text: str, said: str) -> str:
    """The sentences that have what the instruction names last; those that are nearest where none has it."""
    name = said.rstrip(". ").rpartition(" names ")[2] or (topics(text, 1) or [""])[0]
    return " ".join(one for one in sentences(text) if name.lower() in one.lower()) or _nearest(text, said, 2)


def _nearest(text: str, said: str, count: int) -> str:
    """The sentences that share most words with `said`, or its own subjects, in the text's order."""
    asked = content_stems(said) | content_stems(" ".join(topics(text, 3)))
    found = sentences(text)
    best = sorted(found, key=lambda one: -len(content_stems(one) & asked))[:count]
    return " ".join(one for one in found if one in best)


def _ends(text: str) -> str:
    found = sentences(text)
    return f"It begins with this: {found[0]} It ends with this: {found[-1]}"


def _question(text: str) -> str:
    found = next((one for one in candidates(text) if one.score > 0.5), None)
    return f"{found.question} {capital(found.answer)}." if found else ""


def facets(asked: Asked) -> Facets:
    """Answers `name-facets`."""
    names = topics(asked.text("passage"), 3) or ["its subject"]
    drawn = asked.rng.sample(_FACETS, min(asked.count(), len(_FACETS)))
    return Facets(
        facets=[
            Facet(facet=facet, instruction=said.format(names[at % len(names)]))
            for at, (facet, said) in enumerate(drawn)
        ]
    )


def match(asked: Asked) -> Proposal:
    """Answers `match-instruction`: what has a cue can be done, or what shares words with the text."""
    passage, said = asked.text("passage"), asked.text("instruction")
    known = any(re.search(cue, said, re.IGNORECASE | re.DOTALL) for cue, _ in _WAYS)
    about = (topics(passage, 1) or ["the text"])[0]
    suitable = bool(carried_out(passage, said)) and (known or covered(said, passage) > 0.2)
    return Proposal(suitable=suitable, topic=about, angle=f"what the text says of {about}")


def carry_out(asked: Asked) -> Output:
    """Answers `carry-out-instruction`; a slip does only half of it."""
    return Output(output=_slipped(asked, carried_out(asked.text("passage"), asked.text("instruction"))))


def answer(asked: Asked) -> Output:
    """Answers `answer-instruction`: on its input where it has one, else as any instruction is responded to."""
    text, said = asked.text("input"), asked.text("instruction")
    return Output(output=_slipped(asked, carried_out(text, said)) if text else respond(asked))


def _slipped(asked: Asked, output: str) -> str:
    return output[: len(output) // 2].rstrip() if len(output) > 40 and asked.slips() else output


def write(asked: Asked) -> Instruction:
    """Answers `write-instruction`: what the agent is said to ask for, as a demand on what the text is about."""
    said = re.sub(
        r"^(?:asks? for|asks? to|asks?|gives?|states?|is|poses?|writes?)\s+", "", asked.text("agent").rstrip(". ")
    )
    first = asked.text("agent").split(" ", 2)
    names = topics(asked.text("source"), 4) or ["the subject"]
    about = asked.rng.sample(names, min(2, len(names)))
    verb = "" if first[:2] == ["asks", "to"] else "Write " if first[:1] == ["is"] else "Give "
    if said.split(" ", 1)[0] in ("what", "which", "why", "how", "who", "something", "whether"):
        verb = "Say "
    return Instruction(instruction=f"{capital(f'{verb}{said}')}, with regard to {joined(about)}.")


def harder(asked: Asked) -> Suggestions:
    """Answers `suggest-harder`."""
    name = (topics(asked.text("source"), 3) or ["the subject"])[-1]
    return Suggestions(suggestions=[*asked.rng.sample(stock("demands"), 2), f"Leave {name} out of it."])


def edit(asked: Asked) -> Instruction:
    """Answers `edit-instruction`: the first suggestion behind the instruction."""
    said = asked.text("instruction").rstrip()
    new = [one for one in asked.texts("suggestions") if one not in said]
    return Instruction(instruction=f"{said} {new[0]}" if new else said)


def from_shots(asked: Asked) -> TaskSample:
    """Answers `write-from-shots`: a question that the text answers, about as long an answer as the shots have."""
    passage = asked.text("passage")
    found = [one for one in candidates(passage) if one.kind in ("definition", "fact", "number", "cause", "list")]
    found = [one for one in found if one.score > 0.5]
    if not found:
        return TaskSample(suitable=False)
    chosen = asked.rng.choice(found[:8])
    shots = asked.variables.get("shots") or []
    lengths = [len(str(one.get("output", "")).split()) for one in shots if isinstance(one, dict)]
    long = bool(lengths) and sum(lengths) / len(lengths) > 4
    told = sentences(passage)[chosen.evidence[0]] if long else f"{capital(chosen.answer)}."
    return TaskSample(instruction=chosen.question, output=told)


def judge(asked: Asked) -> Judgement:
    """Answers `judge-instruction`: is the output of the text's words and figures, and whole, and is it of the
    instruction's sort."""
    passage, said, output = (asked.text(name) for name in ("passage", "instruction", "output"))
    own = covered(output, f"{passage} {said}")
    counted = bool(re.search(r"\bcount\b", said, re.IGNORECASE))
    wrong = numbers(output) - numbers(f"{passage} {said}") if not counted else set()
    wrong -= {str(number) for number in range(10)}
    cut = len(output) > 40 and not output.rstrip().endswith((".", "!", "?", '"')) and "\n" not in output
    clear = len(said.split()) > 3 and said.rstrip().endswith((".", "?", "!"))
    if counted and output.strip() != carried_out(passage, said):
        own = 0.0
    source = bool(asked.variables.get("needs_source", True))
    leans = not source and bool(re.search(r"\bthe text\b|\bthe passage\b", said))
    correct = (own if source else 0.5 + 0.5 * own) * (0.4 if wrong or cut else 1.0)
    scores = {"correct": correct, "valid": 0.9 if clear and not leans else 0.4}
    faults = {
        "ungrounded": correct < 0.55 and not cut and not wrong, "incorrect": bool(wrong), "too_short": cut,
        "unclear": not clear, "unanswerable": leans,
    }  # fmt: skip
    return judged(scores, faults)
