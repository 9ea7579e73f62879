"""What travels between the processes: messages with their length ahead."""

from __future__ import annotations

import os
import socket
import struct
import traceback

DETAIL_CHARS = 2000

_HEADER = struct.Struct("!Q")


def framed(message: bytes) -> bytes:
    """A message as it travels."""
    return _HEADER.pack(len(message)) + message


class Inbox:
    """The messages that come in through a socket."""

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
        """Wait for more (from a socket that does not block: take what is here); False once the other end is closed."""
        try:
            chunk = self._connection.recv(1 << 18)
        except ConnectionResetError:
            return False
        del self._data[: self._start]
        self._start = 0
        self._data += chunk
        return bool(chunk)

    def wait(self) -> bytes | None:
        """The next message, or None once the other end is closed."""
        while (message := self.next()) is None:
            if not self.fill():
                return None
        return message


def describe(error: BaseException) -> str:
    """Type and text of an error, and the innermost line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""  # noqa: PTH119
    try:
        text = str(error)
    except Exception:  # an exception class whose own __str__ fails
        text = "<no text>"
    return f"{type(error).__name__}: {text}"[:DETAIL_CHARS] + where
