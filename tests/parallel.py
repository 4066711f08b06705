"""The run in several processes beside each other, by pytest-xdist (`-n 5`).

Each process has a PostgreSQL, a Redis and a folder of its own: faults restart the one and empty the other. The tests on
a live portal have processes of their own, which begin at once, since they mostly wait; the others share what is left.
"""

import signal
import time
from contextlib import suppress

import execnet
import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

from . import services
from .live import portal_of
from .patience import PATIENCE


class LiveApart(LoadScopeScheduling):
    """All tests of one portal go to one process, which then ends: what its workers left is for no other test."""

    def _split_scope(self, nodeid: str) -> str:
        return portal_of(nodeid) or nodeid

    def _reschedule(self, node: WorkerController) -> None:
        if any(portal_of(nodeid) for unit in self.assigned_work[node].values() for nodeid in unit):
            node.shutdown()
        else:
            super()._reschedule(node)


class Distribution:
    """What the process that hands out the tests does for those that run them."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._nodes: list[WorkerController] = []
        self._ended: dict[str, float] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: list) -> None:
        """Start the services of each process."""
        for spec in specs:
            spec.env.update(services.start(spec.id))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: object) -> LiveApart:
        config.option.loadscopereorder = False
        return LiveApart(config, log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: WorkerController) -> None:
        self._nodes.append(node)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Where the run is interrupted, let each process end its portal: xdist gives it 5 seconds, then kills it."""
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            for node in self._nodes:
                node.gateway._io.popen.terminate()
            for node in self._nodes:
                with suppress(execnet.RemoteError, execnet.TimeoutError):
                    node.channel.waitclose(PATIENCE)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController) -> None:
        self._ended[node.gateway.id] = time.monotonic() - self._began

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, seconds in sorted(self._ended.items()):
            terminalreporter.write_line(f"{name} ended after {seconds:.0f} s")


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: whatever was started is stopped
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Distribution())
