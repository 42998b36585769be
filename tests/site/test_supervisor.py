"""The supervisor of the demo: children that end are started again, and all end with it."""

import os
import signal
import sys
import time

import pytest

from qcweb.management.servers import Service
from qcweb.supervisor import (
    ChildEndedError,
    InUseError,
    PortTakenError,
    Supervisor,
    alone,
    check_port,
)
from tests.site.services import free_port, running

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
ENDS = [sys.executable, "-c", "raise SystemExit(3)"]


def until(question):
    for _ in range(200):
        if question():
            return
        time.sleep(0.02)
    raise AssertionError("It did not come to pass.")


@pytest.fixture
def supervisor(tmp_path):
    one = Supervisor(tmp_path / "logs")
    yield one
    one.stop()


def test_a_killed_child_is_started_again(supervisor):
    supervisor.start("worker", SLEEPS)
    first = supervisor.children["worker"].process
    assert supervisor.tend() == []
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: first.poll() is not None)
    assert supervisor.tend() == ["worker"]
    assert supervisor.children["worker"].process.pid != first.pid


def tend_to_the_end(supervisor):
    for _ in range(5):
        until(lambda: supervisor.children["worker"].process.poll() is not None)
        supervisor.tend()


def test_a_child_that_cannot_work_is_given_up(supervisor):
    supervisor.start("worker", ENDS)
    with pytest.raises(ChildEndedError, match=r"The worker ended with 3, .*worker\.log"):
        tend_to_the_end(supervisor)


def test_stopping_leaves_nothing(supervisor):
    supervisor.start("worker", SLEEPS)
    pid = supervisor.children["worker"].process.pid
    supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_taken_port_is_said_before_anything_starts(tmp_path):
    port = free_port()
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with (
        running(Service("web", argv, tmp_path), port),
        pytest.raises(PortTakenError, match=f"Port {port} is taken"),
    ):
        check_port(port)
    check_port(free_port())


def test_a_data_directory_has_one_supervisor_at_a_time(tmp_path):
    with (
        alone(tmp_path),
        pytest.raises(InUseError, match=f"in use by the demo of process {os.getpid()}"),
        alone(tmp_path),
    ):
        pass
    with alone(tmp_path):
        pass
