"""A pool of worker processes that can be killed.

A verifier runs a chemistry toolkit on whatever a model wrote, and a toolkit written in C++ can hang, eat all
memory or crash on it; none of that can be stopped from inside the process. So each item is computed in a child
that dies alone: its item becomes an `Outcome` that says timeout, memory, crash or error, a fresh child takes its
place, and the neighbours never notice. Quick items travel in company: several are sent ahead, and their results come
back together, since a message of its own would cost as much as judging a small molecule. A count in shared memory says
which item a child was at when it died. The children are spawned, not forked (a fork of a process with threads or a
GPU may deadlock), and start from a bare interpreter instead of re-running the caller's main module, so that a
training script does not load torch into every child and needs no `if __name__ == "__main__"` guard. In turn the
function must live in an importable module. The time limit is a kernel timer in the child, which fires inside
native code that never returns to Python, and also after the parent was killed: no orphan outlives its limit.
"""

from __future__ import annotations

import contextlib
import functools
import json
import mmap
import os
import pickle
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from mmai_gym.contracts import GymError, UsageError

Failure = Literal["timeout", "memory", "crash", "error"]
T = TypeVar("T")
Message = tuple[Any, Any, str, float]
"""From a child: "ready", "unable", "value" or a Failure; the value; the detail; seconds."""

MAX_WINDOW = 256
"""Most items sent ahead to one worker."""
MAX_RUN = 20
"""Most items in a row for one worker: neighbours often need the same preparation, and a worker remembers its own."""
WINDOW_SECONDS = 0.05
"""Items are sent ahead for about this long, so that quick ones do not wait for a round trip each."""
REPORT_SECONDS = 0.01
"""A worker keeps results back for at most this long and the item after it, so that they need not be sent one by one."""
GRACE_SECONDS = 1.0
"""How long after its limit a child that escaped its own timer is killed from outside."""
START_SECONDS = 120.0
START_ATTEMPTS = 3
DETAIL_CHARS = 2000

_HEADER = struct.Struct("!Q")
_COUNT = struct.Struct("!Q")
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from mmai_gym.workers import _serve; _serve(int(sys.argv[1]), int(sys.argv[2]))"
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: a value, or the kind of failure and its detail; `seconds` spent in the worker."""

    value: Any = None
    error: Failure | None = None
    detail: str = ""
    seconds: float = 0.0


class WorkerPool:
    """`function` applied to items in killable processes, results in order.

    Args:
        function: importable by module and name (not defined in a script or a notebook); takes one item. Items and
            values are pickled.
        initializer: called once in each new worker, before its first item; not under the limits.
        workers: number of processes.
        prepare: called with each item before its time starts, for what no item should pay for (loading the tables
            that it needs). What it raises is left for the function to find.
        seconds: wall-clock limit per item.
        memory_mb: address space (MiB) that a worker may use beyond what it holds after start-up. An item that took
            more than half of it counts as out of memory too: toolkits swallow a failed allocation and call a
            molecule invalid that they had no room for. Enforced on Linux.

    Use it as a context manager. Workers start at the first `map` and stay for the next. One `map` runs at a time,
    in any thread.

    Raises:
        UsageError: the function cannot be imported in a child, a limit is not positive, or the platform cannot
            hand sockets to children (Windows outside WSL).
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        initializer: Callable[[], None] | None = None,
        workers: int = 2,
        seconds: float = 5.0,
        memory_mb: int = 2048,
        prepare: Callable[[Any], None] | None = None,
    ) -> None:
        if sys.platform == "win32":
            raise UsageError("worker processes need a POSIX system; on Windows run the gym inside WSL")
        if workers < 1 or seconds <= 0 or memory_mb < 1:
            raise UsageError(f"limits must be positive, got {workers=}, {seconds=}, {memory_mb=}")
        self.seconds = seconds
        calls = _importable(function), _importable(initializer), _importable(prepare)
        self._setup = pickle.dumps((*calls, seconds, memory_mb))
        # From outside, preparation and a hang look alike; the child's own timer tells them apart.
        self._patience = seconds + (GRACE_SECONDS if prepare is None else START_SECONDS)
        self._workers = workers
        self._alive: list[_Worker] = []
        self._running = False
        self._finalizer = weakref.finalize(self, _stop_all, self._alive)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop every worker. The pool can be used again; its workers then start anew."""
        _stop_all(self._alive)

    def map(self, items: Iterable[Any]) -> Iterator[Outcome]:
        """One Outcome per item, in order, lazily; at most a few hundred items are taken ahead of the consumer.

        Raises:
            UsageError: another `map` of this pool is still being consumed.
            GymError: workers cannot start (the message carries their traceback).
        """
        if self._running:
            raise UsageError("this WorkerPool is already mapping; finish that iterator or use a second pool")
        self._running = True
        for worker in [w for w in self._alive if w.process.poll() is not None]:
            worker.stop()  # died idle; no item of this map is to blame
            self._alive.remove(worker)
        run = _Run(self, items)
        try:
            yield from run.outcomes()
        finally:
            self._running = False
            # Left early (an exception, a closed generator): what these still compute belongs to nobody.
            for worker in [w for w in self._alive if w.sent]:
                worker.stop()
                self._alive.remove(worker)


class _Run:
    """One `map`: hands items to workers, collects outcomes, restores the order."""

    def __init__(self, pool: WorkerPool, items: Iterable[Any]) -> None:
        self.pool = pool
        self.items = enumerate(items)
        self.exhausted = False
        self.retry: deque[tuple[int, bytes]] = deque()
        self.finished: dict[int, Outcome] = {}
        self.taken = 0
        self.yielded = 0
        self.failed_starts = 0

    def outcomes(self) -> Iterator[Outcome]:
        while True:
            while self.yielded in self.finished:
                outcome = self.finished.pop(self.yielded)
                self.yielded += 1
                yield outcome
            self.hand_out()
            if self.exhausted and self.yielded == self.taken:
                return
            if self.yielded not in self.finished:
                self.wait()

    def hand_out(self) -> None:
        """Give the next items to the workers with the most room, a few at a time so that the load stays even."""
        worker, run = None, 0
        while (item := self.next_item()) is not None:
            self.staff()
            if worker is None or run < 1:
                worker = max((w for w in self.pool._alive if w.ready), key=_Worker.room, default=None)
                run = 0 if worker is None else min(MAX_RUN, worker.room())
            if worker is None or run < 1:
                self.retry.appendleft(item)
                break
            worker.give(item)
            run -= 1
        for worker in self.pool._alive:
            worker.flush()

    def next_item(self) -> tuple[int, bytes] | None:
        if self.retry:
            return self.retry.popleft()
        while not self.exhausted and self.taken - self.yielded < 2 * MAX_WINDOW * self.pool._workers:
            number, item = next(self.items, (-1, None))
            if number < 0:
                self.exhausted = True
                break
            self.taken = number + 1
            try:
                return number, pickle.dumps(item)
            except Exception as error:  # a class's own __reduce__ may raise anything
                self.finished[number] = Outcome(error="error", detail=f"cannot be pickled: {_describe(error)}")
        return None

    def staff(self) -> None:
        """Start the workers that are missing."""
        while len(self.pool._alive) < self.pool._workers:
            if self.failed_starts >= START_ATTEMPTS:
                raise GymError(
                    f"{self.failed_starts} worker processes in a row died while starting; "
                    "run the same function once in this process to see why"
                )
            self.pool._alive.append(_Worker(self.pool._setup, self.pool._patience))

    def wait(self) -> None:
        """Block until a worker reports, dies or passes its deadline, and take in what it brings."""
        with selectors.DefaultSelector() as selector:
            for worker in self.pool._alive:
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.outgoing else 0)
                selector.register(worker.socket, events, worker)
            nearest = min(w.deadline() for w in self.pool._alive)
            ready = selector.select(max(0.0, nearest - time.monotonic()))
        for key, events in ready:
            if events & selectors.EVENT_WRITE:
                key.data.flush()
            if events & selectors.EVENT_READ:
                self.collect(key.data)
        now = time.monotonic()
        heard = {id(key.data) for key, _ in ready}
        for worker in list(self.pool._alive):
            if id(worker) not in heard and now >= worker.deadline():
                self.bury(worker, "timeout")

    def collect(self, worker: _Worker) -> None:
        messages, ended = worker.receive()
        for kind, value, detail, seconds in messages:
            if kind == "ready":
                worker.ready, self.failed_starts = True, 0
            elif kind == "unable":
                raise GymError(f"a worker process could not start: {detail}")
            else:
                number, _ = worker.take(seconds)
                self.finished[number] = Outcome(value, None if kind == "value" else kind, detail, seconds)
                if kind == "memory":
                    # Its heap may be full of what the item left behind; the next items get a clean process.
                    self.bury(worker, None)
                    return
        if ended:
            self.bury(worker, worker.cause_of_death())

    def bury(self, worker: _Worker, cause: Failure | None) -> None:
        """Kill a worker, blame the item it worked on for `cause` (if any), queue the rest of its items again.

        Results that it had kept back are lost with it; those items are computed anew.
        """
        elapsed = time.monotonic() - worker.since
        status = worker.stop()
        self.pool._alive.remove(worker)
        if not worker.ready:
            self.failed_starts += 1
        at_work = worker.finished - worker.reported
        if cause is not None and at_work < len(worker.sent):
            number, _ = worker.sent[at_work]
            del worker.sent[at_work]
            limit = f"stopped after {self.pool.seconds:g} s" if cause == "timeout" else _died(status)
            self.finished[number] = Outcome(None, cause, limit, elapsed)
        self.retry.extendleft(reversed(worker.sent))
        worker.sent.clear()


class _Worker:
    """The parent's end of one child process."""

    def __init__(self, setup: bytes, patience: float) -> None:
        self.patience = patience
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        with theirs, tempfile.TemporaryFile() as shared:
            shared.truncate(_COUNT.size)
            self.count = mmap.mmap(shared.fileno(), _COUNT.size)
            descriptors = theirs.fileno(), shared.fileno()
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, *map(str, descriptors), json.dumps(sys.path)],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD},
                # Ctrl-C goes to the terminal's foreground group: the parent alone decides what happens.
                process_group=0,
            )
        self.ready = False
        self.reported = 0
        self.finished = 0
        self.sent: deque[tuple[int, bytes]] = deque()
        self.since = time.monotonic()
        self.mean_seconds = WINDOW_SECONDS
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.write(setup)
        self.flush()

    def room(self) -> int:
        """How many more items may be sent ahead, by the time that recent ones took."""
        window = min(MAX_WINDOW, max(1, int(WINDOW_SECONDS / max(self.mean_seconds, 1e-6))))
        return window - len(self.sent)

    def give(self, item: tuple[int, bytes]) -> None:
        """Put an item among those that the next `flush` sends."""
        if not self.sent:
            self.since = time.monotonic()
        self.sent.append(item)
        self.write(item[1])

    def take(self, seconds: float) -> tuple[int, bytes]:
        """The item whose result has come; the next one's time starts now."""
        self.mean_seconds += 0.2 * (seconds - self.mean_seconds)
        self.since = time.monotonic()
        self.reported += 1
        return self.sent.popleft()

    def deadline(self) -> float:
        """When to kill the child from outside; its own timer is due before that."""
        if not self.ready:
            return self.since + START_SECONDS
        return self.since + self.patience if self.sent else float("inf")

    def write(self, message: bytes) -> None:
        self.outgoing += _framed(message)

    def flush(self) -> None:
        """Send what the socket takes. Never blocks: a child busy with an item reads nothing."""
        # A dead child shows up as end of file on reading, with the reason.
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self.outgoing:
                del self.outgoing[: self.socket.send(self.outgoing)]
                self.since = time.monotonic()  # the child may have been waiting for just this

    def receive(self) -> tuple[list[Message], bool]:
        """Complete messages that have arrived, and whether the child has closed its end."""
        ended = False
        try:
            while chunk := self.socket.recv(1 << 18):
                self.incoming += chunk
            ended = True
        except BlockingIOError:
            pass  # everything sent so far is read
        except ConnectionResetError:
            ended = True
        messages: list[Message] = []
        start = 0
        while len(self.incoming) >= start + _HEADER.size:
            (length,) = _HEADER.unpack_from(self.incoming, start)
            end = start + _HEADER.size + length
            if len(self.incoming) < end:
                break
            messages.append(_unpack(bytes(self.incoming[start + _HEADER.size : end])))
            start = end
        del self.incoming[:start]
        return messages, ended

    def cause_of_death(self) -> Failure:
        """Why a child that closed its socket is gone."""
        try:
            status = self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "crash"  # it closed its socket without dying
        return "timeout" if status == -signal.SIGALRM else "crash"

    def stop(self) -> int:
        """Kill the child and return its exit status; `finished` then says how many items it ever got through.

        SIGKILL: a worker holds nothing worth a farewell.
        """
        self.socket.close()
        self.process.kill()
        status = self.process.wait()
        (self.finished,) = _COUNT.unpack_from(self.count)
        self.count.close()
        return status


def _stop_all(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.stop()
    workers.clear()


def _importable(function: T) -> T:
    """The function itself, once it is clear that a child can import it."""
    if function is None:
        return function
    name = getattr(function, "__qualname__", repr(function))
    module = getattr(function, "__module__", None)
    if module == "__main__" or "<" in name:
        raise UsageError(
            f"worker processes cannot import {name} from {module}; move it to the top of a module file"
        )
    return function


def _unpack(message: bytes) -> Message:
    try:
        return pickle.loads(message)
    except Exception as error:  # a value may pickle in the child and still fail to come back
        return ("error", None, f"value cannot be unpickled: {_describe(error)}", 0.0)


def _died(status: int) -> str:
    if status >= 0:
        return f"worker left with exit status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    hint = {"SIGKILL": " (the system may be out of memory)", "SIGABRT": " (often memory in native code)"}
    return f"worker died of {name}{hint.get(name, '')}"


def _describe(error: BaseException) -> str:
    """Type and text of an error, and the innermost line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""  # noqa: PTH119
    try:
        text = str(error)
    except Exception:  # an exception class whose own __str__ fails
        text = "<no text>"
    return f"{type(error).__name__}: {text}"[:DETAIL_CHARS] + where


# ------------------------------------------------------------------------------------------------ in the child


def _serve(descriptor: int, counter: int) -> None:
    """The child's life: set up, then one item after the other until the parent closes the socket."""
    global _in_a_pool
    _in_a_pool = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The default action of SIGALRM ends the process in the kernel, whatever native code is doing.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    with socket.socket(fileno=descriptor) as connection, mmap.mmap(counter, _COUNT.size) as count:
        os.close(counter)
        inbox = _Inbox(connection)
        work = _set_up(connection, inbox)
        results, finished, reported = bytearray(), 0, time.monotonic()
        while True:
            message = inbox.next()
            if message is not None:
                results += _framed(work(message))
                finished += 1
                _COUNT.pack_into(count, 0, finished)
            if message is None or time.monotonic() - reported >= REPORT_SECONDS:
                _send(connection, results)
                results, reported = bytearray(), time.monotonic()
            if message is None and not inbox.fill():
                return


class _Inbox:
    """Messages from the parent, as they come in."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = bytearray()
        self._start = 0

    def next(self) -> bytes | None:
        """The next message if it is here already."""
        begin = self._start + _HEADER.size
        if len(self._data) < begin:
            return None
        (length,) = _HEADER.unpack_from(self._data, self._start)
        if len(self._data) < begin + length:
            return None
        self._start = begin + length
        return bytes(memoryview(self._data)[begin : self._start])

    def fill(self) -> bool:
        """Wait for more; False once the parent has closed its end."""
        try:
            chunk = self._connection.recv(1 << 18)
        except ConnectionResetError:
            return False
        del self._data[: self._start]
        self._start = 0
        self._data += chunk
        return bool(chunk)


def _set_up(connection: socket.socket, inbox: _Inbox) -> Callable[[bytes], bytes]:
    try:
        while (message := inbox.next()) is None:
            if not inbox.fill():  # the parent is gone already
                sys.exit(0)
        function, initializer, prepare, seconds, memory_mb = pickle.loads(message)
        if initializer is not None:
            initializer()
        most = _limit_memory(memory_mb)
    except Exception as error:
        _send(connection, _framed(pickle.dumps(("unable", None, _describe(error), 0.0))))
        sys.exit(1)
    _send(connection, _framed(pickle.dumps(("ready", None, "", 0.0))))
    return functools.partial(_compute, function, prepare, seconds, most)


def _compute(
    function: Callable[[Any], Any],
    prepare: Callable[[Any], None] | None,
    seconds: float,
    memory: float,
    message: bytes,
) -> bytes:
    """One item: unpickle and prepare, then call and pickle under the timer. Reporting is outside the limit too."""
    start = time.perf_counter()
    kind, value, detail = "value", None, ""
    try:
        item = pickle.loads(message)
        if prepare is not None:
            with contextlib.suppress(Exception):
                prepare(item)
        start = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, seconds)
        value = function(item)
        answer = pickle.dumps((kind, value, detail, time.perf_counter() - start))
    except MemoryError as error:
        kind, detail = "memory", _describe(error)
    except Exception as error:  # whatever the function raises is its item's outcome
        kind, detail = "error", _describe(error)
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


def _framed(message: bytes) -> bytes:
    return _HEADER.pack(len(message)) + message


def _send(connection: socket.socket, messages: bytes | bytearray) -> None:
    try:
        connection.sendall(messages)
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)  # the parent is gone
