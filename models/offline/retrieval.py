"""Search queries and what they find: `write-query`, `summarise-then-ask`, retrieval tasks and triples, their judge.

A query is a question that the passage answers, or the words that name what a sentence is about. English only, whatever
language is asked for.
"""

from __future__ import annotations

from ...prompts.schemas import Judgement, Query, RetrievalTasks, RetrievalTriple, SummaryQuery
from .asked import Asked
from .questions import candidates
from .sentences import content_stems
from .wording import capital, covered, judged, noted, sentences, stock, topics

_TASKS = (
    "Given a question on the {0} of {1}, find the text that answers it.",
    "Given a note on the {0} of {1}, find another on the same case.",
    "Given a complaint about the {0} of {1}, find the rule that settles it.",
    "Given a heading on the {0} of {1}, find the page that it stands over.",
    "Given the name of a job in the {0} of {1}, find the advice that helps with it.",
)
_SAYINGS = (
    "The {0} of {1} {2} begins with what {3} can see.", "{4} keeps a list of it, and goes through it twice a year.",
    "Where the {0} fails, {1} suffer first.", "It takes {5} days, or half as many where {3} helps.",
    "The rule is old: no {0} without somebody who answers for it.", "Of {5} cases three were looked at again.",
    "What {4} found was not what had been expected of {1}.", "So the {0} is told by its results, and not by its plan.",
)  # fmt: skip
_POINTS_BACK = ("this", "these", "it", "they", "that", "those")


def _query(asked: Asked, passage: str) -> str:
    """A question that the passage answers, else what one of its sentences is about; half of a kind by chance."""
    questions = [
        one.question
        for one in candidates(passage)
        if one.kind in ("definition", "fact", "number", "cause", "list") and one.score > 0.5
    ]
    if questions and asked.rng.random() < 0.7:
        return asked.rng.choice(questions[:8])
    said = asked.rng.choice(sentences(passage) or [passage])
    return " ".join(noted(said).rstrip(".").lower().split()[: asked.rng.randint(3, 7)]) or "what is there"


def write(asked: Asked) -> Query:
    """Answers `write-query`."""
    return Query(query=_query(asked, asked.text("passage")))


def summarise(asked: Asked) -> SummaryQuery:
    """Answers `summarise-then-ask`: the sentence that names most of what the passage is about, and a query."""
    passage = asked.text("passage")
    about = content_stems(" ".join(topics(passage)))
    best = max(sentences(passage), key=lambda one: len(content_stems(one) & about), default="")
    return SummaryQuery(summary=best or "It says nothing.", query=_query(asked, passage))


def tasks(asked: Asked) -> RetrievalTasks:
    """Answers `brainstorm-retrieval-tasks`: forms filled with plain nouns, and with the domain where one is given."""
    about = topics(asked.text("domain"), 3)
    things = about or stock("things")
    every = [(form, aspect, thing) for form in _TASKS for aspect in stock("aspects") for thing in things]
    drawn = asked.rng.sample(every, min(len(every), asked.count()))
    return RetrievalTasks(tasks=[form.format(aspect, thing) for form, aspect, thing in drawn])


def triple(asked: Asked) -> RetrievalTriple:
    """Answers `write-retrieval-triple`: one text on what the task is about, and others with its words on something
    else."""
    named = topics(asked.text("chosen").partition("Given ")[2].partition(", find")[0], 6)
    aspect, thing = (named[-2], named[-1]) if len(named) > 1 else ("use", (named or ["things"])[0])
    rng = asked.rng
    angle, person, other = rng.choice(stock("angles")), rng.choice(stock("people")), rng.choice(stock("people"))
    others = rng.sample([one for one in stock("aspects") if one != aspect], asked.count())

    def text(of: str, where: str) -> str:
        said = rng.sample(_SAYINGS[1:], rng.randint(3, 5))
        made = (one.format(of, thing, where, person, other, rng.randint(4, 40)) for one in (_SAYINGS[0], *said))
        return " ".join(capital(one) for one in made)

    return RetrievalTriple(
        query=f"{aspect} of {thing} {angle} by {person}",
        positive=text(aspect, angle),
        negatives=[text(of, rng.choice(stock("angles"))) for of in others],
    )


def judge(asked: Asked) -> Judgement:
    """Answers `judge-query`: by the words that query and texts have in common."""
    query, said = asked.text("query"), query_words(asked.text("query"))
    answered = covered(said, asked.text("passage"))
    points_back = bool(set(query.lower().split()[:2] + query.lower().split()[-1:]) & set(_POINTS_BACK))
    natural = 0.9 if 2 < len(query.split()) < 40 and not points_back else 0.3
    scores = {"answered": answered, "natural": natural}
    others = [covered(said, one) for one in asked.texts("negatives")]
    if others:
        scores["contrast"] = 1 - max(others)
    faults = {
        "unanswerable": answered < 0.6, "unclear": natural < 0.5, "trivial": not content_stems(said),
        "duplicate": bool(others) and max(others) >= answered,
    }  # fmt: skip
    return judged(scores, faults)


def query_words(query: str) -> str:
    """Returns a query without the words that only ask."""
    asking = {"what", "which", "who", "when", "where", "why", "how", "many", "much"}
    return " ".join(word for word in query.rstrip("?").split() if word.lower() not in asking)
