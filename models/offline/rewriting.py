"""Says a passage again: as notes, as questions with answers; facts as sentences; and reads facts and rewritings back.

Nothing is paraphrased. A rewriting is the passage's own words in another arrangement, without those that carry no
meaning, so that it keeps what is said and reads like notes.
"""

from __future__ import annotations

import re

from ...prompts.schemas import Audience, Audiences, Judgement, Rewriting, Triple, Triples
from .asked import Asked
from .questions import candidates
from .sentences import content_stems, numbers, one_line, words
from .wording import capital, covered, joined, judged, noted, sentences, stock, topics

_FRAMES = (
    "This is about {0}.", "The matter here is {0}, told shortly.", "What there is to know of {0}, in notes.",
    "On {0}.", "Of {0} the following holds.",
)  # fmt: skip
_GENRES = (
    "A letter that tells {0} what there is to know, point by point.",
    "A manual on {0}: short lines, one thing after another.",
    "A handout of questions and answers on {0}.",
    "A lecture on {0} in notes.",
    "A notice on {0} for a board.",
    "An entry on {0} in a reference book.",
)
_READERS = (
    "{0} who has to explain {1} to others.", "{0} who meets {1} for the first time.",
    "{0} who works with {1} and has little time.", "{0} who doubts what is said of {1}.",
)  # fmt: skip


def rephrase(asked: Asked) -> Rewriting:
    """Answers `rephrase-passage`."""
    return Rewriting(text=_again(asked, asked.text("style_description")))


def for_audience(asked: Asked) -> Rewriting:
    """Answers `rewrite-for-audience`."""
    return Rewriting(text=_again(asked, asked.text("genre"), asked.text("audience")))


def transform(asked: Asked) -> Rewriting:
    """Answers `transform-text`."""
    form = asked.text("form")
    return Rewriting(text=f"{capital(noted(form))} {_again(asked, form)}".strip())


def _again(asked: Asked, style: str, reader: str = "") -> str:
    passage = asked.text("passage")
    about = joined(topics(passage, 2)) or "this"
    if re.search(r"\bquestions?\b", style, re.IGNORECASE) and (pairs := _asked_and_answered(passage)):
        return pairs
    lines = [note for one in sentences(passage) if (note := noted(one))]
    begin = asked.rng.choice(_FRAMES).format(about)
    if reader:
        begin = f"For {noted(reader).rstrip('.').lower() or 'readers'}: {begin}"
    return " ".join((begin, *lines[: max(2, len(lines) // 2) if asked.weak else len(lines)]))


def _asked_and_answered(passage: str) -> str:
    """Returns questions and answers, one of each sentence, and notes of the sentences that give none; empty without."""
    best: dict[int, str] = {}
    for one in candidates(passage):
        if one.kind not in ("cloze", "true-false", "summary") and one.score > 0.3:
            best.setdefault(one.evidence[0], f"Question: {one.question} Answer: {capital(one.answer)}.")
    if not best:
        return ""
    rest = [noted(text) for number, text in enumerate(sentences(passage)) if number not in best]
    return "\n".join((*(best[at] for at in sorted(best)), *filter(None, rest)))


def audiences(asked: Asked) -> Audiences:
    """Answers `propose-audiences`."""
    passage, count = asked.text("passage"), asked.count()
    names = topics(passage, 3) or ["the text"]
    genres = asked.rng.sample(_GENRES, len(_GENRES))
    people = asked.rng.sample(stock("people"), 6)
    return Audiences(
        pairs=[
            Audience(
                genre=genres[at % len(genres)].format(names[at % len(names)]),
                audience=capital(_READERS[at % 4].format(people[at % 6], names[(at + 1) % len(names)])),
            )
            for at in range(min(count, len(genres)))
        ]
    )


def judge(asked: Asked) -> Judgement:
    """Answers `judge-rewriting`: by the words and figures that were kept, those that were added, and how it ends."""
    passage, text = asked.text("passage"), asked.text("text")
    known = content_stems(passage) | content_stems(asked.text("style_description"))
    told = {one for one in content_stems(text) if not one[0].isdigit()}
    kept, own = covered(passage, text), len(told & known) / len(told) if told else 0.0
    wrong = numbers(text) - numbers(passage)
    copied = one_line(passage).lower() in one_line(text).lower()
    ended = text.rstrip().endswith((".", "!", "?", '"'))
    scores = {
        "consistent": kept * (0.5 + 0.5 * own) * (0.5 if wrong else 1.0),
        "style": 0.1 if copied else 0.8,
        "fluent": (0.7 if ended else 0.3) * (1.0 if len(words(text)) > 5 else 0.5),
    }
    faults = {
        "too_short": kept < 0.5, "ungrounded": own < 0.6, "incorrect": bool(wrong), "duplicate": copied,
        "unclear": not ended,
    }  # fmt: skip
    return judged(scores, faults)


def state(asked: Asked) -> Rewriting:
    """Answers `state-triples`: a sentence a fact, in an order by chance; the last one is left out at times."""
    facts = asked.texts("facts")
    order = asked.rng.sample(facts, len(facts))
    if len(order) > 1 and asked.slips():
        order = order[:-1]
    told = [" ".join(part.strip() for part in fact.split(" - ")) for fact in order]
    return Rewriting(text=" ".join(f"{capital(one)}." for one in told) or "There is no fact to state.")


def triples(asked: Asked) -> Triples:
    """Answers `read-triples`: a sentence with the name of a relation is what stands before it and what comes behind."""
    kinds = sorted(asked.texts("kinds"), key=len, reverse=True)
    found: list[Triple] = []
    for sentence in asked.text("text").split(". "):
        text = one_line(sentence).rstrip(".")
        for kind in kinds:
            subject, said, thing = text.partition(f" {kind} ")
            if said and subject and thing:
                found.append(Triple(subject=subject, relation=kind, object=thing))
                break
    return Triples(triples=found)
