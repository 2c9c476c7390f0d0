"""A table of recovery times at the end of the test run."""

from __future__ import annotations

import pytest
from harness import RECOVERIES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if RECOVERIES:
        terminalreporter.section("recovery times")
        for fault, seconds in sorted(RECOVERIES):
            terminalreporter.write_line(f"{seconds:7.1f} s  {fault}")
