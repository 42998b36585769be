"""Runs one of our own recipes in a fork of the worker, within the limits that a program has.

Starting Python and numpy takes longer than reducing a small detector; the worker has both already.
What the child has inherited of the worker it neither uses nor closes in any way that the other end
of a connection could notice: no destructor, no exit handler and no protocol runs in it, only
`close` on the descriptors, and it leaves by `_exit`.

The limit on memory is for what the recipe takes beside what the worker has mapped already: the
child shares that with the worker. The peak says all of it, as the kernel counts it.
"""

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import resource
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from .native.command import RECIPES, main
from .process import Ended, ProcessId, watch, within

_PROGRAM = ("-m", "pipelines.recipes.native")
_PR_SET_PDEATHSIG = 1
# A new interpreter ignores these, and a write to a full or closed file is an error of Python's.
_IGNORED = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


def is_possible() -> bool:
    """Whether a fork is safe here and now.

    Another thread may hold a lock, which nobody would ever open in the child; and what is local to
    it would be destroyed there, a connection to the database with a farewell to the server.
    """
    return sys.platform == "linux" and threading.active_count() == 1


def run_limited(
    argv: list[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    memory_mb: int,
    on_start: Callable[[ProcessId], None],
    on_beat: Callable[[], None],
) -> Ended:
    """Run a recipe to its end in a fork; arguments, guarantees and result as `process.run_limited`.

    Raises
    ------
    ValueError
        The command line is not one of our own recipes'.
    """
    if tuple(argv[1:3]) != _PROGRAM:
        raise ValueError(f"{argv[:3]} is none of our own recipes.")
    _warm(argv[3:4])
    # The child changes its directory before it opens anything by name.
    cwd = cwd.resolve()
    arguments, environment, libc = argv[3:], dict(env), ctypes.CDLL(None, use_errno=True)
    terminal = os.open(cwd / "terminal.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    ready, tell_ready = os.pipe()
    worker = os.getpid()
    try:
        pid = _fork()
        if pid == 0:
            try:
                _separate(worker, libc)
                os.close(tell_ready)
                _settle(cwd, environment, terminal, memory_mb)
                _run(arguments)
            finally:
                os._exit(1)  # only what failed before there was a place to say so
        os.close(tell_ready)
        tell_ready = -1
        # Whoever is told of the child may want to end its group: it must lead one by then.
        os.read(ready, 1)
    finally:
        for descriptor in {ready, tell_ready, terminal} - {-1}:
            os.close(descriptor)
    return watch(pid, timeout_s, on_start, on_beat)


def _warm(recipe: Sequence[str]) -> None:
    """Import what a recipe needs here, once, and not in every child."""
    for name in recipe:
        for library in RECIPES[name].libraries if name in RECIPES else ():
            importlib.import_module(library)


def _fork() -> int:
    """Fork with nothing collected on the way, so that no destructor runs in the child."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            # Later Pythons warn of BLAS's threads, which BLAS itself ends before a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
    return pid


# --- in the child


def _separate(worker: int, libc: ctypes.CDLL) -> None:
    """Lead a session of its own that ends with the worker."""
    os.setsid()
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != worker:  # it died before the kernel was asked
        os._exit(128 + signal.SIGKILL)


def _settle(cwd: Path, environment: Mapping[str, str], terminal: int, memory_mb: int) -> None:
    """Make of this process what a new one would be."""
    _default_signals()
    _plain_descriptors(terminal)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    warnings.resetwarnings()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = within(memory_mb * 2**20 + _mapped_bytes(), hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _default_signals() -> None:
    faulthandler.disable()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):  # the C library keeps some for itself
            signal.signal(number, signal.SIG_IGN if number in _IGNORED else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _plain_descriptors(terminal: int) -> None:
    """Read nothing, write to the terminal's log, hold nothing else."""
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(terminal, 1)
    os.dup2(terminal, 2)
    os.closerange(3, max(highest, nothing) + 1)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, closefd=False, errors="backslashreplace")  # noqa: SIM115
        for number, mode in enumerate("rww")
    )


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _run(arguments: Sequence[str]) -> NoReturn:
    code = 1
    try:
        code = main(arguments)
    except BaseException:  # noqa: BLE001  as the interpreter does at its end
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
