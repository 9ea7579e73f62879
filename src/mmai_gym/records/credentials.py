"""What looks like a credential, which a record that is meant to be shared must not hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmai_gym.contracts import UsageError

_SECRET_WORDS = frozenset(
    {
        "key",
        "apikey",
        "token",
        "secret",
        "secrets",
        "password",
        "passwd",
        "passphrase",
        "credential",
        "credentials",
    }
    | {"authorization", "bearer"}
)
_SPECIAL_TOKENS = frozenset({"bos", "eos", "pad", "unk", "sep", "cls", "mask", "stop", "image"})
_URL_WITH_SECRET = re.compile(
    r"://([^/\s:@]*:[^/\s@]+@|\S*[?&][^=&\s]*(key|token|secret|password)[^=&\s]*=[^&\s])"
)


def refuse_secrets(config: Any, path: str = "config") -> None:
    """Refuse settings that look like credentials: a record is meant to be shared.

    What stands under a name with the word key, token, secret, password, ... is one (numbers, and special tokens
    such as `pad_token`, are not), and so is a URL with a password or a key in it.

    Raises:
        UsageError: naming the setting, never its value.
    """
    if isinstance(config, Mapping):
        for name, value in config.items():
            if value and not isinstance(value, int | float) and _names_a_secret(str(name)):
                raise UsageError(
                    f"{path}.{name} looks like a credential and would be written into the run record; "
                    "give it through an environment variable and leave it out of the configuration"
                )
            refuse_secrets(value, f"{path}.{name}")
    elif isinstance(config, list | tuple):
        for position, value in enumerate(config):
            refuse_secrets(value, f"{path}[{position}]")
    elif isinstance(config, str) and _URL_WITH_SECRET.search(config):
        raise UsageError(
            f"{path} is a URL with a credential in it and would be written into the run record; "
            "take it out and give it through an environment variable"
        )


def _names_a_secret(name: str) -> bool:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    parts = [part for part in re.split(r"[^a-z0-9]+", words) if part]
    return not _SECRET_WORDS.isdisjoint(parts) and _SPECIAL_TOKENS.isdisjoint(parts)
