"""Says at the end how much was tried."""

import pytest

from tests.fuzz.search import TALLIES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each target."""
    if not TALLIES:
        return
    terminalreporter.section("what was tried")
    for target, tally in TALLIES.items():
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in tally.most_common())
        terminalreporter.write_line(f"{target:32} {tally.total():8} inputs: {outcomes}")
