"""One request to a chat completions endpoint, and what may go wrong with it.

A server that is busy, slow, down or cuts its answer short is asked again, ever more slowly; one that says the request itself
is wrong is not. The key goes into one header of one request: it is not sent on when the server redirects, and whatever the
server says is searched for it before anyone reads it.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmai_gym.contracts import GymError

_TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_UNANSWERABLE = ("context_length_exceeded", "content_filter", "content_policy_violation")
"""Codes that say the server will never answer this prompt."""
_MAX_BYTES = 16 * 1024 * 1024
_CHUNK = 64 * 1024
_SHOWN = 200


class EndpointError(GymError):
    """An endpoint gave no usable answer; the message names the endpoint, what it said, and the fix."""


class PromptRefused(EndpointError):
    """The endpoint answers, but not this prompt: it is too long, or its contents are filtered."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Attributes:
        seconds: for one answer, from the request to its last byte.
        attempts: for one request.
        pause: seconds before the second attempt, doubled before each later one up to `longest_pause`; a random part of it is
            waited, so that many clients do not come back together. Where the server says how long to wait, that counts.
    """

    seconds: float = 300.0
    attempts: int = 6
    pause: float = 1.0
    longest_pause: float = 60.0


class Pacer:
    """Lets at most so many requests a minute begin, evenly spaced; for any number of threads."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next request may begin."""
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + self._gap
        time.sleep(begin - now)


class ChatApi:
    """`POST URL/chat/completions`, as OpenAI defined it and vLLM, llama.cpp, Ollama and others serve it.

    Args:
        url: base, such as https://api.openai.com/v1 or http://127.0.0.1:8000/v1.
        key: sent as bearer token; None for a server that wants none.
        per_minute: requests that may begin in a minute; None for no limit.
    """

    def __init__(
        self, url: str, key: str | None, per_minute: float | None = None, patience: Patience | None = None
    ) -> None:
        self.url = f"{url.rstrip('/')}/chat/completions"
        self._key = key
        self._pacer = Pacer(per_minute)
        self._patience = patience or Patience()
        self._opener = urllib.request.build_opener(_NoRedirect)

    def complete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The server's answer to one request: a JSON object with a non-empty list `choices`.

        Raises:
            PromptRefused: the server will not answer this prompt.
            EndpointError: it refuses the request, or gave no usable answer in all attempts.
        """
        fault, wanted = "", None
        for attempt in range(self._patience.attempts):
            if attempt:
                time.sleep(self._pause(attempt, wanted))
            self._pacer.wait()
            try:
                return _checked(self._post(body))
            except urllib.error.HTTPError as error:
                fault, wanted = self._http_fault(error), error.headers.get("Retry-After")
            # URLError is an OSError; a server that closes early raises HTTPException, half a body or a web page ValueError.
            except (OSError, http.client.HTTPException, ValueError) as error:
                fault, wanted = f"{type(error).__name__}: {error}", None
        raise EndpointError(
            f"{self.url} gave no usable answer in {self._patience.attempts} attempts; the last one: "
            f"{self._clean(fault)}. The answers before this one are kept: when the server is well, the same command goes on"
        )

    def _post(self, body: Mapping[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers, method="POST")
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        deadline = time.monotonic() + self._patience.seconds
        with self._opener.open(request, timeout=self._patience.seconds) as response:
            content = _read(response, deadline)
        try:
            return json.loads(content)
        except ValueError:
            raise ValueError(f"no JSON: {content[:_SHOWN]!r}") from None

    def _http_fault(self, error: urllib.error.HTTPError) -> str:
        """What to say of a status that is worth another attempt; other statuses raise."""
        try:
            said = error.read(_MAX_BYTES).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            said = ""
        fault = f"HTTP {error.code}: {self._clean(said)[:_SHOWN]}"
        if error.code in _TRY_AGAIN:
            return fault
        if any(code in said for code in _UNANSWERABLE):
            raise PromptRefused(f"{self.url} will not answer this prompt ({fault})") from None
        fix = {
            401: "set OPENAI_API_KEY to a key that this server accepts",
            403: "set OPENAI_API_KEY to a key that may use this model",
            404: "check the URL (it usually ends in /v1) and the model's name",
        }
        if 300 <= error.code < 400:
            raise EndpointError(
                f"{self.url} redirects to {self._clean(error.headers.get('Location') or 'nowhere')}; give that address if "
                "you trust it, a key is not sent on"
            ) from None
        hint = fix.get(error.code, "check the model's name and the settings of the request")
        raise EndpointError(f"{self.url} refuses the request ({fault}); {hint}") from None

    def _pause(self, attempt: int, wanted: str | None) -> float:
        """Seconds to wait before an attempt."""
        longest = self._patience.longest_pause
        try:
            return min(float(wanted or ""), longest)
        except ValueError:  # a date, or nothing
            return min(self._patience.pause * 2 ** (attempt - 1), longest) * random.uniform(0.5, 1.0)

    def _clean(self, text: str) -> str:
        """Text on one line, without the key."""
        return " ".join((text.replace(self._key, "[key]") if self._key else text).split())


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The whole body. The time limit of a socket starts anew with each byte, and a server may send one a minute."""
    content = bytearray()
    while part := response.read1(_CHUNK):
        content += part
        if len(content) > _MAX_BYTES:
            raise ValueError(f"an answer of more than {_MAX_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end in time")
    if response.length:
        raise http.client.IncompleteRead(bytes(content[:0]), response.length)
    return bytes(content)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: urllib would repeat the question as a GET, wherever the server points."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _checked(answer: Any) -> dict[str, Any]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError(f"no choices in {json.dumps(answer)[:_SHOWN]}")
    return answer
