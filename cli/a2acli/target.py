"""Which agent a command talks to, and how: the options that they all share."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import click
from attrs import field, frozen

from a2acli.secret import read_password, read_token
from a2acore.client import BINDINGS, LINES, NEWEST, Client, fetch_card, open_client

PEM = click.Path(dir_okay=False, path_type=Path)
DEFAULT_URL = "http://127.0.0.1:9100"


@frozen
class Target:
    """An agent's address, and the way to it that was asked for."""

    url: str = DEFAULT_URL
    token_file: Path | None = None
    line: str | None = None
    binding: str | None = None
    token: str = field(default="", repr=False)
    user: str = ""
    insecure: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def open(self) -> AbstractAsyncContextManager[Client]:
        return open_client(
            self.url, line=self.line, binding=self.binding, tls=self.tls(), **self._shown
        )

    async def fetch_card(self) -> bytes:
        """The agent's card, as it is served."""
        return await fetch_card(self.url, line=self.line or NEWEST, tls=self.tls(), **self._shown)

    @property
    def _shown(self) -> dict[str, Any]:
        return {"token": self.token, "user": self.user, "insecure": self.insecure}

    def tls(self) -> ssl.SSLContext | None:
        """What is trusted, and shown, where TLS is spoken; None for what is usual.

        Raises:
            click.UsageError: a file is not what it should be.
        """
        if bool(self.tls_cert) != bool(self.tls_key):
            raise click.UsageError("--tls-cert and --tls-key go together")
        if not (self.tls_ca or self.tls_cert):
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_cert:
                # OpenSSL would ask the terminal for the password of a key that has one.
                context.load_cert_chain(self.tls_cert, self.tls_key, password=lambda: b"")
        except (OSError, ValueError) as exc:
            why = getattr(exc, "reason", None) or exc.args[-1]
            raise click.UsageError(f"--tls-ca, --tls-cert, --tls-key: {why}") from exc
        return context

    @property
    def options(self) -> list[str]:
        """The options that lead another command to the same place, without the token."""
        said = {
            "--url": self.url,
            "--token-file": self.token_file,
            "--protocol": self.line,
            "--binding": self.binding,
            "--user": self.user,
            "--tls-ca": self.tls_ca,
            "--tls-cert": self.tls_cert,
            "--tls-key": self.tls_key,
        }
        words = [word for name, value in said.items() if value for word in (name, str(value))]
        return [*words, *["--insecure"] * self.insecure]


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
    @click.option("--user", metavar="NAME", default="", help="Show the token as NAME's password.")
    @click.option(
        "--insecure", is_flag=True, help="Show the token also where others can read it (http)."
    )
    @click.option("--tls-ca", type=PEM, help="A file with the authorities to trust.")
    @click.option("--tls-cert", type=PEM, help="A file with a certificate to show to the agent.")
    @click.option("--tls-key", type=PEM, help="A file with the key of that certificate.")
    @functools.wraps(command)
    def wrapped(
        url: str,
        token_file: Path | None,
        protocol: str | None,
        binding: str | None,
        user: str,
        insecure: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        **rest: Any,
    ) -> Any:
        token = os.environ.get("A2ACODE_TOKEN", "")
        if token_file:
            token = read_password(token_file) if user else read_token(token_file)
        target = Target(
            url,
            token_file,
            protocol,
            binding,
            token,
            user,
            insecure,
            tls_ca,
            tls_cert,
            tls_key,
        )
        return command(target=target, **rest)

    return wrapped
