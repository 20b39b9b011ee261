"""`a2acode serve`: put a coding agent behind A2A."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import click
import trio
from attrs import field, frozen

from a2acli import logs, options, settings
from a2acli.codes import DONE, FAILED
from a2acli.options import Wanted
from a2acli.secret import read_token
from a2acli.sign import sign_options
from a2acore.backend import BackendKind, Settings
from a2acore.compat import Switch
from a2acore.front import Front
from a2acore.http import CARD, Served
from a2acore.negotiation import Form
from a2acore.policy import BadPolicy, Policy, read_policy
from a2acore.redaction import Redactor, secrets_of
from a2acore.server import GRACE, Exposed, Options, check, serve
from a2acore.signing import Key
from a2acore.store.opening import open_store, path_of
from a2acore.store.terms import KEEP, Keep
from a2acore.tls import Tls

TERMINAL_STOPS = (signal.SIGINT, signal.SIGHUP)
"""Signals that stop a server, as SIGTERM does, unless they were ignored from its birth: under nohup
it outlives its terminal."""
LEVELS = ("debug", "info", "warning", "error")
SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
"""Of a key, as JWK calls them (RFC 7518 section 6)."""

YOUNG = 2000
"""Objects that the garbage collector lets come before it looks for those that went: what a few
dozen requests under way hold, most of which is gone by itself. Python says 700."""

CHECKED = "a2acli.checked"
"""A mark in the context of a command that is only looked at, and not to be done."""


@frozen
class Plan:
    """What is served, where, and to whom."""

    kind: BackendKind
    settings: Settings
    options: Options = field(repr=False)  # it holds the token
    host: str
    port: int
    insecure: bool
    front: Front | None
    grace: float
    store: str
    keep: Keep


@click.command(
    "serve",
    context_settings=options.SETTINGS,
    epilog="Each option can also be set in the environment: --port as A2ACODE_PORT, and so on.",
)
@settings.config
@options.agent_options
@options.host
@options.port
@options.public_url
@click.option(
    "--card-default",
    type=click.Choice(get_args(Form)),
    default="merged",
    help="The form of the card for callers that name no version.",
)
@click.option("--lenient-version", is_flag=True, help="Serve line 1.0 without its version header.")
@click.option(
    "--dedupe-message-id", is_flag=True, help="Do nothing for a message whose id was sent before."
)
@click.option("--buffered", is_flag=True, help="Send each answer whole, not as it comes.")
@click.option(
    "--extension",
    type=click.Choice(get_args(Served)),
    default="always",
    help="Tell tools, diffs and the rest as data: to all, or to who asks for it.",
)
@click.option(
    "--compat",
    type=click.Choice(get_args(Switch)),
    multiple=True,
    help="Tell tasks in the form of other servers too.",
)
@options.auth_token_file
@options.credentials
@click.option("--tls-cert", type=options.FILE, help="A file with the certificate for TLS.")
@click.option("--tls-key", type=options.FILE, help="A file with the key of that certificate.")
@click.option(
    "--tls-client-ca", type=options.FILE, help="A file with who vouches for callers' certificates."
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
@options.insecure
@sign_options
@click.option(
    "--policy", type=options.FILE, help="A file that says what is allowed without a question."
)
@click.option("--audit", type=options.FILE, help="A file to write to who let the agent do what.")
@click.option(
    "--keep-days",
    type=click.IntRange(min=0),
    default=KEEP.days,
    metavar="DAYS",
    help="How long tasks that have ended are kept; 0 is for ever.",
)
@click.option(
    "--keep-tasks",
    type=click.IntRange(min=0),
    default=KEEP.tasks,
    metavar="NUMBER",
    help="How many tasks that have ended are kept, the newest; 0 is all.",
)
@settings.limit
@click.option("--log-level", type=click.Choice(LEVELS), default="info", help="What is logged.")
@click.option(
    "--log-payloads", is_flag=True, help="Log what is asked and answered too, without secrets."
)
@click.option(
    "--front",
    type=click.Choice(get_args(Front)),
    help="What speaks HTTP: ours, or hypercorn as with TLS.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=GRACE,
    metavar="SECONDS",
    help="How long running tasks may go on when the server is told to stop.",
)
def command(
    wanted: Wanted,
    host: str,
    port: int,
    public_url: str,
    card_default: Form,
    lenient_version: bool,
    dedupe_message_id: bool,
    buffered: bool,
    extension: Served,
    compat: tuple[Switch, ...],
    auth_token_file: Path | None,
    credentials: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    webhook_allow_private: bool,
    allow_host: tuple[str, ...],
    allow_origin: tuple[str, ...],
    insecure: bool,
    sign_keys: tuple[Key, ...],
    sign_jku: str,
    policy: Path | None,
    audit: Path | None,
    keep_days: int,
    keep_tasks: int,
    log_level: str,
    log_payloads: bool,
    front: Front | None,
    grace: float,
    **_: object,  # those that `settings` reads
) -> int:
    """Serve a coding agent over A2A until Ctrl-C; a second one stops it at once."""
    context = click.get_current_context()
    kind, chosen = wanted.kind(), wanted.settings()
    token = read_token(auth_token_file) if auth_token_file else ""
    redactor = Redactor((*secrets_of(os.environ), *_secrets(token, sign_keys, chosen)))
    presented = Options(
        workspace=wanted.cwd,
        public_url=public_url,
        token=token,
        credentials=_credentials(credentials),
        tls=_tls(tls_cert, tls_key, tls_client_ca, credentials),
        card_default=card_default,
        lenient_version=lenient_version,
        dedupe_message_id=dedupe_message_id,
        buffered=buffered,
        extension=extension,
        compat=compat,
        webhook_allow_private=webhook_allow_private,
        allow_hosts=allow_host,
        allow_origins=allow_origin,
        sign_keys=sign_keys,
        sign_jku=sign_jku,
        policy=_policy(policy),
        audit=audit,
        limits=settings.limits_of(context),
        log_payloads=log_payloads,
        redactor=redactor,
    )
    try:
        check(host, presented, insecure=insecure)
    except Exposed as exc:
        raise click.UsageError(
            f"everybody who reaches {host} could run the agent: give --auth-token-file FILE "
            "or --credentials FILE, or --insecure if that is what you want"
        ) from exc
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    if context.meta.get(CHECKED):
        if path := path_of(wanted.store_url):
            from a2acore.store.sqlite.care import examine

            examine(path)
        return DONE
    logs.begin(log_level, redactor, payloads=log_payloads)
    # No dump, of ours or of an agent's, is to hold what is a secret.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    plan = Plan(
        kind,
        chosen,
        presented,
        host,
        port,
        insecure,
        front,
        grace,
        wanted.store_url,
        Keep(days=keep_days, tasks=keep_tasks),
    )
    return DONE if trio.run(run, plan) else FAILED


async def run(plan: Plan) -> bool:
    """Serve until a signal comes; whether all tasks could end in peace."""
    stopping, ready = trio.Event(), trio.Event()
    peaceful = False
    others = [each for each in TERMINAL_STOPS if signal.getsignal(each) is not signal.SIG_IGN]
    with trio.open_signal_receiver(signal.SIGTERM, *others) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, ready, stopping, nursery.cancel_scope)
            async with (
                open_store(plan.store, keep=plan.keep) as store,
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
                        front=plan.front,
                        store=store,
                        shutdown=stopping.wait,
                        grace=plan.grace,
                    )
                )
                ready.set()
                _spare_what_stays()
                _say(f"{backend.info.name} is at {bound.url} (card: {bound.url}{CARD})")
                _say(f"tasks are kept in {path_of(plan.store) or 'memory, until it stops'}")
                if plan.host in options.EVERYWHERE and not plan.options.public_url:
                    _say(
                        f"the card sends callers to {bound.url}, of no use to other machines; "
                        "say where they reach this one: --public-url URL"
                    )
            peaceful = True
            nursery.cancel_scope.cancel()
    return peaceful


def _spare_what_stays() -> None:
    """Have the garbage collector leave alone what is there for as long as we are.

    Of the time for a request it took nearly a quarter, and of the longest waits nearly all (40 ms),
    to look through modules again and again. The young are looked at when there are `YOUNG` of them.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def _credentials(file: Path | None) -> Path | None:
    """The file, once it can be meant; it is read again whenever it changes."""
    if file is not None:
        from a2acli.credentials import read  # a command by itself, which few servers need

        read(file)
    return file


def _tls(
    cert: Path | None, key: Path | None, client_ca: Path | None, credentials: Path | None
) -> Tls | None:
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise click.UsageError("to speak TLS, give both --tls-cert FILE and --tls-key FILE")
    if client_ca is not None and credentials is None:
        raise click.UsageError(
            "--tls-client-ca lets in nobody by itself: say whose certificates count, in the file "
            "of --credentials"
        )
    return Tls(cert, key, client_ca)


def _secrets(token: str, keys: Iterable[Key], chosen: Settings) -> Iterator[str]:
    """What this server knows, and must never log."""
    if token:
        yield token
    for key in keys:
        yield from (value for name, value in key.secret.items() if name in SECRET_MEMBERS)
    for server in chosen.mcp_servers:
        yield from secrets_of(server.env)
        yield from server.headers.values()


def _policy(file: Path | None) -> Policy:
    if file is None:
        return Policy()
    try:
        return read_policy(file)
    except BadPolicy as exc:
        for mistake in exc.mistakes:
            _say(mistake)
        raise click.UsageError("--policy: nothing is served before that is mended") from exc


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


def _say(text: str) -> None:
    click.echo(f"a2acode: {text}", err=True)
