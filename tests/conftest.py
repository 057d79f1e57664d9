"""What holds for every test: the order, which tests may be tried again, and that an interrupt can be sent."""

import os
import signal

import pytest

# What is started in two processes shares the cores; each torch would take all of them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell without job control starts `make test &` with SIGINT ignored, and what is ignored stays so in every
# program the tests start: those they end with an interrupt would then run on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NUM_RERUNS = 2
"""For tests that depend on other processes. Each rerun is printed and is a defect to mend."""

LAST_CHARACTERS = 4_000


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Cheap tests first, then those with processes, then those with a browser. `--reruns 0`: none is tried again."""
    items.sort(key=cost)
    for item in items:
        if cost(item) and config.getoption("reruns", None) is None:
            item.add_marker(pytest.mark.flaky(reruns=NUM_RERUNS))


def cost(item: pytest.Item) -> int:
    if item.get_closest_marker("browser"):
        return 2
    return 1 if item.get_closest_marker("process") else 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why each test that was tried again failed the time before; the names alone help nobody."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"{report.nodeid} was tried again after its {report.when}")
        terminalreporter.write_line(report.longreprtext[-LAST_CHARACTERS:])
        for title, text in report.sections:
            terminalreporter.write_line(f"-- {title}\n{text[-LAST_CHARACTERS:]}")
