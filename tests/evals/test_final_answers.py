r"""Final answers: reading them out of solutions, and which spellings are the same answer."""

from __future__ import annotations

import pytest

from gristmill.evals.final_answers import boxed_answers, final_answer, same_final_answer

SAME = [
    ("18", "18 dollars"), ("$18", "18.00"), ("1,000", "1000"), (r"\frac{1}{2}", "0.5"), (r"\dfrac12", "1/2"),
    ("x^2+1", "x^2 + 1"), (r"15\%", "0.15"), ("15%", "15"), ("(B)", r"\text{B}"), (r"\left(3,4\right)", "(3, 4)"),
    (r"90^\circ", "90"), (r"\$5.50", "5.5"), ("Tuesday", r"\text{tuesday}"), (r"5\text{ cm}", "5"), ("12.", "12"),
    (r"\frac{\sqrt{3}}{2}", r"\frac{ \sqrt{3} }{2}"), (r"3\times10^{4}", "30000"), (r"2\pi", r"2 \pi"),
    (r"\(7\)", "7"), ("\u22123", "-3"), ("2/4", "1/2"), ("0.3333", "1/3"),
    ("3/2", r"1\frac{1}{2}"), ("1.5", "1 1/2"), ("-3/2", r"-1\frac12"), ("-1.5", "\u22121 1/2"), ("2.5", "2 1/2 hours"),
    (r"(1, 2\tfrac{1}{2})", r"(1,\frac{5}{2})"), ("1000.5", r"1,000 \frac{ 1 }{2}"), ("1 1/2", r"1\ \dfrac{1}{2}"),
    (r"2\frac{x}{y}", r"\frac{2x}{y}"), ("1 000 000", "1000000"), (r"\frac{1}{1\frac{1}{2}}", r"\frac{1}{\frac32}"),
    (r"1\frac{1}{2}x", r"\frac{3}{2}x"), (r"1\frac{1}{2}\%", "1.5%"),
]  # fmt: skip
OTHER = [
    ("x^2+1", "x^2-1"), (r"2\pi", "2"), ("5x", "5"), ("(3,4)", "4"), ("1000", "1001"), ("1,2", "1.2"), ("", ""),
    ("3", "-3"), ("1/3", "0.33"), ("x=5", "5x"), ("A", "B"), ("2", r"\sqrt{2}"), ("9" * 40, "8" * 40), ("a b", "ab"),
    ("1/0", "2/0"), ("5", "5 or 6"), ("between 3 and 4", "4"), ("2", "2, 3"),
    ("5.5", r"1\frac{1}{2}"), ("5.5", "1 1/2"), ("11/2", "1 1/2"), ("-1/2", r"-1\frac{1}{2}"), ("23", "2 3"),
    (r"x^2\frac{1}{2}", "x^21/2"), (r"x^2\frac{1}{2}", r"x^\frac52"), (r"2\frac{3}{2}", "23/2"), ("1 1/0", "11/0"),
    (r"2\frac{3x}{y}", "23x/y"), (r"\frac{1}{2}x", r"\frac{1}{2x}"), (r"\frac{1}{2} 3", "1/23"), ("2.1 1/2", "2.11/2"),
    ("1 1/2x", "3/2x"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "expected"), SAME)
def test_spellings_of_one_answer_are_the_same_both_ways_round(answer: str, expected: str) -> None:
    assert same_final_answer(answer, expected)
    assert same_final_answer(expected, answer)


@pytest.mark.parametrize(("answer", "expected"), OTHER)
def test_other_answers_are_not_the_same(answer: str, expected: str) -> None:
    assert not same_final_answer(answer, expected)
    assert not same_final_answer(expected, answer)


def test_the_last_box_counts_whatever_braces_it_holds() -> None:
    assert final_answer(r"First \boxed{3}, no: \boxed{\frac{1}{2}}.") == r"\frac{1}{2}"
    assert boxed_answers(r"\boxed{3} and \boxed {x^{2}} and \boxed{never") == ["3", "x^{2}"]
    assert final_answer("9 - 3 = 6.\n#### 6\n") == "6"
    assert final_answer("So it is 6.") == ""


def test_texts_that_are_out_to_cost_time_cost_none() -> None:
    """Bounded by construction: nested boxes by the thousand are read in one pass, and long ones are no answer."""
    hostile = r"\boxed{" * 20_000 + "}" * 20_000
    assert len(boxed_answers(hostile)) < 20_000
    assert not same_final_answer(r"\frac{" * 20_000, "1")
    assert not same_final_answer("1" + "0" * 100_000, "1")
    assert not same_final_answer("2*10^{999}", "2")
