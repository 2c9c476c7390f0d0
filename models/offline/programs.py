"""Programming instructions and the programs that do them, of one small family: what can be done to a list or a text.

A program is put together of the steps whose cue words its instruction has, so it does what is asked for as far as these
words say it; some leave a step out on purpose (`Asked.slips`). Plans differ in how a step is carried out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .asked import Asked


@dataclass(frozen=True)
class Step:
    """One thing that is done to a value: how it is asked for, the words that tell it, and how Python does it.

    takes: `numbers`, `words` (a list of texts), `text` or `number`; `gives` likewise. `code` is an expression of `it`.
    """

    phrase: str
    cues: str
    takes: str
    gives: str
    code: str


STEPS = (
    Step("leaves out the odd numbers", r"\beven\b|odd", "numbers", "numbers", "[one for one in it if one % 2 == 0]"),
    Step("squares each number", r"squar", "numbers", "numbers", "[one * one for one in it]"),
    Step("doubles each number", r"doubl|twice", "numbers", "numbers", "[2 * one for one in it]"),
    Step("sorts the numbers", r"sort\w*(?: \w+){0,3} (?:numbers|list|integers)|ascending", "numbers", "numbers",
         "sorted(it)"),
    Step("keeps each number once", r"\bonce\b|duplicat|unique|distinct", "numbers", "numbers",
         "list(dict.fromkeys(it))"),
    Step("turns the list round", r"revers\w*(?: \w+){0,2} list|list round", "numbers", "numbers", "it[::-1]"),
    Step("adds the numbers up", r"\badds?\b(?: \w+){0,3} up|\bsums?\b|total", "numbers", "number", "sum(it)"),
    Step("finds the largest number", r"larg|\bmax|greatest|biggest|highest", "numbers", "number", "max(it)"),
    Step("finds the smallest number", r"small|\bmin(?:imum)?\b|least|lowest", "numbers", "number", "min(it)"),
    Step("counts the numbers", r"counts? (?:the )?(?:numbers|elements|items)|how many", "numbers", "number", "len(it)"),
    Step("finds the longest word", r"longest", "words", "text", "max(it, key=len)"),
    Step("sorts the words", r"sorts?\b.*\b(?:words|names)|alphabet", "words", "words", "sorted(it)"),
    Step("counts the words", r"counts? (?:the )?words|number of words", "text", "number", "len(it.split())"),
    Step("counts the vowels", r"vowel", "text", "number", "sum(one in 'aeiou' for one in it.lower())"),
    Step("turns the text round", r"revers|round|backward", "text", "text", "it[::-1]"),
    Step("writes the text in capitals", r"capital|upper", "text", "text", "it.upper()"),
    Step("tells whether it is a palindrome", r"palindrom", "text", "number", "it == it[::-1]"),
)  # fmt: skip
SAMPLES = {
    "numbers": "[4, 7, 2, 7, 10]",
    "words": "['mill', 'weir', 'harbour']",
    "text": "'a mill at the weir'",
    "number": "7",
}
CHANGES = (
    "For an empty list or text it returns None.",
    "The value that is given stays as it was.",
    "Do not use a library.",
    "It also prints how long the value is.",
    "Say in its docstring what it takes and gives.",
    "Show it on two examples.",
)
_CODE = re.compile(r"\b(?:function|program|python|method|script|code|class|def|implement)\b|\w+\(", re.IGNORECASE)
_FENCED = re.compile(r"```(?:python)?\n(.*?)```", re.DOTALL)


def asks_for_program(text: str) -> bool:
    """Whether an instruction asks for a program."""
    return _CODE.search(text) is not None


def steps_of(text: str) -> list[Step]:
    """Returns the steps that an instruction asks for, in its order, each after one that gives what it takes."""
    low = text.lower()
    told = [(match.start(), number) for number, step in enumerate(STEPS) if (match := re.search(step.cues, low))]
    kept: list[Step] = []
    for _, number in sorted(told):
        step = STEPS[number]
        if not kept or kept[-1].gives == step.takes:
            kept.append(step)
    return kept


def instruction(steps: list[Step], change: str = "") -> str:
    """Returns the instruction that asks for these steps."""
    takes = {"numbers": "a list of numbers", "words": "a list of words", "text": "a text", "number": "a number"}
    told = ", then ".join(step.phrase for step in steps)
    return f"Write a Python function that takes {takes[steps[0].takes]} and {told}.{' ' if change else ''}{change}"


def drawn(asked: Asked, count: int) -> list[Step]:
    """Draws steps that can follow each other, `count` at most."""
    made = [asked.rng.choice(STEPS)]
    while len(made) < count:
        fitting = [step for step in STEPS if step.takes == made[-1].gives and step not in made]
        if not fitting:
            break
        made.append(asked.rng.choice(fitting))
    return made


def program(steps: list[Step], name: str = "work", note: str = "") -> str:
    """Returns a program of these steps, with an example that it prints."""
    lines = [f"def {name}(it):"]
    if note:
        lines.append(f'    """{note}"""')
    lines += [f"    it = {step.code}  # {step.phrase}" for step in steps]
    lines += ["    return it", "", "", f"print({name}({SAMPLES[steps[0].takes]}))"]
    return "\n".join(lines)


def solution(asked: Asked, wanted: str) -> str:
    """Returns a response with the program that `wanted` asks for, or one that says that it is missing."""
    steps = steps_of(wanted)
    if not steps:
        return "No step of this is known.\n\n```python\nraise NotImplementedError('no step of this is known')\n```"
    if len(steps) > 1 and asked.slips():
        steps = steps[:-1]
    told = ", then ".join(step.phrase for step in steps)
    return f"The function {told}.\n\n```python\n{program(steps)}\n```"


def code_of(response: str) -> str:
    """Returns the fenced program of a response, empty where there is none."""
    found = _FENCED.search(response)
    return found[1] if found else ""
