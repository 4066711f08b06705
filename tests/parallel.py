"""The run in several processes beside each other, by pytest-xdist (`-n 5`).

Each process has a PostgreSQL, a Redis and a folder of its own: faults restart the one and empty the other. The tests on
a live portal have processes of their own, which begin at once, since they mostly wait; the others share what is left.
"""

import signal
import time
from collections import Counter
from contextlib import suppress
from itertools import chain
from pathlib import Path

import execnet
import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

from . import services
from .live import PORTALS, portal_of
from .patience import PATIENCE

AHEAD = 2
"""Units that a process is given at first: it begins a test only once it knows the next."""


class LiveApart(LoadScopeScheduling):
    """All tests of one portal go to one process, which then ends: what its workers left is for no other test.

    Each process has collected only what it may run (`collects`): to import all tests takes ten seconds.
    """

    def schedule(self) -> None:
        if self.collection is None:
            collected = Counter(chain.from_iterable(self.registered_collections.values()))
            self.collection = sorted(collected, key=collected.__getitem__)  # first what fewest processes may run
            for nodeid in self.collection:
                self.workqueue.setdefault(self._split_scope(nodeid), {})[nodeid] = False
            self.config.pluginmanager.get_plugin("session").testscollected = len(self.collection)
        for _ in range(AHEAD):
            for node in self.nodes:
                self._reschedule(node)

    def _split_scope(self, nodeid: str) -> str:
        return portal_of(nodeid) or nodeid

    def _assign_work_unit(self, node: WorkerController) -> None:
        """The next unit of those that the process has collected."""
        own = self._units_of(node)
        if own:
            self.workqueue.move_to_end(own[0], last=False)
            super()._assign_work_unit(node)
        else:
            node.shutdown()

    def _units_of(self, node: WorkerController) -> list[str]:
        """Of a process that began in the place of one that ended, none: the run then fails."""
        known = set(self.registered_collections.get(node, ()))
        return [scope for scope, unit in self.workqueue.items() if known.issuperset(unit)]

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


MODELS = "tests/inference/"
"""Tests that import torch and transformers, which takes ten seconds of CPU in each process."""


def collects(process: int, processes: int, path: str) -> bool:
    """Whether one process of a run in several collects the tests of a file: the first, one for each portal, those on
    a portal, the last the others, but those of models only the first of them. A run in few processes has each collect
    all."""
    portals = len(set(PORTALS.values()))
    if processes <= portals:
        return True
    if portal_of(path):
        return process < portals
    return process == portals if path.startswith(MODELS) else process >= portals


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not hasattr(config, "workerinput") or not collection_path.is_file():
        return None
    process, path = int(config.workerinput["workerid"].removeprefix("gw")), collection_path.relative_to(config.rootpath)
    return None if collects(process, config.workerinput["workercount"], str(path)) else True


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: whatever was started is stopped
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Distribution())
