"""Texts with labels: writes them, tells their class, lists what classes have. A class is known by its words alone.

The writer puts words of its class's name and definition into plain forms, where a model would show it without naming
it; the reader looks for these words. So both agree, but for a share in which the writer slips to another class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...prompts.schemas import (
    Attributes,
    Classes,
    ClassLabel,
    ClassText,
    Contexts,
    InstanceSeeds,
    Rationales,
    Switch,
    Values,
)
from .asked import Asked
from .sentences import content_stems, words
from .wording import capital, joined, sentences, stock, topics

_MOODS = ("positive", "negative", "neutral")
_FORMS = (
    "In {0} {1} spoke of the {2}: {3}.", "{1} wrote from {0} about the {2}, and called it {3}.",
    "What {1} saw of the {2} in {0} was {3}.", "On the {2} there is one thing to say: {3}. {1} said so in {0}.",
    "{3}: that is how {1} put the {2} in {0}.", "It was about the {2}, said {1} in {0}, and it was {3}.",
)  # fmt: skip
_REASONS = (
    "It speaks of {0} at its beginning.", "It says {0} of somebody.", "Its last sentence is about {0}.",
    "It sets {0} against what is usual.", "It tells of {0} without a reason.", "It asks for more of {0}.",
)  # fmt: skip


def signs(label: str, definition: str = "") -> list[str]:
    """Returns the words that tell a class: of its name, of its mood where it is called by one, of its definition."""
    low = label.replace("_", " ").replace("-", " ").lower()
    mood = next((stock(one) for one in _MOODS if one in low), [])
    told = [word.lower() for word in words(definition) if len(word) > 4]
    return list(dict.fromkeys((*(mood or words(low)), *told)))


def _sentence(asked: Asked, told: Sequence[str], about: str = "") -> str:
    """Returns a sentence of plain words with `told` in it."""
    rng = asked.rng
    place, person = rng.choice(stock("places")), rng.choice(stock("people"))
    what = about or rng.choice(stock("things"))
    said = joined(list(told)) or "as ever"
    return ". ".join(map(capital, rng.choice(_FORMS).format(place, person, what, said).split(". ")))


def _shown(asked: Asked, label: str, definition: str = "", others: Sequence[str] = ()) -> str:
    """Returns the words by which a text shows its class, or those of another class where the answer slips."""
    told = signs(others[0] if others and asked.slips() else label, "" if others else definition)
    return joined(asked.rng.sample(told, min(2, len(told)))) or label


def class_text(asked: Asked) -> ClassText:
    """Answers `write-class-text`: what is required, then the words of the class."""
    label = asked.text("class_name")
    wanted = [one.partition(":")[2].strip() or one for one in asked.texts("requirements")]
    about = " and ".join(topics(" ".join(wanted), 2)) or asked.rng.choice(stock("things"))
    text = _sentence(asked, [_shown(asked, label, others=asked.texts("confusable"))], about)
    return ClassText(text=f"{text} {capital(', '.join(wanted))}." if wanted else text)


def values(asked: Asked) -> Values:
    """Answers `list-class-values`: the class beside plain words."""
    label, dimension = asked.text("class_name"), asked.text("dimension")
    named = [f"{label} {word}" for word in asked.rng.sample(stock("aspects"), len(stock("aspects")))]
    moods = asked.rng.sample(stock("angles"), len(stock("angles")))
    return Values(values=(moods if "place" in dimension or "time" in dimension else named)[: asked.count()])


def similar(asked: Asked) -> Classes:
    """Answers `similar-classes`: those that share letters with the class, the first of them."""
    own = set(asked.text("class_name").lower())
    others = sorted(asked.texts("others"), key=lambda one: (-len(own & set(one.lower())), one))
    return Classes(classes=others[: asked.count()])


def _classes(asked: Asked) -> list[tuple[str, frozenset[str]]]:
    given: Sequence[Mapping[str, Any]] = asked.variables.get("classes") or []
    named = [(str(one.get("name", "")), str(one.get("definition", ""))) for one in given]
    return [(name, content_stems(" ".join(signs(name, definition)))) for name, definition in named]


def _ranked(asked: Asked) -> list[tuple[int, str]]:
    """The classes by how many of their words the text has, most first."""
    text = content_stems(asked.text("text"))
    return sorted(((-len(text & told), name) for name, told in _classes(asked)), key=lambda one: one[0])


def label(asked: Asked) -> ClassLabel:
    """Answers `label-text`: the class whose words the text has; of equal ones the label that was given, else the one
    that the text's length says, for want of anything better."""
    ranked = _ranked(asked)
    if not ranked:
        return ClassLabel(reason="no classes are listed", label="")
    best = [name for count, name in ranked if count == ranked[0][0]]
    given = asked.text("given_label")
    chosen = given if given in best else best[len(asked.text("text")) % len(best)]
    return ClassLabel(reason=f"{-ranked[0][0]} words of it are in the text", label=chosen)


def guess(asked: Asked) -> ClassLabel:
    """Answers `guess-label`: chance decides, with the odds that the words give."""
    ranked = _ranked(asked)
    weights = [1 - 3 * count for count, _ in ranked]
    return ClassLabel(label=asked.rng.choices([name for _, name in ranked], weights)[0] if ranked else "")


def decompose(asked: Asked) -> Attributes:
    """Answers `cotam-decompose`."""
    text = asked.text("passage")
    return Attributes(
        attributes=[
            f"subject: {joined(topics(text, 2)) or 'none'}",
            f"length: {len(words(text))} words",
            f"form: {len(sentences(text))} sentences",
        ]
    )


def propose_switch(asked: Asked) -> Switch:
    """Answers `cotam-propose`."""
    was, to = asked.text("source_label"), asked.text("label")
    return Switch(changes=[f"leave out what is {joined(signs(was)[:3])}", f"say that it is {joined(signs(to)[:2])}"])


def switched(asked: Asked) -> ClassText:
    """Answers `cotam-rewrite`: the text without the words that are to go, with those of the label; a slip keeps it."""
    changes = asked.texts("changes")
    gone = content_stems(changes[0].removeprefix("leave out what is ")) if changes else frozenset()
    told = joined(asked.rng.sample(signs(asked.text("label")), min(2, len(signs(asked.text("label"))))))
    kept = [word for word in asked.text("passage").split() if not content_stems(word) & gone]
    text = " ".join(kept).rstrip(".!? ")
    if asked.slips():
        return ClassText(text=f"{text}, all told.")
    return ClassText(text=f"{text}, and all of it is {told}.")


def contexts(asked: Asked) -> Contexts:
    """Answers `targen-contexts`: places, then people in places."""
    places = asked.rng.sample(stock("places"), len(stock("places")))
    more = [f"{person} at {place}" for person in stock("people") for place in places]
    return Contexts(contexts=[*places, *more][: asked.count()])


def instance_seeds(asked: Asked) -> InstanceSeeds:
    """Answers `targen-seeds`."""
    where = asked.text("context")
    every = [f"{capital(who)} speaks of the {what} at {where}." for who in stock("people") for what in stock("things")]
    return InstanceSeeds(seeds=asked.rng.sample(every, min(len(every), asked.count())))


def on_seed(asked: Asked) -> ClassText:
    """Answers `targen-write`."""
    told = _shown(asked, asked.text("label"), asked.text("definition"))
    return ClassText(text=f"{asked.text('instance_seed')} It is {told}, {asked.rng.choice(stock('angles'))}.")


def rationales(asked: Asked) -> Rationales:
    """Answers `s3-rationales`."""
    told = signs(asked.text("label"), asked.text("definition")) or ["it"]
    every = [form.format(word) for word in told for form in _REASONS]
    return Rationales(rationales=asked.rng.sample(every, min(len(every), asked.count())))


def by_reason(asked: Asked) -> ClassText:
    """Answers `s3-write`: the label's words, and those of the reason."""
    told = signs(asked.text("label"), asked.text("definition"))
    named = [word for word in told if word in asked.text("rationale").lower()]
    return ClassText(text=_sentence(asked, named or told[:2]))


def after_mistake(asked: Asked) -> ClassText:
    """Answers `s3-extrapolate`: some words of the text that was mistaken, and the label's own."""
    shared = topics(asked.text("passage"), 6)
    asked.rng.shuffle(shared)
    told = signs(asked.text("label"), asked.text("definition"))[:2]
    return ClassText(text=f"{_sentence(asked, told)} There were {joined(shared[:3]) or 'no others'} besides.")


def practice(asked: Asked) -> ClassText:
    """Answers `practice-write`: half of the words of each of two texts that are hard to tell, and the label's own."""
    given: Sequence[Mapping[str, Any]] = asked.variables.get("examples") or []
    told = signs(asked.text("label"), asked.text("definition"))[:1]
    mixed = [word for one in given[:2] for word in _half(asked, str(one.get("text", "")))]
    return ClassText(text=f"{_sentence(asked, told)} {capital(' '.join(mixed)) or 'Nothing else is known'}.")


def _half(asked: Asked, text: str) -> list[str]:
    found = re.findall(r"[\w'-]+", text.lower())
    return asked.rng.sample(found, (len(found) + 1) // 2)
