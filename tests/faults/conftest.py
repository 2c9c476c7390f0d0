"""A table of recovery times at the end of the test run, also where several processes run the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import RECOVERIES

TABLE: list[tuple[str, float]] = []


@pytest.fixture(autouse=True)
def recoveries_in_the_report(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hands what the test measured to its report: that is what reaches the process which prints the table."""
    before = len(RECOVERIES)
    yield
    request.node.user_properties += [("recovery", (fault, seconds)) for fault, seconds in RECOVERIES[before:]]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        TABLE.extend((fault, seconds) for name, (fault, seconds) in report.user_properties if name == "recovery")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.section("recovery times")
        for fault, seconds in sorted(TABLE):
            terminalreporter.write_line(f"{seconds:7.1f} s  {fault}")
