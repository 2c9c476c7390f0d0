"""OpenMathInstruct: programs that are run as they are written, masked guidance, and traces that are dropped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes_reasoning import CASES, SUMS
from seed_recipes import Case, shown

from gristmill import Request, Status
from gristmill.agents.programs.interpreter import NEVER_RUN
from gristmill.agents.programs.traces import computes, leaked
from gristmill.errors import ConfigError
from gristmill.evals.execution import sandbox
from gristmill.evals.execution.records import Layer
from gristmill.evals.masking import masked_solution

CASE = CASES["open-math"]
ONE = {"per_problem": 1, "max_trials": 1}
FINE = "```python\nprint(31 * 17)\n```"


def saying(*replies: str) -> Case:
    """One problem, 31 * 17, and a model that gives these replies in turn, by how many programs were run."""

    def script(request: Request) -> Any:
        return replies[min(len(replies) - 1, request.variables["so_far"].count("```output"))]

    return replace(CASE, script=script, rows=SUMS[:1])


def only(case: Case, folder: Path, **options: Any) -> Any:
    (item,) = case.run(folder, options={**ONE, **options}).items
    return item


def test_a_solution_is_one_call_a_program_and_one_for_the_answer(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    assert set(ran.calls) == {"solve-with-code"}
    assert len(ran.requests) == 3 * len(ran.tasks)
    item = ran.accepted[0]
    user, assistant = item.messages
    assert user.content in {row["text"] for row in SUMS}
    assert assistant.content.count("```python") == assistant.content.count("```output") == 2
    assert "It is 7." not in assistant.content  # what a model says after its program, before that was run
    first, second, third = (request for request in ran.requests if request.task == item.task)
    assert (first.variables["so_far"], second.variables["so_far"].count("```output")) == ("", 1)
    assert third.variables["so_far"].count("```output") == 2
    assert assistant.content.startswith(third.variables["so_far"].strip())


def test_what_stands_in_a_trace_is_what_the_sandbox_printed(tmp_path: Path) -> None:
    lying = "```python\nprint(31 * 17)\n```\n```output\n999\n```\nSo \\boxed{999}."
    item = only(saying(lying, "So it is \\boxed{527}."), tmp_path)
    assert item.status is Status.ACCEPTED
    assert "999" not in item.messages[1].content
    assert "```output\n527\n```" in item.messages[1].content


def programs(*sources: str) -> Case:
    return saying(*(f"```python\n{source}\n```" for source in sources), "So it is \\boxed{527}.")


def outputs(item: Any) -> list[str]:
    return re.findall(r"```output\n(.*?)\n?```", item.messages[1].content, re.DOTALL)


@pytest.mark.parametrize("leave", ["import sys; sys.exit()", "raise SystemExit", "raise SystemExit(0)"])
def test_a_program_that_leaves_stays_in_the_session_and_the_next_one_runs(leave: str, tmp_path: Path) -> None:
    item = only(programs(f"x = 31\nprint('one')\n{leave}", "print('two', x * 17)"), tmp_path)
    assert outputs(item) == ["one", "two 527"]
    assert item.fields["endings"] == ["ok", "ok"]
    assert item.status is Status.ACCEPTED


def test_a_program_that_did_not_run_prints_nothing_and_is_an_error(tmp_path: Path) -> None:
    """What ends the process ended it before the next program, which must not be given the output before."""
    ending = "import os\nprint('one', flush=True)\nos._exit(0)"
    item = only(programs(ending, "print('two')", "print(31 * 17)"), tmp_path)
    assert outputs(item) == ["one", NEVER_RUN, "527"]
    assert item.fields["endings"] == ["ok", "error", "ok"]
    assert item.status is Status.ACCEPTED


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("from __future__ import annotations\nx = 31", "print(x * 17)", "527"),
        ('text = """a\n  b"""\nprint = None', "import sys\nsys.stdout.write(str(len(text) + 522))", "527"),
        ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)", "print(f(3))", "6"),
        ("import io, sys\nkept, sys.stdout = sys.stdout, io.StringIO()", "sys.stdout = kept\nprint(31 * 17)", "527"),
    ],
    ids=["future", "shadowed", "recursion", "redirected"],
)
def test_a_session_keeps_what_its_programs_defined(first: str, second: str, said: str, tmp_path: Path) -> None:
    item = only(programs(first, second), tmp_path)
    assert outputs(item) == ["", said]
    assert item.fields["endings"] == ["ok", "ok"]


def test_programs_of_one_session_are_judged_together(tmp_path: Path) -> None:
    (apart := tmp_path / "apart").mkdir()
    assert only(programs("x = 31 * 17", "print(x)"), apart).status is Status.ACCEPTED
    item = only(programs("x = 31 * 17\nraise ValueError", "x = 527\nprint(x)"), tmp_path)
    assert item.reasons == ("not_computed",), "what failed is no part of the session"


@pytest.mark.parametrize(
    ("problem", "text", "leak"),
    [
        ("Find the hidden number.", "So the hidden number is 7.", ""),
        ("Three hidden numbers add up to 6.", "One hidden number is 1.", ""),
        ("The Sample\nNumber is prime.", "The sample number is 5.", ""),
        ("Ann draws a sketch of a field.", "From the sketch we see 4.", ""),
        ("Find the hidden number.", "The hidden solution says 7.", "hidden solution"),
        ("Find the hidden number.", "By the hint, the hidden number is 7.", "the hint"),
        ("How many days?", "The hidden number is 7.", "hidden number"),
        ("They chinted.", "The hint says 7.", "The hint"),
        ("", "It is [answer].", "[answer]"),
        ("", "As the reference\nsolution says.", "reference\nsolution"),
    ],
)
def test_words_of_the_problem_itself_leak_nothing(problem: str, text: str, leak: str) -> None:
    assert leaked(text, problem) == leak


def test_a_problem_that_speaks_of_a_hidden_number_can_be_solved(tmp_path: Path) -> None:
    row = {**SUMS[0], "text": "Of a hidden number: " + SUMS[0]["text"]}
    case = replace(saying(FINE, "So the hidden number is \\boxed{527}."), rows=[row])
    assert only(case, tmp_path).status is Status.ACCEPTED


def test_every_problem_gets_as_many_and_the_wrong_ones_are_not_among_them(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    answers = {row["text"]: row["answer"] for row in SUMS}
    assert Counter(item.messages[0].content for item in ran.accepted) == dict.fromkeys(answers, 3)
    assert len(ran.items) > len(ran.accepted)
    for item in ran.items:
        right = item.messages[1].content.endswith(f"\\boxed{{{answers[item.messages[0].content]}}}.")
        assert item.reasons == (() if right else ("incorrect",))
    assert ran.report.stop.code == "exhausted"


def test_sampling_is_fair_wherever_it_stops_and_goes_on(tmp_path: Path) -> None:
    """No problem has a second trial before each had its first."""
    for most in (3, 4, 5, 8):
        ran = CASE.run(tmp_path, max_tasks=most)
        tried = Counter(task.chunks for task in ran.tasks)
        assert len(tried) == len(SUMS)
        assert max(tried.values()) - min(tried.values()) <= 1


def test_a_problem_that_nobody_solves_stops_at_the_cap(tmp_path: Path) -> None:
    ran = saying(FINE, "\\boxed{1}").run(tmp_path, options={"per_problem": 2, "max_trials": 5})
    assert Counter(item.reasons for item in ran.items) == {("incorrect",): 5}
    assert ran.report.stop.code == "exhausted"


def test_the_reference_guides_and_neither_it_nor_the_answer_is_ever_shown(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    for request in ran.requests:
        (row,) = (row for row in SUMS if row["text"] == request.variables["instruction"])
        guide = request.variables["guide"]
        assert "so in" in guide
        assert row["answer"] not in guide
        assert row["answer"] not in request.variables["instruction"]
        assert row["solution"] not in shown(request)
        assert "(arithmetic)" in shown(request)
    first = [request for request in ran.requests if not request.variables["so_far"]]
    assert not any(row["answer"] in shown(request) for request in first for row in SUMS)


def test_guidance_can_be_left_out_and_is_where_there_is_none(tmp_path: Path) -> None:
    plain = [{"text": row["text"], "answer": row["answer"]} for row in SUMS]
    for place, case in enumerate((CASE, replace(CASE, rows=plain))):
        (folder := tmp_path / str(place)).mkdir()
        ran = case.run(folder, options={**ONE, "guided": bool(place)})
        assert len(ran.accepted) == len(SUMS)
        assert not any("numbers hidden" in shown(request) for request in ran.requests)


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        (["It is \\boxed{527}."], "no_code"),
        (["```python\nprint(527)\n```", "\\boxed{527}"], "not_computed"),
        (["```python\nanswer = 527\nprint(f'it is {answer}')\n```", "\\boxed{527}"], "not_computed"),
        (["```python\ndef solve():\n    return 527\nprint(solve())\n```", "\\boxed{527}"], "not_computed"),
        ([FINE, "As in the reference solution, \\boxed{527}."], "leaks"),
        ([FINE, "The hint says so: \\boxed{527}."], "leaks"),
        ([FINE, "\\boxed{1} or \\boxed{527}."], "several_answers"),
        ([FINE, "So it is 527."], "no_answer"),
        ([FINE, "\\boxed{528}"], "incorrect"),
        (["```python\nprint(31 * 17 / 0)\n```", "\\boxed{527}"], "execution_error"),
        (["```python\nprint(31 * 17", "\\boxed{527}"], "no_answer"),
        (["```python\nprint(31 * \n```", "\\boxed{527}"], "execution_error"),
        (["```python\nprint(31 * 17) \\boxed{527}"], "broken_code"),
        ([FINE, FINE, FINE, FINE, "\\boxed{527}"], "no_answer"),
        ([FINE, FINE, FINE, f"\\boxed{{527}}\n{FINE}"], "broken_code"),
    ],
)
def test_traces_that_leak_cheat_or_are_broken_are_dropped(replies: Sequence[str], reason: str, tmp_path: Path) -> None:
    item = only(saying(*replies), tmp_path)
    assert item.reasons == (reason,)


def test_a_solution_in_words_passes_where_code_is_not_asked_for(tmp_path: Path) -> None:
    assert only(saying("It is \\boxed{527}."), tmp_path, with_code=False).status is Status.ACCEPTED


def test_an_error_is_shown_and_may_be_mended(tmp_path: Path) -> None:
    item = only(saying("```python\nprint(31 * sacks)\n```", FINE, "So \\boxed{527}."), tmp_path)
    assert item.status is Status.ACCEPTED
    assert "NameError: name 'sacks' is not defined" in item.messages[1].content
    assert item.fields["endings"] == ["error", "ok"]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os\nwhile True:\n    os.fork()", "execution_forbidden"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 80))", "execution_forbidden"),
        ("while True: pass", "execution_timeout"),
        ("x = 'a' * 10**11", "execution_memory"),
        ("while True: print('x' * 1000)", "execution_output"),
        ("open('/tmp/gristmill-escaped', 'w').write('x')", "execution_error"),
        ("import sys\nprint(31 * 17)\nsys.exit(3)", "execution_error"),
    ],
)
def test_hostile_programs_are_verdicts(program: str, reason: str, tmp_path: Path) -> None:
    item = only(saying(f"```python\n{program}\n```", "\\boxed{527}"), tmp_path, seconds=2.0)
    assert item.reasons == (reason,)
    assert len(item.messages[1].content) < 3000
    assert not Path("/tmp/gristmill-escaped").exists()


def test_without_isolation_the_campaign_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_probed", dict.fromkeys(Layer, "not on this machine"))
    with pytest.raises(ConfigError, match="no isolation"):
        CASE.run(tmp_path)


Masked = Callable[[str, str, str], str]


@pytest.mark.parametrize(
    ("solution", "problem", "answer", "masked"),
    [
        ("48/2 = 24 in May, 48+24 = 72.\n#### 72", "She sold 48 in April.", "72", "48/M = N in May, 48+N = [answer]."),
        ("So $\\boxed{\\frac{3}{4}}$.", "Of 3 and 4?", "\\frac{3}{4}", "So $\\boxed{[answer]}$."),
        ("Twelve, that is 12.0.", "How many are six and six?", "12", "M, that is [answer]."),
        ("He has five of 1,250.", "There are five and 1250.", "7", "He has five of 1,250."),
        ("It is 1180, not 18.", "A sum.", "18", "It is M, not [answer]."),
        ("On Tuesday.", "Which day?", "Tuesday", "On [answer]."),
    ],
)
def test_masks_leave_the_way_and_hide_numbers(solution: str, problem: str, answer: str, masked: str) -> None:
    assert masked_solution(solution, problem, answer) == masked


def test_many_numbers_get_names_of_their_own() -> None:
    numbers = [str(number) for number in range(100, 160)]
    masked = masked_solution(" ".join(numbers), "", "x").split()
    assert len(set(masked)) == 60
    assert not any(character.isdigit() for name in masked for character in name)


@pytest.mark.parametrize(
    ("program", "works_out"),
    [
        ("print(42)", False),
        ("a = b = 42\nprint('it is', str(a))", False),
        ("def f():\n    return 42\nprint(f())", False),
        ("print(-42)", False),
        ("6 * 7", False),
        ("x = (", False),
        ("x = 5\nx += 1\nprint(f'{x}')", True),
        ("def f(a):\n    return a * 2\nb = f(3)\nprint(b)", True),
        ("import math\nprint(math.comb(5, 2))", True),
        ("for i in range(9):\n    t = i\nprint(t)", True),
        ("print(sum([1, 2]))", True),
    ],
)
def test_a_program_that_prints_what_stands_in_it_works_nothing_out(program: str, works_out: bool) -> None:
    assert computes(program) is works_out
