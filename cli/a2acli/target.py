"""Which agent a command talks to, and how: the options that they all share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import click
from attrs import field, frozen

from a2acli.secret import read_token
from a2acore.client import BINDINGS, LINES, Client, open_client

DEFAULT_URL = "http://127.0.0.1:9100"


@frozen
class Target:
    """An agent's address, and the way to it that was asked for."""

    url: str = DEFAULT_URL
    token_file: Path | None = None
    line: str | None = None
    binding: str | None = None
    token: str = field(default="", repr=False)

    def open(self) -> AbstractAsyncContextManager[Client]:
        return open_client(self.url, token=self.token, line=self.line, binding=self.binding)

    @property
    def options(self) -> list[str]:
        """The options that lead another command to the same place, without the token."""
        said = {
            "--url": self.url,
            "--token-file": self.token_file,
            "--protocol": self.line,
            "--binding": self.binding,
        }
        return [word for name, value in said.items() if value for word in (name, str(value))]


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name an agent, and what they say as its `target`."""

    @click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the agent is.")
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="A file with the token for the agent.  [default: the token in A2ACODE_TOKEN]",
    )
    @click.option("--protocol", type=click.Choice(list(LINES)), help="Speak this line only.")
    @click.option(
        "--binding",
        type=click.Choice(BINDINGS, case_sensitive=False),
        help="Speak this binding only.",
    )
    @functools.wraps(command)
    def wrapped(
        url: str, token_file: Path | None, protocol: str | None, binding: str | None, **rest: Any
    ) -> Any:
        token = read_token(token_file) if token_file else os.environ.get("A2ACODE_TOKEN", "")
        return command(target=Target(url, token_file, protocol, binding, token), **rest)

    return wrapped
