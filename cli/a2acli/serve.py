"""`a2acode serve`: put a coding agent behind A2A."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import get_args

import click
import trio
from attrs import field, frozen

from a2acli.codes import DONE, FAILED
from a2acli.secret import read_token
from a2acore.backend import BackendKind, Settings, find_backends
from a2acore.client import CARD_PATH
from a2acore.negotiation import Form
from a2acore.server import GRACE, Exposed, Options, check, serve

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EVERYWHERE = ("0.0.0.0", "::")
LEVELS = ("debug", "info", "warning", "error")


@frozen
class Plan:
    """What is served, where, and to whom."""

    kind: BackendKind
    settings: Settings
    options: Options = field(repr=False)  # it holds the token
    host: str
    port: int
    insecure: bool
    grace: float


@click.command(
    "serve",
    context_settings={"auto_envvar_prefix": "A2ACODE", "show_default": True},
    epilog="Each option can also be set in the environment: --port as A2ACODE_PORT, and so on.",
)
@click.option(
    "--backend",
    metavar="NAME",
    default="acp",
    help="What drives the agent; see `a2acode backends`.",
)
@click.option(
    "--agent",
    metavar="PRESET",
    default="",
    show_default="claude for acp",
    help="Which agent the backend starts.",
)
@click.option("--agent-command", metavar="CMD", help="How to start any other agent.")
@click.option(
    "--cwd",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    default=".",
    help="Where the agent works.",
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=9100, help="0 takes a free one.")
@click.option(
    "--public-url",
    metavar="URL",
    default="",
    show_default="where it listens",
    help="Where callers reach the server.",
)
@click.option(
    "--card-default",
    type=click.Choice(get_args(Form)),
    default="merged",
    help="The form of the card for callers that name no version.",
)
@click.option("--lenient-version", is_flag=True, help="Serve line 1.0 without its version header.")
@click.option(
    "--script",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    help="What the echo backend plays.",
)
@click.option(
    "--dedupe-message-id", is_flag=True, help="Do nothing for a message whose id was sent before."
)
@click.option("--buffered", is_flag=True, help="Send each answer whole, not as it comes.")
@click.option(
    "--auth-token-file",
    type=click.Path(path_type=Path),
    help="A file with the token that callers must show.",
)
@click.option(
    "--webhook-allow-private",
    is_flag=True,
    help="Let webhooks lead to this machine and its network.",
)
@click.option(
    "--allow-host",
    metavar="NAME",
    multiple=True,
    help="Another name of this server, as callers reach it; * for any.",
)
@click.option(
    "--allow-origin",
    metavar="ORIGIN",
    multiple=True,
    help="An origin whose web pages may use this server.",
)
@click.option("--insecure", is_flag=True, help="Let other machines in without a token.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", help="What is logged.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=GRACE,
    metavar="SECONDS",
    help="How long running tasks may go on when the server is told to stop.",
)
def command(
    backend: str,
    agent: str,
    agent_command: str | None,
    cwd: Path,
    host: str,
    port: int,
    public_url: str,
    card_default: Form,
    lenient_version: bool,
    script: Path | None,
    dedupe_message_id: bool,
    buffered: bool,
    auth_token_file: Path | None,
    webhook_allow_private: bool,
    allow_host: tuple[str, ...],
    allow_origin: tuple[str, ...],
    insecure: bool,
    log_level: str,
    grace: float,
) -> int:
    """Serve a coding agent over A2A until Ctrl-C; a second one stops it at once."""
    kinds = find_backends()
    if backend not in kinds:
        raise click.UsageError(f"there is no backend {backend!r}; there are {', '.join(kinds)}")
    options = Options(
        workspace=cwd,
        public_url=public_url,
        token=read_token(auth_token_file) if auth_token_file else "",
        card_default=card_default,
        lenient_version=lenient_version,
        dedupe_message_id=dedupe_message_id,
        buffered=buffered,
        webhook_allow_private=webhook_allow_private,
        allow_hosts=allow_host,
        allow_origins=allow_origin,
    )
    try:
        check(host, options, insecure=insecure)
    except Exposed as exc:
        raise click.UsageError(
            f"everybody who reaches {host} could run the agent: give --auth-token-file FILE, "
            "or --insecure if that is what you want"
        ) from exc
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    settings = Settings(cwd, agent, _split(agent_command), script)
    logging.basicConfig(
        stream=sys.stderr,
        level=log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    plan = Plan(kinds[backend], settings, options, host, port, insecure, grace)
    return DONE if trio.run(run, plan) else FAILED


async def run(plan: Plan) -> bool:
    """Serve until a signal comes; whether all tasks could end in peace."""
    stopping, ready = trio.Event(), trio.Event()
    peaceful = False
    with trio.open_signal_receiver(*STOPS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, ready, stopping, nursery.cancel_scope)
            async with (
                plan.kind.open(plan.settings) as backend,
                trio.open_nursery() as serving,
            ):
                bound = await serving.start(
                    partial(
                        serve,
                        backend,
                        host=plan.host,
                        port=plan.port,
                        options=plan.options,
                        insecure=plan.insecure,
                        shutdown=stopping.wait,
                        grace=plan.grace,
                    )
                )
                ready.set()
                _say(f"{backend.info.name} is at {bound.url} (card: {bound.url}{CARD_PATH})")
                if plan.host in EVERYWHERE and not plan.options.public_url:
                    _say(
                        f"the card sends callers to {bound.url}, of no use to other machines; "
                        "say where they reach this one: --public-url URL"
                    )
            peaceful = True
            nursery.cancel_scope.cancel()
    return peaceful


async def _obey(
    signals: AsyncIterator[int], ready: trio.Event, stopping: trio.Event, scope: trio.CancelScope
) -> None:
    """The first signal asks, the second does not."""
    async for _ in signals:
        if stopping.is_set() or not ready.is_set():
            scope.cancel()
            return
        stopping.set()
        _say("stopping once the running tasks have ended; the same again stops at once")


def _split(agent_command: str | None) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(agent_command or ""))
    except ValueError as exc:
        raise click.UsageError(f"--agent-command cannot be read ({exc}); check its quotes") from exc


def _say(text: str) -> None:
    click.echo(f"a2acode: {text}", err=True)
