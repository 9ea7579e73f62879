"""A process that has loaded what workers need, and forks them on request.

A bare interpreter takes most of a second to import the toolkits; a fork of one that has done so, a few milliseconds. So an
answer that kills its worker costs hardly more than itself, and workers share the memory of what is loaded. The process runs
one thread and holds no item, so that nothing is half done when it forks. It is the parent of the workers: a process number
stays theirs until it is told to reap them, and can be killed by it safely.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import weakref
from collections.abc import Iterator

from mmai_gym.contracts import GymError
from mmai_gym.workers.child import Work, join_a_pool
from mmai_gym.workers.wire import Inbox, describe, framed

START_SECONDS = 120.0

_NUMBER = struct.Struct("!q")
"""A request: 0 to fork, with the descriptors of a worker beside it, or the worker to reap. A reply: the worker, or what it
left with; a fork that fails has the negative number of the error."""
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from mmai_gym.workers.forkserver import main; main(int(sys.argv[1]))"
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Gone(Exception):
    """The server has ended, and its workers cannot be reaped."""


class ForkServer:
    """The parent's end.

    Args:
        setup: the pickled `Work`, and what to call before the first worker is forked (or None).

    Raises:
        GymError: the server cannot start; the message carries the error.
    """

    def __init__(self, setup: bytes) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, str(theirs.fileno()), json.dumps(sys.path)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD},
                # Ctrl-C goes to the terminal's foreground group: the parent alone decides what happens.
                process_group=0,
            )
        self._workers: set[int] = set()
        self._finalizer = weakref.finalize(self, _end, self._socket, self._process, self._workers)
        self._socket.settimeout(START_SECONDS)
        with self._whole():
            fault = self._start(setup)
        if fault:
            self.stop()
            raise GymError(f"worker processes cannot start: {fault}")

    def _start(self, setup: bytes) -> str:
        """Wait until the server is ready; the reason if it never will be."""
        try:
            self._socket.sendall(framed(setup))
            fault = Inbox(self._socket).wait()
        except TimeoutError:
            return f"not ready after {START_SECONDS:g} s"
        except (BrokenPipeError, ConnectionResetError):
            fault = None
        if fault is None:
            return f"died while starting, with exit status {self._process.wait()}"
        return fault.decode()

    def fork(self, connection: int, counter: int) -> int:
        """The process number of a new worker that serves these two descriptors.

        Raises:
            Gone: see there.
            GymError: the system has no room for another process.
        """
        with self._whole():
            pid = self._ask(0, [connection, counter])
            if pid < 0:
                raise GymError(f"no further worker process can be forked: {os.strerror(-pid)}")
            self._workers.add(pid)
        return pid

    def end(self, pid: int) -> int:
        """Kill a worker, unless it is dead already, and return its exit status (negative: the signal).

        SIGKILL: a worker holds nothing worth a farewell. Of a server that is gone the workers end by themselves, with the
        item that they are at, since their sockets are closed.

        Raises:
            Gone: see there.
        """
        with self._whole():
            if pid not in self._workers:
                raise Gone
            # Where the server is gone, somebody else may have reaped it; the request finds out.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            status = self._ask(pid)
            self._workers.discard(pid)
        return status

    def stop(self) -> None:
        """End the server and its workers."""
        self._finalizer()

    def _ask(self, number: int, descriptors: list[int] | None = None) -> int:
        try:
            socket.send_fds(self._socket, [_NUMBER.pack(number)], descriptors or [])
            reply = self._socket.recv(_NUMBER.size, socket.MSG_WAITALL)
        except OSError as error:
            raise Gone from error
        if len(reply) < _NUMBER.size:
            raise Gone
        return int(_NUMBER.unpack(reply)[0])

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """Stop the server if a request is broken off, by Ctrl-C say: nobody could tell whose the next reply is."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, GymError):
                self.stop()
            raise


def _end(control: socket.socket, process: subprocess.Popen[bytes], workers: set[int]) -> None:
    # Without the server the numbers may be those of others by now, and the workers end with their sockets.
    if process.poll() is None:
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
    workers.clear()
    control.close()
    process.kill()
    process.wait()


# ------------------------------------------------------------------------------------------------ in the server


def main(descriptor: int) -> None:
    """Set up, then fork and reap until the parent is gone."""
    join_a_pool()
    with socket.socket(fileno=descriptor) as control:
        setup = Inbox(control).wait()
        if setup is None:
            return
        try:
            work, initializer = pickle.loads(setup)
            if initializer is not None:
                initializer()
        except Exception as error:
            control.sendall(framed(describe(error).encode()))
            return
        gc.freeze()  # a collection in a worker would copy every page of what is loaded here
        control.sendall(framed(b""))
        while True:
            request, descriptors, _, _ = socket.recv_fds(control, _NUMBER.size, 2, socket.MSG_WAITALL)
            if not request:
                return
            (pid,) = _NUMBER.unpack(request)
            control.sendall(_NUMBER.pack(_reap(pid) if pid else _fork(work, control, *descriptors)))


def _reap(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _fork(work: Work, control: socket.socket, connection: int, counter: int) -> int:
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or 1)
    if pid == 0:
        status = 1
        try:
            control.close()
            work.serve(socket.socket(fileno=connection), counter)
            status = 0
        finally:
            os._exit(status)  # not back into the loop of the server
    os.close(connection)
    os.close(counter)
    return pid
