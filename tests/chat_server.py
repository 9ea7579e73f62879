"""A chat completions server on 127.0.0.1 that misbehaves as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Handler", dict[str, Any]], None]
"""Answers one request, given its body."""


class Handler(BaseHTTPRequestHandler):
    """Takes the next behaviour for each request; the last one stays."""

    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append((self.path, dict(self.headers), body, time.monotonic()))
            behaviours = self.server.behaviours
            behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        behaviour(self, body)

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.asked.append((self.path, dict(self.headers), {}, time.monotonic()))
        self.send(200, b"{}")

    def send(self, status: int, content: bytes, **headers: str) -> None:
        """A whole response."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Nothing."""


class ChatServer(ThreadingHTTPServer):
    """Remembers what it was asked: path, headers, body and time of each request."""

    daemon_threads = True

    def __init__(self, behaviours: list[Behaviour]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours = behaviours
        self.asked: list[tuple[str, dict[str, str], dict[str, Any], float]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[ChatServer]:
    """A running server that behaves like this, request by request."""
    server = ChatServer(list(behaviours))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --------------------------------------------------------------------------------------------------- behaviours


def content_of(text: str | None) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def says(text: str | None) -> Behaviour:
    """A good answer with this text."""
    return lambda handler, body: handler.send(200, content_of(text))


def fails(status: int, text: str = "no", **headers: str) -> Behaviour:
    """An HTTP error."""
    return lambda handler, body: handler.send(status, text.encode(), **headers)


def sends(content: bytes) -> Behaviour:
    """Status 200 with these bytes."""
    return lambda handler, body: handler.send(200, content)


def half(handler: Handler, body: dict[str, Any]) -> None:
    """Promises a whole answer, sends half of it and hangs up."""
    content = content_of("<answer>1</answer>")
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])


def hangs_up(handler: Handler, body: dict[str, Any]) -> None:
    """Closes the connection without a word."""
    handler.connection.close()


def dawdles(seconds: float) -> Behaviour:
    """Sends headers at once, and the answer byte by byte so slowly that it takes this long."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        content = content_of("<answer>1</answer>")
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        try:
            for i in range(len(content)):
                handler.wfile.write(content[i : i + 1])
                time.sleep(seconds / len(content))
        except OSError:
            pass  # the client has left

    return answer
