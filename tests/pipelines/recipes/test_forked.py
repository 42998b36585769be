"""A recipe in a fork of its worker is as much apart as a program of its own."""

import atexit
import dataclasses
import gc
import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.recipes import forked, process
from pipelines.recipes.jobs import environment
from tests.frames import BIAS
from tests.pipelines.recipes.calls import call_of, run

ARGV = [sys.executable, "-m", "pipelines.recipes.native", "hcm_bias", "in.sof"]


def say(*words):
    """Write a line of JSON to the terminal, at once."""
    os.write(1, (json.dumps(words) + "\n").encode())
    return 0


def descriptors():
    return sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())


@pytest.fixture
def does(tmp_path, monkeypatch):
    """Put a function in a recipe's place, run it in a fork, and return how it ended."""

    def put(recipe, **changes):
        options = {
            "cwd": tmp_path,
            "env": environment(tmp_path),
            "timeout_s": 20.0,
            "memory_mb": 500,
            "on_start": lambda _: None,
            "on_beat": lambda: None,
        }
        monkeypatch.setattr(forked, "main", recipe)
        return forked.run_limited(ARGV, **(options | changes))

    return put


@pytest.fixture
def said(tmp_path):
    return lambda: (tmp_path / "terminal.log").read_text()


@pytest.fixture
def words(said):
    return lambda: json.loads(said())


def test_the_code_is_the_recipes_and_its_arguments_arrive(does, words):
    assert does(lambda arguments: say(*arguments) + 14).code == 14
    assert words() == ["hcm_bias", "in.sof"]


def test_an_exception_ends_it_as_it_ends_an_interpreter(does, said):
    def fail(_):
        raise LookupError("no such thing")

    assert does(fail).code == 1
    assert said().splitlines()[-1] == "LookupError: no such thing"


def test_another_program_is_refused(tmp_path):
    with pytest.raises(ValueError, match="none of our own recipes"):
        forked.run_limited(
            ["esorex", "uves_cal_mbias", "in.sof"],
            cwd=tmp_path,
            env={},
            timeout_s=1,
            memory_mb=1,
            on_start=lambda _: None,
            on_beat=lambda: None,
        )


def test_memory_is_limited_beside_what_the_worker_has(does, said):
    assert does(lambda _: len(bytearray(300_000_000)) and 0).code == 0
    assert does(lambda _: len(bytearray(600_000_000)) and 0).code == 1
    assert "MemoryError" in said()


def test_it_leads_a_session_in_its_own_directory(does, words, tmp_path):
    def tell(_):
        return say(os.getpid(), os.getpgid(0), os.getsid(0), str(Path.cwd()))

    seen = []
    assert does(tell, on_start=lambda one: seen.append((one.pid, os.getpgid(one.pid)))).code == 0
    pid = seen[0][0]
    assert seen == [(pid, pid)]
    assert words() == [pid, pid, pid, str(tmp_path)]


def test_it_holds_no_descriptor_but_the_standard_ones(does, words, tmp_path):
    def tell(_):
        open_now = descriptors()
        places = [str(Path(f"/proc/self/fd/{n}").readlink()) for n in (0, 1, 2)]
        return say(open_now, places, sys.stdin.read())

    log = str(tmp_path / "terminal.log")
    with (tmp_path / "other").open("w"):
        assert does(tell).code == 0
    # The fourth is that of the directory being listed.
    assert words() == [[0, 1, 2, 3], ["/dev/null", log, log], ""]


def test_connections_of_the_worker_are_neither_used_nor_closed(does, tmp_path):
    ours, theirs = socket.socketpair()
    database = sqlite3.connect(tmp_path / "a.sqlite3")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t (n)")
    database.execute("INSERT INTO t VALUES (1)")  # an open transaction

    class Farewell:
        def __init__(self):
            self.itself = self  # garbage for the collector alone

        def __del__(self):
            ours.send(b"farewell")

    gc.disable()
    try:
        Farewell()
        assert does(lambda _: gc.collect() and 0).code == 0
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    finally:
        gc.enable()
        gc.collect()
    assert theirs.recv(8) == b"farewell"
    database.commit()
    assert database.execute("SELECT n FROM t").fetchall() == [(1,)]
    database.close()
    ours.close()
    theirs.close()


def test_no_exit_handler_of_the_worker_runs(does, said, tmp_path):
    def mark():
        (tmp_path / "ran").touch()

    atexit.register(mark)
    try:
        assert does(lambda _: 0).code == 0
    finally:
        atexit.unregister(mark)
    assert not (tmp_path / "ran").exists()


def test_what_the_worker_has_not_written_yet_is_not_written_twice(does, tmp_path):
    with (tmp_path / "log").open("w") as log:
        log.write("once")
        assert does(lambda _: 0).code == 0
    assert (tmp_path / "log").read_text() == "once"


def test_signals_are_as_in_a_new_interpreter(does, words):
    def tell(_):
        of_two = [str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGPIPE)]
        say(of_two, sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    try:
        assert does(tell).code == 143
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGTERM, before)
    assert words() == [[str(signal.SIG_DFL), str(signal.SIG_IGN)], []]


def test_warnings_are_no_errors_of_the_worker(does):
    def warn(_):
        warnings.warn("careful", RuntimeWarning, stacklevel=1)
        return 0

    assert does(warn).code == 0


def test_a_worker_that_died_before_it_asked_takes_the_recipe_with_it(does, monkeypatch):
    real = os.getpid
    monkeypatch.setattr(os, "getppid", lambda: real() + 10**6)
    assert does(lambda _: 0).code == 137


def test_the_worker_keeps_its_own(does):
    def own():
        return Path.cwd(), dict(os.environ), descriptors(), gc.isenabled()

    before = own()
    does(lambda _: 0)
    assert own() == before


def test_where_other_threads_are_it_is_not_possible(monkeypatch):
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    assert forked.is_possible()
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.undo()
        assert not pool.submit(forked.is_possible).result()


# ---- the same recipe both ways


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (("--min-frames=3",), 0),
        (("--min-frames=4",), 14),
        (("--nonsense=4",), 255),
        (("--log-file=/no/such/log",), 255),
    ],
)
def test_a_recipe_ends_alike_in_a_fork_and_as_a_program(tmp_path, monkeypatch, parameters, code):
    call = dataclasses.replace(call_of(BIAS, tmp_path / "raw"), parameters=parameters)
    outcomes = []
    for possible in (True, False):
        monkeypatch.setattr(forked, "is_possible", lambda possible=possible: possible)
        monkeypatch.setattr(process if possible else forked, "run_limited", None)
        outcomes.append(run(call, tmp_path / f"job {possible}"))
        monkeypatch.undo()
    one, other = outcomes
    assert (one.return_code, other.return_code) == (code, code)
    assert (one.reason, one.argv, one.kind) == (other.reason, other.argv, other.kind)
    assert [made.data_md5 for made in one.products] == [made.data_md5 for made in other.products]
    words = [line.split(" ", 1)[-1] for line in one.log.splitlines()]
    assert words == [line.split(" ", 1)[-1] for line in other.log.splitlines()]
