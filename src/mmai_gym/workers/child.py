"""The life of a worker: one item after the other until the parent closes the socket."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmai_gym.workers.wire import Inbox, describe, framed

COUNT = struct.Struct("!Q")
"""How many items a worker has got through, in memory that it shares with the parent."""
REPORT_SECONDS = 0.01
"""A worker keeps results back for at most this long and the item after it, so that they need not be sent one by one."""

_in_a_pool = False
"""Whether this process is a worker."""


def cores() -> int:
    """Cores that this process may use: on a shared machine a job has fewer than there are; a worker has one, its siblings
    have the others.
    """
    if _in_a_pool:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinities


def join_a_pool() -> None:
    """From now on this process, and what is forked from it, counts as a worker."""
    global _in_a_pool
    _in_a_pool = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The default action of SIGALRM ends the process in the kernel, whatever native code is doing.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does with each item, and its limits: see `WorkerPool`."""

    function: Callable[[Any], Any]
    prepare: Callable[[Any], None] | None
    seconds: float
    memory_mb: int

    def serve(self, connection: socket.socket, counter: int) -> None:
        """Take items from `connection`, and count them in the shared memory of the file `counter`."""
        with connection, mmap.mmap(counter, COUNT.size) as count:
            os.close(counter)
            most = _limit_memory(self.memory_mb)
            inbox = Inbox(connection)
            results, finished, reported = bytearray(), 0, time.monotonic()
            while True:
                message = inbox.next()
                if message is not None:
                    results += framed(self._compute(message, most))
                    finished += 1
                    COUNT.pack_into(count, 0, finished)
                if message is None or time.monotonic() - reported >= REPORT_SECONDS:
                    _send(connection, results)
                    results, reported = bytearray(), time.monotonic()
                if message is None and not inbox.fill():
                    return

    def _compute(self, message: bytes, memory: float) -> bytes:
        """One item: unpickle, call and pickle under the timer. Preparing and reporting are outside the limit."""
        start = time.perf_counter()
        kind, value, detail = "value", None, ""
        try:
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
            item = pickle.loads(message)
            if self.prepare is not None:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
                with contextlib.suppress(Exception):
                    self.prepare(item)
                start = time.perf_counter()
                signal.setitimer(signal.ITIMER_REAL, self.seconds)
            value = self.function(item)
            answer = pickle.dumps((kind, value, detail, time.perf_counter() - start))
        except MemoryError as error:
            kind, detail = "memory", describe(error)
        except Exception as error:  # whatever the function raises is its item's outcome
            kind, detail = "error", describe(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        elapsed = time.perf_counter() - start
        # Nothing fills memory within a millisecond; the check costs a tenth of one.
        if elapsed > 0.001 and _peak_bytes() > memory:
            kind, detail = (
                "memory",
                detail or "took more than half of the memory limit; its result is not to be trusted",
            )
        return answer if kind == "value" else pickle.dumps((kind, None, detail, elapsed))


def _limit_memory(memory_mb: int) -> float:
    """Cap the address space at its present size plus `memory_mb`; returns the size at half of that, in bytes."""
    import resource

    held, allowance = _peak_bytes(), memory_mb * 2**20
    if not held:
        return float("inf")
    with contextlib.suppress(OSError, ValueError):  # an outer limit that is lower stays
        resource.setrlimit(resource.RLIMIT_AS, (held + allowance, held + allowance))
    return held + allowance / 2


def _peak_bytes() -> int:
    """The largest address space this process has had; 0 where there is no /proc.

    Not `getrusage`: its peak survives exec, so that a child of a large parent starts out large.
    """
    with contextlib.suppress(OSError), open("/proc/self/status", "rb") as status:  # noqa: PTH123
        for line in status:
            if line.startswith(b"VmPeak:"):
                return int(line.split()[1]) * 1024
    return 0


def _send(connection: socket.socket, messages: bytes | bytearray) -> None:
    try:
        connection.sendall(messages)
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)  # the parent is gone
