"""The parent's end: items handed out, outcomes taken in and put in order."""

from __future__ import annotations

import contextlib
import mmap
import pickle
import selectors
import signal
import socket
import sys
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from mmai_gym.contracts import GymError, UsageError
from mmai_gym.workers.child import COUNT, Work
from mmai_gym.workers.forkserver import START_SECONDS, ForkServer, Gone
from mmai_gym.workers.wire import Inbox, describe, framed

Failure = Literal["timeout", "memory", "crash", "error"]
T = TypeVar("T")
Message = tuple[Any, Any, str, float]
"""From a child: "value" or a Failure; the value; the detail; seconds."""

MAX_WINDOW = 256
"""Most items sent ahead to one worker."""
MAX_RUN = 20
"""Most items in a row for one worker: neighbours often need the same preparation, and a worker remembers its own."""
WINDOW_SECONDS = 0.05
"""Items are sent ahead for about this long, so that quick ones do not wait for a round trip each."""
GRACE_SECONDS = 1.0
"""How long after its limit a child that escaped its own timer is killed from outside."""


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
        initializer: called once, before the first worker is forked; what it loads, all workers have. It must leave no
            thread or connection behind, which a fork would break.
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
        work = Work(_importable(function), _importable(prepare), seconds, memory_mb)
        self._setup = pickle.dumps((work, _importable(initializer)))
        # From outside, preparation and a hang look alike; the child's own timer tells them apart.
        self._patience = seconds + (GRACE_SECONDS if prepare is None else START_SECONDS)
        self._workers = workers
        self._alive: list[_Worker] = []
        self._server: ForkServer | None = None
        self._running = False
        self._finalizer = weakref.finalize(self, _stop_all, self._alive)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop every worker. The pool can be used again; its workers then start anew."""
        _stop_all(self._alive)
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _hire(self) -> _Worker:
        """A new worker, of a new server if the old one is gone."""
        for _ in range(2):
            if self._server is None:
                self._server = ForkServer(self._setup)
            try:
                return _Worker(self._server, self._patience)
            except Gone:
                self._server.stop()
                self._server = None
        raise GymError("the process that worker processes are forked from was killed, twice in a row")

    def map(self, items: Iterable[Any], ahead: int | None = None) -> Iterator[Outcome]:
        """One Outcome per item, in order, lazily.

        Args:
            ahead: so many items are taken ahead of the consumer; by default a few hundred. While one worker hangs the
                others go on with these, and no further.

        Raises:
            UsageError: another `map` of this pool is still being consumed.
            GymError: workers cannot start (the message carries their traceback).
        """
        if self._running:
            raise UsageError("this WorkerPool is already mapping; finish that iterator or use a second pool")
        self._running = True
        for worker in [w for w in self._alive if w.is_gone()]:
            worker.stop()  # died idle; no item of this map is to blame
            self._alive.remove(worker)
        run = _Run(self, items, 2 * MAX_WINDOW * self._workers if ahead is None else ahead)
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

    def __init__(self, pool: WorkerPool, items: Iterable[Any], ahead: int) -> None:
        self.pool = pool
        self.ahead = ahead
        self.items = enumerate(items)
        self.exhausted = False
        self.retry: deque[tuple[int, bytes]] = deque()
        self.finished: dict[int, Outcome] = {}
        self.taken = 0
        self.yielded = 0

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
        worker: _Worker | None = None
        run = 0
        while (item := self.next_item()) is not None:
            self.staff()
            if worker is None or run < 1:
                worker = max(self.pool._alive, key=_Worker.room)
                run = min(MAX_RUN, worker.room())
            if run < 1:
                self.retry.appendleft(item)
                break
            worker.give(item)
            run -= 1
        for worker in self.pool._alive:
            worker.flush()

    def next_item(self) -> tuple[int, bytes] | None:
        if self.retry:
            return self.retry.popleft()
        while not self.exhausted and self.taken - self.yielded < self.ahead:
            number, item = next(self.items, (-1, None))
            if number < 0:
                self.exhausted = True
                break
            self.taken = number + 1
            try:
                return number, pickle.dumps(item)
            except Exception as error:  # a class's own __reduce__ may raise anything
                self.finished[number] = Outcome(error="error", detail=f"cannot be pickled: {describe(error)}")
        return None

    def staff(self) -> None:
        """Start the workers that are missing."""
        while len(self.pool._alive) < self.pool._workers:
            self.pool._alive.append(self.pool._hire())

    def wait(self) -> None:
        """Block until a worker reports, dies or passes its deadline, and take in what it brings."""
        with selectors.DefaultSelector() as selector:
            for worker in self.pool._alive:
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.outgoing else 0)
                selector.register(worker.socket, events, worker)
            nearest = min(w.deadline() for w in self.pool._alive)
            ready = selector.select(max(0.0, nearest - time.monotonic()))
        for key, events in ready:
            if key.data not in self.pool._alive:
                continue  # buried together with one before it
            if events & selectors.EVENT_WRITE:
                key.data.flush()
            if events & selectors.EVENT_READ:
                self.collect(key.data)
        now = time.monotonic()
        heard = {id(key.data) for key, _ in ready}
        for worker in list(self.pool._alive):
            if worker in self.pool._alive and id(worker) not in heard and now >= worker.deadline():
                self.bury(worker, blamed=True, overdue=True)

    def collect(self, worker: _Worker) -> None:
        messages, ended = worker.receive()
        for kind, value, detail, seconds in messages:
            number, _ = worker.take(seconds)
            self.finished[number] = Outcome(value, None if kind == "value" else kind, detail, seconds)
            if kind == "memory":
                # Its heap may be full of what the item left behind; the next items get a clean process.
                self.bury(worker)
                return
        if ended:
            self.bury(worker, blamed=True)

    def bury(self, worker: _Worker, *, blamed: bool = False, overdue: bool = False) -> None:
        """Kill a worker, queue its items again, but for the one that it worked on if that is to be `blamed`.

        Results that it had kept back are lost with it; those items are computed anew.
        """
        elapsed = time.monotonic() - worker.since
        status = worker.stop()
        self.pool._alive.remove(worker)
        at_work = worker.finished - worker.reported
        if blamed and at_work < len(worker.sent):
            number, _ = worker.sent[at_work]
            del worker.sent[at_work]
            if overdue or status == -signal.SIGALRM:
                limit = f"stopped after {self.pool.seconds:g} s"
                self.finished[number] = Outcome(None, "timeout", limit, elapsed)
            else:
                self.finished[number] = Outcome(None, "crash", _died(status), elapsed)
        self.retry.extendleft(reversed(worker.sent))
        worker.sent.clear()
        if status is None:  # of the others nobody could tell either why they died
            orphans = (other for other in self.pool._alive if other.server is worker.server)
            if (orphan := next(orphans, None)) is not None:
                self.bury(orphan)


class _Worker:
    """The parent's end of one child process."""

    def __init__(self, server: ForkServer, patience: float) -> None:
        self.patience = patience
        self.server = server
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        with theirs, tempfile.TemporaryFile() as shared:
            shared.truncate(COUNT.size)
            self.count = mmap.mmap(shared.fileno(), COUNT.size)
            try:
                self.pid = server.fork(theirs.fileno(), shared.fileno())
            except BaseException:
                self.socket.close()
                self.count.close()
                raise
        self.reported = 0
        self.finished = 0
        self.sent: deque[tuple[int, bytes]] = deque()
        self.since = time.monotonic()
        self.mean_seconds = WINDOW_SECONDS
        self.inbox = Inbox(self.socket)
        self.outgoing = bytearray()

    def room(self) -> int:
        """How many more items may be sent ahead, by the time that recent ones took."""
        window = min(MAX_WINDOW, max(1, int(WINDOW_SECONDS / max(self.mean_seconds, 1e-6))))
        return window - len(self.sent)

    def give(self, item: tuple[int, bytes]) -> None:
        """Put an item among those that the next `flush` sends."""
        if not self.sent:
            self.since = time.monotonic()
        self.sent.append(item)
        self.outgoing += framed(item[1])

    def take(self, seconds: float) -> tuple[int, bytes]:
        """The item whose result has come; the next one's time starts now."""
        self.mean_seconds += 0.2 * (seconds - self.mean_seconds)
        self.since = time.monotonic()
        self.reported += 1
        return self.sent.popleft()

    def deadline(self) -> float:
        """When to kill the child from outside; its own timer is due before that."""
        return self.since + self.patience if self.sent else float("inf")

    def flush(self) -> None:
        """Send what the socket takes. Never blocks: a child busy with an item reads nothing."""
        # A dead child shows up as end of file on reading, with the reason.
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self.outgoing:
                del self.outgoing[: self.socket.send(self.outgoing)]
                self.since = time.monotonic()  # the child may have been waiting for just this

    def receive(self) -> tuple[list[Message], bool]:
        """Complete messages that have arrived, and whether the child has closed its end."""
        try:
            while self.inbox.fill():
                pass
            ended = True
        except BlockingIOError:
            ended = False  # everything sent so far is here
        messages = []
        while (message := self.inbox.next()) is not None:
            messages.append(_unpack(message))
        return messages, ended

    def is_gone(self) -> bool:
        """Whether an idle child has died."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def stop(self) -> int | None:
        """Kill the child and return its exit status, None if nobody can tell; `finished` then says how many items it ever
        got through.
        """
        self.socket.close()
        try:
            status = self.server.end(self.pid)
        except Gone:
            status = None
        (self.finished,) = COUNT.unpack_from(self.count)
        self.count.close()
        return status


def _stop_all(workers: list[_Worker]) -> None:
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
        return ("error", None, f"value cannot be unpickled: {describe(error)}", 0.0)


def _died(status: int | None) -> str:
    if status is None:
        return "worker died together with the process it was forked from"
    if status >= 0:
        return f"worker left with exit status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    hint = {"SIGKILL": " (the system may be out of memory)", "SIGABRT": " (often memory in native code)"}
    return f"worker died of {name}{hint.get(name, '')}"
