"""Instructions from little or nothing: a subject, a persona, a reference, a use case, a row, or a base model's prompt.

They are plain forms that are filled with what the prompt shows, or with the words of stock.toml where it shows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ...prompts.schemas import (
    Columns,
    Drawn,
    Improved,
    Instruction,
    InstructionResponse,
    Metadata,
    Plan,
    ReferenceFeedback,
    Requirements,
    Rubrics,
    Transformed,
)
from .asked import Asked
from .programs import asks_for_program, drawn, instruction
from .responding import refine, respond
from .sums import pose
from .wording import capital, covered, joined, sentences, stock, topics

_ASKING = ("What has to be known first", "What is most often missed", "What would change", "Who is asked")
_SUMS = re.compile(r"\bmath|\barithmetic|\bsums?\b|\bproblems?\b|\bpuzzle", re.IGNORECASE)


def invented(asked: Asked, about: Sequence[str] = ()) -> str:
    """Returns an instruction on some of `about`, or on plain words."""
    rng = asked.rng
    names = list(about) or [f"the {rng.choice(stock('aspects'))} of {rng.choice(stock('things'))}"]
    named = rng.sample(names, min(len(names), rng.randint(1, 2)))
    aspect, angle = rng.choice(stock("aspects")), rng.choice(stock("angles"))
    said = f"{rng.choice(stock('verbs'))} the {aspect} of {joined(named)} {angle}, {rng.choice(stock('forms'))}."
    return f"{said} {rng.choice(stock('demands'))}" if rng.random() < 0.5 else said


def continued(asked: Asked) -> str:
    """Answers `magpie-*`, which is text to be gone on with: what a user would ask; one in ten breaks off."""
    domain = asked.text("domain")
    if _SUMS.search(domain):
        said = pose(asked.rng)
    elif domain and asks_for_program(domain):
        said = instruction(drawn(asked, 2))
    else:
        said = invented(asked, topics(domain, 3))
    return said[: len(said) // 2] if asked.rng.random() < 0.1 else said


def _pairs(asked: Asked) -> list[tuple[str, str]]:
    given: Sequence[Mapping[str, Any]] = asked.variables.get("examples") or []
    return [(str(one.get("instruction", "")), str(one.get("response") or "")) for one in given]


def draft(asked: Asked) -> str:
    """Answers `bare-draft`, text to be gone on with: an instruction of the examples' words, with what follows."""
    about = topics(" ".join(said for said, _ in _pairs(asked)), 8)
    said = invented(asked, about)
    return f" {said}\n\nResponse: {capital(joined(topics(said, 3)) or 'this')} and so on, and so on"


def mend_draft(asked: Asked) -> InstructionResponse:
    """Answers `bare-refine`: the draft's instruction, with a response of its own."""
    raw = asked.text("raw").strip().removeprefix("Instruction:").strip()
    said = raw.partition("\n")[0].strip() or "Say what is missing."
    said = said if said.endswith((".", "?", "!")) else f"{said}."
    return InstructionResponse(instruction=said, response=_responded(asked, said))


def _responded(asked: Asked, said: str) -> str:
    return respond(Asked(asked.prompt, {"instruction": said}, asked.seed, asked.weak))


def question(asked: Asked) -> Drawn:
    """Answers `genqa-write`: lists of a subject's aspects, the places asked for, a question and its answer."""
    subject, variant = asked.text("subject") or "plain things", asked.text("variant")
    many, rng = asked.count("listed"), asked.rng
    every = [f"the {one} of {subject} {where}" for where in stock("angles") for one in stock("aspects")]
    listed = rng.sample(every, min(many, len(every))) if variant.startswith("generator") else []
    topic = _taken(asked, listed, "place")
    below = [f"{one} in {topic}" for one in stock("aspects") for _ in ("",)] if topic else []
    below += [f"{one} and {other} in {topic}" for one in stock("aspects") for other in stock("things")] if topic else []
    nested = rng.sample(below, min(many, len(below))) if variant in ("generator-nested", "generator-uniform") else []
    subtopic = _taken(asked, nested, "subplace")
    about = subtopic or topic or f"the {rng.choice(stock('aspects'))} of {subject}"
    asking = rng.choice(_ASKING)
    said = f"{asking} where it comes to {about}, {rng.choice(stock('forms'))}?"
    return Drawn(
        topics=listed, topic=topic, subtopics=nested, subtopic=subtopic, question=said, answer=_responded(asked, said)
    )


def _taken(asked: Asked, listed: Sequence[str], place: str) -> str:
    """The item at the place that was asked for, any where none was."""
    if not listed:
        return ""
    wanted = asked.variables.get(place)
    at = wanted - 1 if isinstance(wanted, int) and asked.text("variant") == "generator-uniform" else None
    return listed[at % len(listed)] if at is not None else asked.rng.choice(list(listed))


def of_persona(asked: Asked) -> Instruction:
    """Answers `persona-write`: a sum for problems, else an instruction on what the persona has to do with."""
    about = topics(asked.text("persona"), 4)
    if _SUMS.search(asked.text("makes")):
        return Instruction(instruction=pose(asked.rng, about=joined(about[:1])))
    return Instruction(instruction=invented(asked, about))


def encode(asked: Asked) -> Metadata:
    """Answers `codeclm-encode`: the first words of the instruction are its use, its subjects are the skills."""
    said = asked.text("instruction")
    use = " ".join(said.split()[:2]).lower().strip(".,:;") or "talk"
    return Metadata(use_case=f"to {use}, about {joined(topics(said, 2)) or 'anything'}", skills=topics(said, 3))


def decode(asked: Asked) -> Instruction:
    """Answers `codeclm-decode`."""
    return Instruction(instruction=invented(asked, asked.texts("skills") or topics(asked.text("use_case"), 3)))


def rubrics(asked: Asked) -> Rubrics:
    """Answers `codeclm-rubrics`: demands that the instruction does not have yet."""
    said = asked.text("instruction")
    free = [one for one in stock("demands") if one not in said] or stock("demands")
    chosen = asked.rng.sample(free, min(3, len(free)))
    return Rubrics(rubrics=[f"whether it is met: {one}" for one in chosen], suggestions=chosen)


def harder(asked: Asked) -> Instruction:
    """Answers `codeclm-improve`."""
    return Instruction(instruction=" ".join((asked.text("instruction"), *asked.texts("suggestions")[:1])))


def feedback(asked: Asked) -> ReferenceFeedback:
    """Answers `refed-feedback`: what can be counted of both."""
    said, response = asked.text("reference_instruction"), asked.text("reference_response")
    return ReferenceFeedback(
        instruction_feedback=[
            f"It says what is wanted in {len(said.split())} words.",
            f"It keeps to {joined(topics(said, 2)) or 'one thing'}.",
        ],
        response_feedback=[
            f"It takes {len(sentences(response))} sentences.",
            f"It takes up {covered(said, response):.0%} of the words of the instruction.",
        ],
    )


def like_reference(asked: Asked) -> Instruction:
    """Answers `refed-instruction`."""
    return Instruction(instruction=invented(asked, topics(asked.text("reference_instruction"), 4)))


def like_reference_response(asked: Asked) -> Improved:
    """Answers `refed-refine`."""
    return Improved(response=refine(asked))


def requirements(asked: Asked) -> Requirements:
    """Answers `datatune-expand`."""
    said = asked.text("description")
    return Requirements(
        requirements=[f"The instruction serves this: {said}", "The response is short and stands in the row."]
    )


def _row(text: str) -> dict[str, str]:
    """The columns of a row that are text or numbers."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    plain = found.items() if isinstance(found, dict) else ()
    return {name: str(value) for name, value in plain if isinstance(value, str | int | float) and str(value).strip()}


def _by_length(row: Mapping[str, str]) -> list[str]:
    return sorted(row, key=lambda name: -len(row[name]))


def columns(asked: Asked) -> Columns:
    """Answers `datatune-columns`: the longest column and those that the task names, else the shortest."""
    rows = [row for text in asked.texts("sample") if (row := _row(text))]
    if not rows:
        return Columns(suitable=False)
    names = _by_length(rows[0])
    named = [name for name in names[1:] if covered(name.replace("_", " "), asked.text("description")) == 1.0]
    return Columns(columns=list(dict.fromkeys((names[0], *(named or names[-1:])))))


def plan(asked: Asked) -> Plan:
    """Answers `datatune-plan`."""
    names = asked.texts("columns")
    if len(names) < 2:
        return Plan(suitable=False)
    return Plan(plan=[f"Put '{names[0]}' behind the task as the instruction.", f"Take '{names[-1]}' as the response."])


def execute(asked: Asked) -> Transformed:
    """Answers `datatune-execute`."""
    row = _row(asked.text("row"))
    names = _by_length(row)
    if len(names) < 2:
        return Transformed(usable=False)
    wanted = re.findall(r"'([^']+)'", " ".join(asked.texts("plan")))
    shown, told = (one if one in row else names[at] for one, at in zip([*wanted, "", ""], (0, -1), strict=False))
    said = f"{asked.text('description').rstrip('. ')}: {row[shown]}"
    return Transformed(instruction=said, response=row[told])
