"""Run functions in worker processes: for code that holds the interpreter's lock for long, and for code that may crash.

If a worker dies, it is replaced and its call is retried once. If that worker dies too, the arguments are the cause, and
the call fails with an infrastructure error. A call that exceeds its time limit fails in the same way, and its worker is
killed. A call that is cancelled ends within a moment or its worker is killed, so that nothing works on for nobody.

Every worker has its own pool, and therefore its own pipe. The workers of one pool would share a pipe and its locks: a
worker that is killed while it holds them would lose the calls of the others, or leave them waiting forever.

Workers are fresh interpreters, because a process with threads and open decoders cannot be forked safely. `loky` starts
them, and does not import the caller's `__main__` again as multiprocessing's `spawn` does. A script without a guard, a
program on the standard input and an interactive session can therefore use them too. A worker imports what the module of
a function imports, so such modules stay light. Warnings that a worker logs are logged again in this process.
"""

from __future__ import annotations

import contextvars
import functools
import logging
import multiprocessing
import os
import queue
import signal
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler
from multiprocessing import resource_tracker
from typing import Any, ParamSpec, TypeVar

from loky import cpu_count
from loky.backend import process, synchronize
from loky.backend.context import LokyContext
from pebble import ProcessExpired, ProcessPool

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.utils.cancellation import raise_if_cancelled, run_in_thread

P = ParamSpec("P")
T = TypeVar("T")
TIMEOUT_S = 300.0
"""Longest single call, in seconds."""
START_S = 60.0
"""Longest start of a worker, in seconds."""
LOOK_AFTER_S = 0.1
"""Interval at which a pending call is checked, in seconds."""
GRACE_S = 0.3
"""Time in which a call that was cancelled may still end, in seconds; a new worker has to load its libraries again."""
MOST_WORKERS = 8
_LOADED = (process, synchronize)
"""Modules that loky would import when the first worker starts, while an event loop waits."""
_DEATHS = (ProcessExpired, BrokenProcessPool)
"""Raised when a worker dies: after it took up its call, or before."""
logger = logging.getLogger(__name__)


class NoProcessesError(InfrastructureError):
    """Raised where no processes can be started."""


async def run_in_worker(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call a function of a module in one of this program's workers, as many at a time as there are usable cores.

    Where no processes can be started, the call runs in a thread.

    Raises:
        InfrastructureError: the worker died twice, or took too long.
        Exception: as the function.
    """
    return await _shared(os.getpid()).run(function, *arguments, **named)


async def run_in_own_worker(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call a function as `run_in_worker` does, in a worker that only the functions of its module use, one at a time.

    For modules that load slowly, or compute on all cores themselves.
    """
    return await _of_module(os.getpid(), function.__module__).run(function, *arguments, **named)


def submit_to_worker(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Future[T]:
    """Start a call as `run_in_worker` does, and return its future. The cancellation of this thread holds for it too."""
    return _shared(os.getpid()).submit(function, *arguments, **named)


def start_worker(function: Callable[[], object]) -> None:
    """Start one more worker of this program, which calls a function before anything else, and do not wait for it."""
    _shared(os.getpid()).start(function)


def start_own_worker(function: Callable[[], object]) -> None:
    """Start the worker of a module, as `start_worker` does."""
    _of_module(os.getpid(), function.__module__).start(function)


class WorkerProcesses:
    """Worker processes, each of which handles one call at a time and starts with its first one.

    Args:
        count: the largest number of workers.
        what: what a worker is, as the subject of error messages.
        timeout_s: longest single call, in seconds.
        prepare: called in each worker when it starts, with `arguments`.
    """

    def __init__(
        self,
        count: int,
        *,
        what: str,
        timeout_s: float = TIMEOUT_S,
        prepare: Callable[..., object] | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> None:
        self._what, self._timeout_s = what, timeout_s
        # Last in, first out: only as many workers are started as calls run at the same time.
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._all = [_Worker(timeout_s, prepare, arguments) for _ in range(count)]
        for worker in self._all:
            self._free.put(worker)
        self._closings = 0

    def call(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function of a module in a worker and return its result.

        Raises:
            InfrastructureError: the worker died twice, took too long, or was stopped.
            NoProcessesError: no processes can be started.
            CancelledError: the task that waits for this thread was cancelled.
            Exception: as the function.
        """
        closings = self._closings
        work, check = functools.partial(function, *arguments, **named), lambda: self._check_wanted(closings)
        worker = self._free.get()
        try:
            try:
                return worker.answer(work, check)
            except _DEATHS:
                return worker.answer(work, check)
        except _DEATHS as error:
            raise InfrastructureError(f"{self._what} died, twice.") from error
        except TimeoutError as error:
            raise InfrastructureError(
                f"{self._what} took longer than {self._timeout_s:g} s and was stopped."
            ) from error
        finally:
            self._free.put(worker)

    def start(self, function: Callable[[], object]) -> None:
        """Start a worker that is not running, and let it call a function first. Without processes, do nothing."""
        for worker in self._all:
            if worker.start(function):
                return

    def close(self) -> None:
        """Stop the workers. The next call starts them again; calls in progress fail."""
        self._closings += 1
        for worker in self._all:
            worker.stop()

    def _check_wanted(self, closings: int) -> None:
        """Raise if the call was cancelled, or if the workers were stopped since, so that no worker starts for it."""
        raise_if_cancelled()
        if self._closings != closings:
            raise InfrastructureError(f"{self._what} was stopped while this was under way.")


class _OwnThreads:
    """Workers with as many threads that wait for them, so that calls do not take the threads of the event loop."""

    def __init__(self, count: int) -> None:
        self._workers = WorkerProcesses(count, what="A worker process")
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="worker-process")
        self._logged = False

    def start(self, function: Callable[[], object]) -> None:
        self._workers.start(function)

    async def run(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        work = functools.partial(function, *arguments, **named)
        return await run_in_thread(lambda: self._call(work), executor=self._threads)

    def submit(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Future[T]:
        work = functools.partial(function, *arguments, **named)
        return self._threads.submit(contextvars.copy_context().run, self._call, work)

    def _call(self, work: Callable[[], T]) -> T:
        try:
            return self._workers.call(work)
        except NoProcessesError as error:
            if not self._logged:
                self._logged = True
                logger.warning("%s Models run in threads instead, and may delay other work.", error.message)
            raise_if_cancelled()
            return work()


@functools.cache
def _shared(process_id: int) -> _OwnThreads:
    """Return the workers of this process; a forked process starts its own."""
    return _OwnThreads(min(MOST_WORKERS, cpu_count()))


@functools.cache
def _of_module(process_id: int, module: str) -> _OwnThreads:
    return _OwnThreads(1)


class _Worker:
    """One worker process. Starts with the first call and after each death; handles one call at a time."""

    def __init__(self, timeout_s: float, prepare: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
        self._timeout_s, self._preparation = timeout_s, (prepare, arguments)
        self._pool: ProcessPool | None = None
        self._starting = threading.Lock()

    def answer(self, work: Callable[[], Any], check: Callable[[], None]) -> Any:
        """Return the result of a call.

        Args:
            check: raises when the call must no longer start.

        Raises:
            ProcessExpired, BrokenProcessPool: the worker died; the next call starts another.
            TimeoutError: the call took too long; the worker was stopped.
            CancelledError: the call was cancelled; the worker was stopped, unless the call ended within `GRACE_S`.
            Exception: as the call.
        """
        try:
            with self._starting, hidden_from_ctrl_c():
                check()
                pool = self._started()
                future = self._scheduled(pool, work)
            result, warnings = self._result(pool, future)
            for record in warnings:
                logging.getLogger(record.name).handle(record)
            return result
        except (*_DEATHS, TimeoutError):
            self.stop()
            raise

    def start(self, function: Callable[[], object]) -> bool:
        """Start the process unless it is running, let it call a function, and return whether it was started."""
        with self._starting, hidden_from_ctrl_c():
            if self._pool is not None:
                return False
            with suppress(InfrastructureError, BrokenProcessPool):
                self._scheduled(self._started(), function)
            return True

    def _scheduled(self, pool: ProcessPool, work: Callable[[], Any]) -> Future[Any]:
        try:
            return pool.schedule(_with_warnings, args=(work,), timeout=self._timeout_s)
        except RuntimeError as error:  # the worker died since the check in `_started`
            raise BrokenProcessPool(str(error)) from error

    def _result(self, pool: ProcessPool, future: Future[Any]) -> Any:
        """Wait for the result. Poll, because a pool forgets a call whose worker died before taking it up."""
        latest_s = time.monotonic() + self._timeout_s + START_S
        while True:
            try:
                return future.result(LOOK_AFTER_S)
            except TimeoutError:
                self._stop_if_cancelled(future)
                if future.done() or time.monotonic() > latest_s:
                    raise
                if not pool.active:
                    raise BrokenProcessPool("The worker died before it took the call up.") from None

    def _stop_if_cancelled(self, future: Future[Any]) -> None:
        try:
            raise_if_cancelled()
        except CancelledError:
            if not _ends_soon(future):
                self.stop()
            raise

    def stop(self) -> None:
        """Kill the process if it is running."""
        with self._starting:
            pool, self._pool = self._pool, None
        self._end(pool)

    @staticmethod
    def _end(pool: ProcessPool | None) -> None:
        if pool is not None:
            pool.stop()
            pool.join()

    def _started(self) -> ProcessPool:
        if self._pool is not None and not self._pool.active:  # it died while it was idle
            self._end(self._pool)
            self._pool = None
        if self._pool is None:
            self._pool = self._new_pool()
        return self._pool

    def _new_pool(self) -> ProcessPool:
        context: Any = LokyContext()  # it has locks of its own classes
        pool = ProcessPool(max_workers=1, initializer=_prepare, initargs=self._preparation, context=context)
        try:
            _ = pool.active  # starts the process
        except (BrokenProcessPool, OSError, ImportError, AssertionError) as error:
            # No processes, no semaphores, or a process that is a daemon and may have no children.
            raise NoProcessesError(f"No worker process can be started here ({error.__cause__ or error}).") from error
        return pool


def _ends_soon(future: Future[Any]) -> bool:
    try:
        future.exception(GRACE_S)
    except (TimeoutError, CancelledError):
        return False
    return True


@contextmanager
def hidden_from_ctrl_c() -> Generator[None]:
    """Start processes that SIGINT does not reach: a terminal sends it to all, and this process ends its workers itself.

    A process inherits the signals that the thread which starts it blocks. Without this, one that is still importing
    would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # unblocks SIGINT where it starts the tracker (Python 3.11)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(prepare: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    """Prepare this worker process: it may be killed at any time.

    SIGTERM ends it at once: a Python handler would run only after the C code returns. Libraries get semaphores without
    a name, as after a fork, because nobody would remove the names.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "fork" in multiprocessing.get_all_start_methods():
        multiprocessing.set_start_method("fork", force=True)
    if prepare is not None:
        prepare(*arguments)


def _with_warnings(work: Callable[[], T]) -> tuple[T, list[logging.LogRecord]]:
    """Return the result of a call in this worker process, and the warnings that it logs."""
    records = queue.SimpleQueue[logging.LogRecord]()
    handler = QueueHandler(records)  # makes records that can be pickled
    handler.setLevel(logging.WARNING)
    own = logging.getLogger("agentcvr_graph")
    own.addHandler(handler)
    try:
        return work(), [records.get() for _ in range(records.qsize())]
    finally:
        own.removeHandler(handler)
