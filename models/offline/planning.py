"""The prompts of plans for programs: observations, plans on them, pseudo-code, the program. A plan's idea is the way in
which the steps of the family in `programs` are carried out."""

from __future__ import annotations

import re

from ...prompts.schemas import Approach, Derived, MendedApproach, Observations, SameIdea
from .asked import Asked
from .programs import Step, steps_of
from .wording import listed

# a word that tells the idea → what can be seen of any problem of the family
IDEAS = {
    "expression": "One expression is enough: the steps stand inside each other.",
    "loop": "The steps can be kept in a list, and a loop carries them out one after another.",
    "helper": "Each step can be a helper function of its own that the main function calls.",
    "fold": "The steps can be folded from the left, as functools.reduce does it.",
    "recursion": "The first step can be done and the rest left to recursion.",
    "class": "A class can hold the value between the steps.",
}
SPECIAL = (
    "An empty value is a special case.",
    "A value with one part alone is a special case.",
    "The value that is given must not change.",
    "Equal parts must not be lost by the way.",
    "The result has another type than what is given.",
    "The order of the steps matters.",
)
_SIGNATURE = re.compile(r"\b([A-Za-z_]\w{0,40})\(([A-Za-z_]\w{0,40}(?:,\s*[A-Za-z_]\w{0,40}){0,5})\)")
_SUM = re.compile(r"\b(?:adds?|sums?|together|plus|total)\b", re.IGNORECASE)
_PRODUCT = re.compile(r"\b(?:times|multipl\w+|product)\b", re.IGNORECASE)


def observations(asked: Asked) -> Observations:
    """Answers `plansearch-observe`: the ideas in an order by chance, then special cases."""
    ideas = asked.rng.sample(list(IDEAS.values()), len(IDEAS))
    return Observations(observations=[*ideas, *asked.rng.sample(SPECIAL, len(SPECIAL))][: asked.count()])


def derived(asked: Asked) -> Derived:
    """Answers `plansearch-derive`."""
    special = asked.rng.sample(SPECIAL, min(asked.count(), len(SPECIAL)))
    first = " ".join(asked.texts("combination")[:1])
    return Derived(derived=[f"{one} This holds too where {first[:1].lower()}{first[1:]}" for one in special])


def plan(asked: Asked) -> Approach:
    """Answers `plansearch-plan`: the observations, quoted, and the steps that the problem asks for."""
    told = [step.phrase for step in steps_of(asked.text("problem"))] or ["does with the arguments what is asked for"]
    rests = " ".join(f"“{one}”" for one in (*asked.texts("combination"), *asked.texts("insights")))
    return Approach(plan=f"This rests on {rests} The program {', then '.join(told)}, and gives back what comes of it.")


def mended(asked: Asked) -> MendedApproach:
    """Answers `plansearch-mend`: another idea in place of the one of the plan."""
    before = asked.text("plan")
    own = idea_of(before)
    other = asked.rng.choice([name for name in IDEAS if name != own])
    plan_ = before.replace(IDEAS[own], IDEAS[other])
    if plan_ == before:
        plan_ = f"This rests on “{IDEAS[other]}” {before}"
    return MendedApproach(critique=f"The {own} hides where it goes wrong.", plan=plan_)


def idea_of(text: str) -> str:
    """Returns the idea that a plan rests on, the first that it names; `expression` where it names none."""
    low = text.lower()
    places = {name: low.find(said.lower()) for name, said in IDEAS.items()}
    return min((name for name, at in places.items() if at >= 0), key=places.__getitem__, default="expression")


def same(asked: Asked) -> SameIdea:
    """Answers `same-idea`."""
    first, second = idea_of(asked.text("first")), idea_of(asked.text("second"))
    return SameIdea(reason=f"one rests on {first}, the other on {second}", same=first == second)


def pseudocode(asked: Asked) -> str:
    """Answers `plansearch-pseudocode`."""
    told = [step.phrase for step in steps_of(asked.text("problem"))] or ["what is asked for"]
    return listed([f"by {idea_of(asked.text('plan'))}: the program {one}" for one in told] + ["give it back"])


def code(asked: Asked) -> str:
    """Answers `plansearch-code`: the steps that the problem asks for, carried out as the plan says."""
    problem = asked.text("problem")
    signature = _SIGNATURE.search(problem)
    name = signature[1] if signature else "solve"
    named = [one.strip() for one in signature[2].split(",")] if signature else ["it"]
    codes = _expressions(problem, named, steps_of(problem))
    if len(codes) > 1 and asked.slips():
        codes = codes[:-1]
    elif asked.slips():
        codes = [*codes, "it if it else None"]
    body = _carried_out(idea_of(asked.text("plan")), codes)
    head = f"def {name}({', '.join(named)}):\n    it = {named[0]}"
    return f"```python\nfrom functools import reduce\n\n\n{head}\n{body}\n```"


def _expressions(problem: str, named: list[str], steps: list[Step]) -> list[str]:
    """Returns what is to be done with `it`, the first argument, as expressions: steps of the family, else a sum or a
    product of the arguments and of the figures that the problem names."""
    if steps:
        return [step.code for step in steps]
    sign = " * " if _PRODUCT.search(problem) else " + " if _SUM.search(problem) else ""
    figures = re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)", problem)
    return [sign.join(("it", *named[1:], *figures))] if sign else ["it"]


def _carried_out(idea: str, codes: list[str]) -> str:
    """Returns the body of the function, in the way that `idea` says."""
    steps = ", ".join(f"lambda it: {code}" for code in codes)
    ways = {
        "loop": ["for step in [{0}]:", "    it = step(it)", "return it"],
        "fold": ["return reduce(lambda value, step: step(value), [{0}], it)"],
        "helper": ["def helper(it, step):", "    return step(it)", "",
                   "for step in [{0}]:", "    it = helper(it, step)", "return it"],
        "recursion": ["def rest(it, steps):", "    return rest(steps[0](it), steps[1:]) if steps else it", "",
                      "return rest(it, [{0}])"],
        "class": ["class Held:", "    def __init__(self, value):", "        self.value = value", "",
                  "    def do(self, step):", "        self.value = step(self.value)", "        return self", "",
                  "held = Held(it)", "for step in [{0}]:", "    held.do(step)", "return held.value"],
    }  # fmt: skip
    lines = ways.get(idea) or [*(f"it = {code}" for code in codes), "return it"]
    return "\n".join(f"    {line.replace('{0}', steps)}" if line else "" for line in lines)
