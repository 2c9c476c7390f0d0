"""The critic of questions and answers: `judge-question-answer`.

Every check compares words of question, answer and evidence with the passage; nothing in the passage is followed as an
instruction, and nothing is learnt from how the offline writer makes its questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ...prompts.schemas import Judgement, Score
from .facts import DATE
from .lexicon import word_list
from .questions import kind_called
from .reading import read
from .sentences import content_stems, find_name, numbers, one_line, stem, words

ASKING = frozenset(stem(word) for word in word_list("asking"))
_DANGLING = re.compile(
    r"\b(?:it|its|they|their|them|he|she|his|her|these|those|this(?! (?:passage|text|document|article|sentence))|"
    r"that(?= (?:process|method|place|one|year|time)))\b",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundreds?|thousands?|millions?|half|"
    r"twice|none|single|both|several|quarter|third)\b",
    re.IGNORECASE,
)
_TIME_WORD = re.compile(
    r"\d{3,4}|\b(?:when|after|before|during|until|since|while|spring|summer|autumn|fall|winter|century|decade|year|month|"
    r"week|day|night|hour|morning|evening|today|daily|annually|once|tide|season|date|time|january|february|march|april|"
    r"may|june|july|august|september|october|november|december)",
    re.IGNORECASE,
)
_EXTENT = re.compile(
    r"(?:met(?:re|er)s?|miles?|f[eo]{2}t|yards?|inch(?:es)?|centuries|century|decades?|years?|months?|weeks?|days?|hours?|"
    r"minutes?|seconds?|light-years?|\b[ck]?m)\b",
    re.IGNORECASE,
)
_PRONOUN_FIRST = re.compile(r"(?:it|its|they|their|he|his|she|her|this|these|those)\b", re.IGNORECASE)
_VAGUE_ANSWER = re.compile(
    r"(?:it|they|them|this|these|those|such|(?:because|since) (?:it|they|he|she))\b", re.IGNORECASE
)
_POINTS_BACK = re.compile(r"(?:it|its|they|their|he|his|she|her|this|these|those|the [a-z]+)\b", re.IGNORECASE)
_BRACKETS = re.compile(r"\([^()]{0,80}\)")
# words for the text itself: all that is left of a question that asks for nothing
_SOURCE = frozenset(stem(word) for word in ("author", "authors", "passage", "text", "document", "article", "according"))
NEIGHBOURS = 12  # characters on each side of a blank that the evidence must have too
_VERDICT_WORD = re.compile(r"^(true|false)\b[\s.:,;–—-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: a reason code, whether an edit can mend it, and a sentence for people."""

    reason: str
    mendable: bool
    comment: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of all checks. Scores are in [0, 1]; `evidence` are the quotes that the passage really has."""

    faults: tuple[Fault, ...]
    scores: dict[str, float]
    evidence: tuple[str, ...]

    @property
    def decision(self) -> str:
        """`accept` without faults, `revise` when all can be mended, else `reject`."""
        if not self.faults:
            return "accept"
        return "revise" if all(fault.mendable for fault in self.faults) else "reject"


def share(part: Iterable[str], whole: Set[str]) -> float:
    """Returns how much of `part` is in `whole`; 1 for nothing."""
    wanted = set(part)
    return len(wanted & whole) / len(wanted) if wanted else 1.0


def plain(text: str) -> str:
    """Returns `text` on one line, in lower case, with plain quotation marks: how quotes are compared."""
    return one_line(text).lower().replace("’", "'").replace("“", '"').replace("”", '"')


def figures(text: str) -> set[str]:
    """Returns the numbers of a text, in digits or words."""
    return numbers(text) | {word.lower() for word in words(text) if _NUMBER_WORD.fullmatch(word)}


def verbatim(quotes: Sequence[str], sources: Sequence[str]) -> tuple[list[str], list[str]]:
    """Splits quotes into those that one of `sources` contains and those that none does."""
    inside: list[str] = []
    outside: list[str] = []
    lines = [plain(source) for source in sources]
    for quote in quotes:
        wanted = plain(quote)
        (inside if wanted and any(wanted in line for line in lines) else outside).append(quote)
    return inside, outside


def check(passage: str, question: str, answer: str, evidence: Sequence[str], kind: str) -> Checked:
    """Checks one question and answer against its passage."""
    question, answer = one_line(question), one_line(answer)
    inside, outside = verbatim(evidence, [passage])
    passage_stems = content_stems(passage)
    evidence_text = " ".join(inside)
    evidence_stems = content_stems(evidence_text)
    pointing = any(_PRONOUN_FIRST.match(quote) for quote in inside)
    for quote in [quote for quote in inside[:4] if _POINTS_BACK.match(quote)]:
        # a question may name what the evidence's pronoun stands for, one sentence before
        index = read(passage).find(quote)
        if index:
            evidence_stems |= content_stems(read(passage).sentences[index - 1].text)
    said = _VERDICT_WORD.sub("", answer) if kind == "true-false" else answer
    asked = (content_stems(question) - ASKING) or (content_stems(question) - _SOURCE)
    told = content_stems(said)
    faults: list[Fault] = []

    # grounded
    grounded = share(told, passage_stems)
    missing_numbers = numbers(said) - numbers(evidence_text or passage)
    if missing_numbers:
        grounded *= 0.3
        where = "evidence" if numbers(said) <= numbers(passage) else "passage"
        faults.append(
            Fault("ungrounded", where == "evidence", f"{', '.join(sorted(missing_numbers))} is not in the {where}")
        )
    elif grounded < 0.85:
        foreign = sorted(told - passage_stems)[:5]
        faults.append(Fault("ungrounded", grounded >= 0.6, f"the passage does not have {', '.join(foreign)}"))
    elif inside and (share(told, content_stems(evidence_text)) < 0.6 or _elsewhere(said, inside, passage)):
        faults.append(Fault("ungrounded", True, "the evidence quoted does not contain the answer"))
    if outside:
        grounded *= 0.5
        faults.append(
            Fault("ungrounded", bool(inside) or grounded >= 0.4, f"a quote is not in the passage: {outside[0][:80]!r}")
        )
    elif not inside:
        faults.append(Fault("ungrounded", True, "no evidence is quoted"))

    # answerable
    false_claim = kind == "true-false" and answer.lower().startswith("false")
    answerable = share(asked, passage_stems)
    near = share(asked, evidence_stems) if inside else answerable
    if not asked:
        faults.append(Fault("unanswerable", False, "the question names nothing that could be looked up"))
        answerable = 0.0
    elif answerable < (0.5 if false_claim else 0.6):
        foreign = sorted(asked - passage_stems)[:5]
        faults.append(Fault("unanswerable", False, f"the passage does not speak of {', '.join(foreign)}"))
    elif near < (0.9 if kind == "relation" and not pointing else 0.65 if len(asked) <= 3 else 0.5):
        faults.append(Fault("unanswerable", True, "the evidence is about something else than the question"))
    if not false_claim and numbers(question) - numbers(passage):
        faults.append(Fault("unanswerable", False, "the question names a number that the passage does not have"))
        answerable *= 0.5
    mismatch = _mismatch(question, said, evidence_text)
    if not mismatch and not pointing and len(inside) == 1:
        mismatch = _misplaced(question, said, inside[0], kind)
    if mismatch:
        faults.append(Fault("unanswerable", True, mismatch))
        answerable *= 0.5
    answerable = min(answerable, max(near, 0.3))

    # nontrivial, duplicate
    nontrivial = 1.0 - copied_run(question, evidence_text)
    if plain(answer).strip(" .?!") == plain(question).strip(" .?!"):
        faults.append(Fault("duplicate", False, "the answer repeats the question"))
        nontrivial = 0.0
    elif kind == "true-false":
        if not _VERDICT_WORD.match(answer):
            faults.append(Fault("wrong_kind", True, "the answer says neither true nor false"))
    elif not told and not figures(said):
        faults.append(Fault("trivial", False, "the answer says nothing"))
        nontrivial = 0.0
    elif told <= content_stems(question) and not (figures(said) - figures(question)):
        faults.append(Fault("trivial", False, "the answer stands in the question already"))
        nontrivial = min(nontrivial, 0.2)
    if len(words(passage)) > 80 and len(words(said)) > 0.7 * len(words(passage)):
        faults.append(Fault("duplicate", True, "the answer copies the passage"))
        nontrivial = min(nontrivial, 0.3)
    copied = any(len(words(quote)) > 5 and plain(quote).rstrip(". ") in plain(question) for quote in inside)
    if kind not in {"true-false", "cloze"} and copied:
        faults.append(Fault("duplicate", True, "the question copies its evidence"))
        nontrivial = min(nontrivial, 0.3)

    # clear, of its kind
    clear = 1.0
    for fault in (*_unclear(question, answer, kind), *_wrong_kind(question, answer, kind)):
        faults.append(fault)
        clear -= 0.4
    scores = {"grounded": grounded, "answerable": answerable, "nontrivial": nontrivial, "clear": max(clear, 0.0)}
    return Checked(tuple(faults), {name: round(value, 3) for name, value in scores.items()}, tuple(inside))


def copied_run(question: str, evidence: str) -> float:
    """Returns what part of a question, in [0, 1], is the longest run of words that it shares with its evidence."""
    asked, said = words(question[:2_000].lower()), words(evidence[:10_000].lower())  # comparing costs their product
    run = SequenceMatcher(None, asked, said, autojunk=False).find_longest_match()
    return run.size / len(asked) if asked else 0.0


def _elsewhere(answer: str, quotes: Sequence[str], passage: str) -> bool:
    """Whether an answer stands word for word in the passage, but not in what is quoted for it."""
    told = plain(answer).strip(" .")
    return len(told.split()) > 3 and told in plain(passage) and told not in plain(" ".join(quotes))


def _misplaced(question: str, answer: str, quote: str, kind: str) -> str:
    """Returns why a verbatim answer, where it stands in its evidence, answers something else, or an empty string.

    A blank is filled by the words between its neighbours; a definition follows on the term that it defines.
    """
    line, told = plain(quote), plain(answer).strip(" .")
    around = re.split(r"_{2,}", plain(question))
    if kind == "cloze" and len(around) == 2:
        filled = (
            around[0].removeprefix("fill in the blank: ")[-NEIGHBOURS:] + told + around[1].rstrip(" .")[:NEIGHBOURS]
        )
        return "" if filled in line else "the evidence does not have the answer where the blank is"
    defined = re.match(r"(?:what|who) (?:is|are|was|were) (.{2,80})\?$", plain(question))
    if kind == "definition" and defined:
        term, at = re.sub(r"^(?:the|an?) ", "", defined.group(1)), line.find(told)
        span = find_name(term, line)
        if span and at > span[1] and content_stems(_BRACKETS.sub("", line[span[1] : at])):
            return "the evidence says that of something else"
    return ""


def _mismatch(question: str, answer: str, evidence: str) -> str:
    """Returns why an answer cannot be the answer to such a question word, or an empty string."""
    low = question.lower()
    if re.match(r"(?:when|in (?:what|which) year)\b", low) and not _TIME_WORD.search(answer):
        return "the question asks for a time and the answer gives none"
    counts = re.match(r"(?:how (?:many|much|long|high|deep|wide|tall|old|far)|by how much|what percentage)\b", low)
    if counts and not _NUMBER_WORD.search(answer):
        return "the question asks for a number and the answer gives none"
    measured = re.match(r"how (?:long|high|deep|wide|tall|far)\b", low)
    if measured and not _EXTENT.search(answer):
        return "the question asks for a length or a duration and the answer gives none"
    of_what = re.match(r"how many ([\w-]+)(?: ([\w-]+))?", low)
    if of_what and numbers(answer):
        near = answer + " " + " ".join(re.findall(r"\d\S*((?: [\w-]+){1,3})", evidence))
        if not {stem(word) for word in of_what.groups() if word} & content_stems(near):
            return f"the answer does not count {of_what.group(1)}"
    if (
        re.match(r"who\b(?!.*\bby\?)", low)
        and not any(word[0].isupper() for word in words(answer))
        and DATE.search(answer)
    ):
        return "the question asks for a person and the answer gives a date"
    return ""


def _unclear(question: str, answer: str, kind: str) -> list[Fault]:
    faults: list[Fault] = []
    count = len(words(question))
    statement = kind in {"true-false", "cloze"}
    if not statement:
        dangling = _DANGLING.search(question)
        # "Why are the towers further apart than their bases?": two words of content before it are enough to point at
        if dangling and len(content_stems(question[: dangling.start()]) - ASKING) < 2:
            faults.append(
                Fault("unclear", True, f"'{dangling.group()}' in the question stands for nothing named in it")
            )
    if count < 3 or count > 60:
        faults.append(Fault("unclear", True, f"the question has {count} words"))
    if question.count("?") > 1 or question.count("(") != question.count(")"):
        faults.append(Fault("unclear", True, "the question is not one well-formed question"))
    if not statement and not question.endswith(("?", ".", "!")):
        faults.append(Fault("unclear", True, "the question has no end"))
    if re.search(r"\{\{|\}\}|\[[A-Z_ ]{2,20}\]|<\w{1,20}>|\b(\w+) \1\b", question, re.IGNORECASE):
        faults.append(Fault("unclear", True, "the question holds a placeholder or a word twice"))
    if _VAGUE_ANSWER.match(answer) and not statement and not answer.endswith("."):
        faults.append(Fault("unclear", True, f"'{answer.split()[0]}' in the answer stands for nothing named in it"))
    if len(words(answer)) > 150:
        faults.append(Fault("unclear", True, f"the answer has {len(words(answer))} words"))
    return faults


_KIND_SIGNS = {
    "definition": r"\b(?:what|who|which|define|mean|meant|stand for|defined|describe|called|term)\b",
    "cause": r"\b(?:why|caus|reason|lead|led|result|effect|because|due|explain|how|trigger|produc)",
    "comparison": r"\b(?:compar|differ|than|contrast|similar|more|less|larger|versus|unlike|whereas|both|between)",
    "cloze": r"__|\.\.\.|…",
    "true-false": r"\b(?:true|false)\b",
}


def _wrong_kind(question: str, answer: str, kind: str) -> list[Fault]:
    """Looks for what a question of its kind must have, where the kind leaves a mark at all."""
    low = question.lower()
    wrong = (
        (kind in _KIND_SIGNS and not re.search(_KIND_SIGNS[kind], low))
        or (kind == "number" and not _NUMBER_WORD.search(answer))
        or (kind == "list" and not re.search(r",| and | or |;|\n", answer))
    )
    return [Fault("wrong_kind", True, f"this is no question of kind '{kind}'")] if wrong else []


def judge(variables: Mapping[str, Any]) -> Judgement:
    """Answers `judge-question-answer`."""
    kind = kind_called(str(variables.get("kind", "")), str(variables.get("kind_description", "")))
    checked = check(
        str(variables["passage"]),
        str(variables["question"]),
        str(variables["answer"]),
        texts(variables.get("evidence")),
        kind,
    )
    return judgement(checked)


def judgement(checked: Checked) -> Judgement:
    """Returns the outcome of checks in the form that prompts are answered with."""
    reasons = list(dict.fromkeys(fault.reason for fault in checked.faults))
    comment = "; ".join(dict.fromkeys(fault.comment for fault in checked.faults))
    return Judgement.model_validate(
        {
            "decision": checked.decision,
            "scores": [Score(name=name, value=value) for name, value in checked.scores.items()],
            "reasons": reasons,
            "comment": comment or "Every quote is in the passage and the answer follows from it.",
            "evidence": list(checked.evidence),
        }
    )


def texts(value: object) -> list[str]:
    """Returns a variable that should be a list of texts as one; spans and plain texts are accepted too."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        return [str(value)]
    return [str(one["quote"]) if isinstance(one, Mapping) and "quote" in one else str(one) for one in value]
