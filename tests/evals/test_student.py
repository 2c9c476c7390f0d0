"""The student that is trained: what it says, how sure it is, how it does on gold."""

from __future__ import annotations

import math
import random

import pytest

from gristmill.errors import ConfigError
from gristmill.evals.student.classifier import Guess, Student, evenness, examine

EXAMPLES = [
    (f"{start} {text}", label)
    for start in ("Today", "Again", "At noon")
    for text, label in (
        ("the fan rattles loudly", "hardware"),
        ("the hinge is broken", "hardware"),
        ("the update froze", "software"),
        ("the login page fails", "software"),
    )
]
GOLD = [("My fan rattles", "hardware"), ("A broken hinge", "hardware"), ("login fails", "software")]


def test_a_student_knows_what_it_was_taught_and_is_unsure_of_the_rest() -> None:
    student = Student.taught(EXAMPLES)
    assert (student.labels, student.examples) == (("hardware", "software"), 12)
    sure, unsure = student.guesses(["the fan rattles loudly and the hinge is broken", "la lune est belle"])
    assert sure.label == "hardware"
    assert 0 < sure.entropy < 0.6 < unsure.entropy <= 1
    assert unsure.entropy > 0.99


def test_the_order_of_examples_changes_nothing() -> None:
    shuffled = random.Random(7).sample(EXAMPLES, len(EXAMPLES))
    texts = [text for text, _ in GOLD]
    assert Student.taught(EXAMPLES, seed=3).guesses(texts) == Student.taught(shuffled, seed=3).guesses(texts)


def test_an_exam_names_what_was_wrong() -> None:
    exam = examine(Student.taught(EXAMPLES), [*GOLD, ("the fan rattles", "software")])
    assert exam.accuracy == 0.75
    assert exam.wrong == ((3, "hardware"),)


def test_more_examples_of_what_was_wrong_mend_it() -> None:
    strange = [("a moth sits in the vent", "hardware"), ("another moth in a vent", "hardware")]
    gold = [*GOLD, ("my vent has a moth in it", "software"), ("this moth sits there", "software")]
    before = examine(Student.taught(EXAMPLES + strange), gold)
    after = examine(Student.taught(EXAMPLES + [(text, "software") for text, _ in strange] * 3), gold)
    assert before.accuracy < after.accuracy == 1.0


def test_a_student_of_one_label_says_it_and_is_sure() -> None:
    student = Student.taught([("the fan rattles", "hardware")])
    assert student.guesses(["anything", ""]) == [Guess("hardware", 0.0)] * 2
    assert examine(student, GOLD).accuracy == pytest.approx(2 / 3)


def test_three_labels_even_are_wholly_unsure() -> None:
    student = Student.taught([("north wind", "n"), ("south wind", "s"), ("west wind", "w")])
    (guess,) = student.guesses(["no word of it"])
    assert guess.entropy == pytest.approx(1.0, abs=1e-3)
    assert student.guesses([]) == []


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([1.0, 0.0], 0.0), ([0.5, 0.5], 1.0), ([1.0], 0.0), ([], 0.0), ([0.25] * 4, 1.0),
     ([0.9, 0.1], -(0.9 * math.log(0.9) + 0.1 * math.log(0.1)) / math.log(2))],
)  # fmt: skip
def test_evenness_is_entropy_of_the_most_there_could_be(shares: list[float], expected: float) -> None:
    assert evenness(shares) == pytest.approx(expected)


def test_what_cannot_be_taught_is_said() -> None:
    with pytest.raises(ConfigError, match="no example; give it labelled rows"):
        Student.taught([])
    with pytest.raises(ConfigError, match="none of its 2 examples has a word"):
        Student.taught([("!!!", "a"), ("...", "b")])
    with pytest.raises(ConfigError, match="no gold text"):
        examine(Student.taught(EXAMPLES), [])


def test_scripts_without_spaces_are_read_too() -> None:
    student = Student.taught([("風扇壞了", "hardware"), ("更新失敗", "software")])
    assert [guess.label for guess in student.guesses(["風扇", "更新"])] == ["hardware", "software"]
