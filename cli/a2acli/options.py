"""The options that commands share: which agent, where it is served, where its tasks are kept."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from attrs import fields, frozen

from a2abackends.presets import DEFAULT
from a2acli import settings
from a2acli.mcp_config import read_mcp_config
from a2acore.backend import SANDBOXES, BackendKind, Choices, Settings, find_backend, find_backends
from a2acore.store.opening import default_url, files_of, path_of
from a2acore.store.terms import BadStore

# These bear no `exists`: the doctor has something to say where a file is not there.
FOLDER = click.Path(file_okay=False, resolve_path=True, path_type=Path)
FILE = click.Path(dir_okay=False, resolve_path=True, path_type=Path)
TOKEN_FILE = click.Path(path_type=Path)
PLACE = click.Path(resolve_path=True, path_type=Path)

SETTINGS = {"auto_envvar_prefix": "A2ACODE", "show_default": True}
"""Of a command whose options can also be set in the environment."""
EVERYWHERE = ("0.0.0.0", "::")
"""Addresses to listen on that are none to be reached at."""
OWN = "the agent's own"


class StoreURL(click.ParamType[str]):
    """The URL of a store; nothing is the one that there is by default."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        url = str(value)
        if url:
            try:
                path_of(url)
            except BadStore as exc:
                self.fail(str(exc), param, ctx)
        return url


host = click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", help="The address to listen on."
)
port = click.option(
    "--port", type=click.IntRange(0, 65535), default=9100, help="0 takes a free one."
)
public_url = click.option(
    "--public-url",
    metavar="URL",
    default="",
    show_default="where it listens",
    help="Where callers reach the server.",
)
auth_token_file = click.option(
    "--auth-token-file", type=TOKEN_FILE, help="A file with the token that callers must show."
)
credentials = click.option(
    "--credentials", type=FILE, help="A file that says who is let in, and what they may do."
)
insecure = click.option("--insecure", is_flag=True, help="Let other machines in without a token.")


backend = click.option(
    "--backend",
    metavar="NAME",
    default="acp",
    help="What drives the agent; see `a2acode backends`.",
)
agent = click.option(
    "--agent",
    metavar="PRESET",
    default="",
    show_default=f"{DEFAULT} for acp",
    help="Which agent the backend starts.",
)
agent_command = click.option("--agent-command", metavar="CMD", help="How to start any other agent.")
cwd = click.option("--cwd", type=FOLDER, default=".", help="Where the agent works.")
store = click.option(
    "--store",
    type=StoreURL(),
    metavar="URL",
    default="",
    show_default="a file for this workspace and agent",
    help="Where tasks are kept: sqlite:////PATH, or memory: for as long as it runs.",
)


@frozen
class Wanted:
    """Which agent is to be served, and how it is to work, as the options say it."""

    backend: str
    agent: str
    agent_command: str | None
    cwd: Path
    store: str
    script: Path | None
    model: str
    mode: str
    effort: str
    sandbox: str | None
    mcp_config: Path | None
    offer: tuple[str, ...]
    agent_env: tuple[str, ...]
    agent_limit: tuple[str, ...]
    sandbox_write: tuple[Path, ...]
    sandbox_hide: tuple[Path, ...]
    files: tuple[Path, ...]
    """What other options name: the server's own, and not for the agent to see."""

    def kind(self) -> BackendKind:
        """Raises: click.UsageError: there is no such backend."""
        kind = find_backend(self.backend)
        if kind is None:
            known = ", ".join(find_backends())
            raise click.UsageError(f"there is no backend {self.backend!r}; there are {known}")
        return kind

    def settings(self) -> Settings:
        """How the backend is to be opened.

        Raises:
            click.UsageError: an option is not as it should be, or what it names.
        """
        if not self.cwd.is_dir():
            raise click.UsageError(f"--cwd: {self.cwd} does not exist, or is no directory")
        for place in self.sandbox_write:
            if not place.exists():
                raise click.UsageError(f"--sandbox-write: {place} does not exist; make it first")
        servers = read_mcp_config(self.mcp_config, os.environ) if self.mcp_config else ()
        return Settings(
            self.cwd,
            self.agent,
            _split(self.agent_command),
            self.script,
            choices=Choices(self.model, self.mode, self.effort, self.sandbox or ""),
            mcp_servers=servers,
            offers=frozenset(each for each in ("files", "terminals") if each in self.offer),
            variables=self.agent_env,
            rlimits=_limits(self.agent_limit),
            writable=self.sandbox_write,
            hidden=(*self.sandbox_hide, *self.files, *files_of(self.store_url)),
        )

    @property
    def store_url(self) -> str:
        """Where tasks are kept."""
        return store_url(self.store, self.cwd, self.backend, self.agent, self.agent_command)


def agent_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which agent, and what they say as `wanted`."""

    @backend
    @agent
    @agent_command
    @cwd
    @store
    @click.option("--script", type=FILE, help="What the echo backend plays.")
    @click.option(
        "--model",
        metavar="NAME",
        default="",
        show_default=OWN,
        help="The model that the agent uses.",
    )
    @click.option(
        "--mode",
        metavar="NAME",
        default="",
        show_default=OWN,
        help="The mode that the agent works in.",
    )
    @click.option(
        "--effort", metavar="LEVEL", default="", show_default=OWN, help="How hard the agent thinks."
    )
    @click.option(
        "--sandbox", type=click.Choice(SANDBOXES), help="What the agent may do to the machine."
    )
    @click.option(
        "--sandbox-write",
        type=PLACE,
        multiple=True,
        help="A place that it may write to in its sandbox, beside the workspace.",
    )
    @click.option(
        "--sandbox-hide",
        type=PLACE,
        multiple=True,
        help="A place that it does not see in its sandbox.",
    )
    @click.option(
        "--agent-env",
        metavar="NAME",
        multiple=True,
        help="A variable that the agent gets too; NAME= for one that it does not get.",
    )
    @click.option(
        "--agent-limit",
        metavar="NAME=NUMBER",
        multiple=True,
        help="What each of its processes may have: cpu (s), memory, file-size (MiB), open-files.",
    )
    @click.option(
        "--mcp-config", type=FILE, help="A file with the MCP servers that the agent is to use."
    )
    @click.option(
        "--offer",
        multiple=True,
        type=click.Choice(("files", "terminals")),
        help="What the agent may do through us, asked for each time.",
    )
    @functools.wraps(command)
    def wrapped(**said: Any) -> Any:
        names = [each.name for each in fields(Wanted) if each.name in said]
        wanted = Wanted(**{name: said.pop(name) for name in names}, files=_files())
        return command(wanted=wanted, **said)

    return wrapped


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which store, as `serve` has them, and what they say as
    `path`."""

    @settings.config
    @backend
    @agent
    @agent_command
    @cwd
    @functools.wraps(command)
    def wrapped(
        config: Path | None,
        backend: str,
        agent: str,
        agent_command: str | None,
        cwd: Path,
        store: str,
        **said: Any,
    ) -> Any:
        path = path_of(store_url(store, cwd, backend, agent, agent_command))
        if path is None:
            raise click.UsageError("what is kept in memory: only its server knows; name a file")
        if not os.path.exists(path):  # unlike that of Path, it raises nothing
            raise click.UsageError(f"there is no store at {path}; a server makes one as it starts")
        return command(path=path, **said)

    return wrapped


def store_url(store: str, cwd: Path, backend: str, agent: str, agent_command: str | None) -> str:
    """Where tasks are kept, by what is said of that, and of whose they are."""
    usual = DEFAULT if backend == "acp" and not agent_command else ""
    return store or default_url(cwd, (backend, agent or usual, agent_command or ""))


def _files() -> tuple[Path, ...]:
    """Every file that an option of this command names."""
    context = click.get_current_context()
    named = (
        context.params[parameter.name or ""]
        for parameter in context.command.params
        if isinstance(parameter.type, click.Path)
        and parameter.type.file_okay
        and parameter.type is not PLACE
    )
    lists = (each if isinstance(each, tuple) else (each,) for each in named)
    return tuple(path for each in lists for path in each if path is not None)


def _limits(said: tuple[str, ...]) -> dict[str, int]:
    limits = {}
    for each in said:
        name, _, number = each.partition("=")
        if not number.isdecimal():
            raise click.UsageError(f"--agent-limit is NAME=NUMBER, and not {each!r}")
        limits[name] = int(number)
    return limits


def _split(agent_command: str | None) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(agent_command or ""))
    except ValueError as exc:
        raise click.UsageError(f"--agent-command cannot be read ({exc}); check its quotes") from exc
