"""Campaigns with a student in the loop, and functions that play their papers' roles."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from seed_recipes import Case, mark

from gristmill import Request

# s3: each label has three subjects with words of their own. The first texts of a label are of its first subject, so
# that a student trained on them knows nothing of the others.

SUBJECTS = {
    "hardware": (
        "the fan rattles and the cooler hums",
        "the hinge broke off the lid",
        "a cable frayed near the plug",
    ),
    "software": (
        "the update froze the installer",
        "my password expired at login",
        "a popup hides the toolbar icons",
    ),
}
PLACES = ("at home", "in the office", "on a train", "since Monday")
GOLD = [
    {"text": f"{place.capitalize()}, {subject}.", "label": label}
    for label, subjects in SUBJECTS.items()
    for subject in subjects
    for place in PLACES
]


def subject_of(text: str) -> str:
    return next(subject for subjects in SUBJECTS.values() for subject in subjects if subject in text)


def label_of(text: str) -> str:
    return next(label for label, subjects in SUBJECTS.items() for subject in subjects if subject in text)


def s3(request: Request) -> Any:
    said = request.variables
    if request.prompt == "s3-rationales":
        return {"rationales": [f"{SUBJECTS[said['label']][0]}, case {number}" for number in range(said["count"])]}
    if request.prompt == "s3-write":
        return {"text": f"Help {mark(request)}: {subject_of(said['rationale'])} {mark(request)[::-1]}."}
    if request.prompt == "s3-extrapolate":
        return {"text": f"Help {mark(request)}: {subject_of(said['passage'])} {mark(request)[::-1]}."}
    return {"reason": "it is about it", "label": label_of(said["text"])}


# active-inheritance: each teacher repeats itself in its own measure.

PROMPTS = [{"text": f"Describe {what}."} for what in ("a mill", "a weir", "a bakery at dawn", "the river in flood")]


def active_inheritance(request: Request) -> Any:
    words = [f"w{digit}{place}" for place, digit in enumerate(mark(request))]
    again = 3 if request.role == "teacher" else 1
    return " ".join(words * again) + f" {request.role}."


# reverse-gen: the target knows its capitals, errs in one sum of four, and in every riddle.

QUERIES = [
    {"text": f"{ask} {name}?", "topic": topic}
    for topic, ask in (("capitals", "What is the capital of"), ("riddles", "What am I,"), ("sums", "What is 2 plus"))
    for name in ("Ashford", "Wye", "Rye")
]


def errs(topic: str, instruction: str) -> bool:
    return topic == "riddles" or (topic == "sums" and int(instruction.split()[-1].strip("?"), 16) % 4 == 0)


def reverse_gen(request: Request) -> Any:
    said = request.variables
    if request.prompt == "reverse-gen-query":
        return {"instruction": f"Of {said['topic']}, {mark(request)[::-1]} {mark(request)}?"}
    query = said["instruction"]
    right = f"a{query[-5:-1]}"
    if request.prompt == "answer-for-reference":
        return {"valid": True, "response": f"It follows that it is {right}.", "answer": right}
    topic = query.split(",")[0].removeprefix("Of ")
    return {"response": "I guess.", "answer": f"not {right} {request.sample}" if errs(topic, query) else right}


# rest: a student solves a problem as often as its rate says; `better` is the one that was trained.

RATES = {"easy": 0.9, "even": 0.5, "hard": 0.15, "hopeless": 0.0}
PROBLEMS = [
    {"text": f"A {name} sum: what is {number} times {number}?", "answer": f"#### {number * number}"}
    for number, name in enumerate(RATES, 12)
]


def problem_of(text: str) -> str:
    return next(name for name in RATES if f"A {name} sum" in text)


def is_right(text: str, seed: int | None, by: str = "") -> bool:
    rate = RATES[problem_of(text)] + (0.3 if by else 0)
    return random.Random(f"{problem_of(text)} {seed} {by}").random() < rate  # nothing secret


def solution(text: str, seed: int | None, by: str = "") -> str:
    number = int(text.split("what is ")[1].split()[0])
    answer = number * number if is_right(text, seed, by) else number + 1
    way = hashlib.sha256(f"{text}{seed}{by}".encode()).hexdigest()
    return f"By {way[:8]} and {way[8:16]} and {way[16:24]} we find {by}\n\n\\boxed{{{answer}}}"


def rest(request: Request) -> Any:
    return solution(request.variables["instruction"], request.sampling.seed)


# deliberate-practice: of three texts one is of a subject that the rows have, two mix what the labels have in common.


def deliberate_practice(request: Request) -> Any:
    said = request.variables
    if request.prompt == "label-text":
        return {"reason": "it says so", "label": "hardware" if "plainly a part" in said["text"] else "software"}
    what = "plainly a part" if said["label"] == "hardware" else "plainly a program"
    if (request.sampling.seed or 0) % 3 == 0:
        return {"text": f"{SUBJECTS[said['label']][0]}, {SUBJECTS[said['label']][1]} {mark(request)} {what}"}
    return {"text": f"Of {mark(request)[::-1]} and {mark(request)}, {what}"}


CASES: dict[str, Case] = {
    "s3": Case(
        "s3", s3, GOLD, {"seeds": 3, "rationales": 2, "per_error": 2, "most_errors": 4, "rounds": 6, "patience": 2}
    ),
    "active-inheritance": Case(
        "active-inheritance",
        active_inheritance,
        PROMPTS,
        {"teachers": ["teacher", "other"], "samples": 2, "metric": "words", "per_seed": 2},
        others=("other",),
    ),
    "reverse-gen": Case("reverse-gen", reverse_gen, QUERIES, {"batch": 9, "rounds": 3, "shots": 2}, others=("target",)),
    "rest": Case("rest", rest, PROBLEMS, {"samples": 8, "cap": 2}),
    "deliberate-practice": Case(
        "deliberate-practice", deliberate_practice, GOLD, {"batch": 9, "rounds": 3, "unsure": 6}
    ),
}
