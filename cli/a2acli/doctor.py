"""`a2acode doctor`: whether `serve` would work, looked at before anybody waits for it.

Each check is bounded in time and ends in findings: nothing that is not well may stop the next look,
or end in a traceback.
"""

from __future__ import annotations

import errno
import json
import platform
import shlex
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import trio
from attrs import asdict, frozen

from a2acli import options, settings
from a2acli.codes import DONE, FAILED
from a2acli.options import Wanted
from a2acli.plain import one_line
from a2acli.secret import load_token, others_can_read
from a2acore.backend import BadSettings, Finding
from a2acore.credentials import BadCredentials, read_credentials
from a2acore.server import Exposed, Options, check
from a2acore.signing import ALGS, BadKey, Key, load, prove
from a2acore.store.opening import path_of
from a2acore.store.sqlite.care import examine
from a2acore.store.sqlite.file import holder
from a2acore.store.terms import BadStore

LOOK = 5.0
"""Seconds for a look at this machine: a file may lie on a network that hangs."""
TRIAL = 180.0
"""Seconds for the backend to try its agent, which has to start for it."""
OLDEST_PYTHON = (3, 11)
OLDEST_TRIO = (0, 30)

Check = Callable[[], Awaitable[Sequence[Finding]]]


@frozen
class Patient:
    """What is to be looked at: what `serve` would be given."""

    wanted: Wanted
    host: str
    port: int
    public_url: str
    auth_token_file: Path | None
    credentials: Path | None
    insecure: bool
    sign_key: tuple[Path, ...]
    sign_kid: str
    sign_alg: str | None


@click.command("doctor", context_settings=options.SETTINGS)
@settings.config
@options.agent_options
@options.host
@options.port
@options.public_url
@options.auth_token_file
@options.credentials
@options.insecure
@click.option("--sign-key", type=options.FILE, multiple=True, help="What the card is signed with.")
@click.option("--sign-kid", metavar="NAME", default="", help="What the key is called.")
@click.option("--sign-alg", type=click.Choice(ALGS), help="How the key signs.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(
    wanted: Wanted,
    host: str,
    port: int,
    public_url: str,
    auth_token_file: Path | None,
    credentials: Path | None,
    insecure: bool,
    sign_key: tuple[Path, ...],
    sign_kid: str,
    sign_alg: str | None,
    as_json: bool,
    **_: object,  # the file, which has been read
) -> int:
    """See whether `serve` would work with the same options, and what to do where it would not.

    It starts the agent for a moment, and serves nothing. It exits with 1 if anything is not well.
    """
    patient = Patient(
        wanted,
        host,
        port,
        public_url,
        auth_token_file,
        credentials,
        insecure,
        sign_key,
        sign_kid,
        sign_alg,
    )
    findings = trio.run(_look, patient, not as_json)
    well = all(finding.well for finding in findings)
    if as_json:
        told = [{**asdict(each), "advice": _advice(each)} for each in findings]
        click.echo(json.dumps({"well": well, "findings": told}))
    return DONE if well else FAILED


async def _look(patient: Patient, aloud: bool) -> list[Finding]:
    """Make every check, and show what is found as it is found."""
    checks: list[tuple[str, float, Check]] = [
        ("this installation", LOOK, _in_thread(_installation)),
        ("the workspace", LOOK, _in_thread(_workspace, patient)),
        ("the store", LOOK, _in_thread(_store, patient)),
        ("the port", LOOK, partial(_port, patient)),
        ("who may call", LOOK, _in_thread(_callers, patient)),
        ("what signs the card", LOOK, _in_thread(_keys, patient)),
        ("the agent", TRIAL, partial(_agent, patient.wanted)),
    ]
    findings: list[Finding] = []
    for name, seconds, look in checks:
        found = await within(seconds, name, look)
        if aloud:
            for finding in found:
                _show(finding)
        findings += found
    return findings


async def within(seconds: float, name: str, look: Check) -> Sequence[Finding]:
    """What a look finds; that it took too long is a finding too."""
    with trio.move_on_after(seconds):
        return await look()
    what = f"{name}: there was no answer within {seconds:g} s"
    return [Finding(False, what, "see what it waits for, or try again")]


def _in_thread(look: Callable[..., Sequence[Finding]], *args: Any) -> Check:
    """A look at files; one that hangs is left behind."""
    return partial(trio.to_thread.run_sync, look, *args, abandon_on_cancel=True)


def _show(finding: Finding) -> None:
    mark, colour = ("✓", "green") if finding.well else ("✗", "red")
    click.echo(f"{click.style(mark, fg=colour)} {one_line(finding.what)}")
    if advice := _advice(finding):
        click.echo(f"  {one_line(advice)}")


def _advice(finding: Finding) -> str:
    return "" if finding.well else finding.advice


# The checks


def _installation() -> list[Finding]:
    what = (
        f"a2acode {version('a2acore')}, Python {platform.python_version()}, trio {version('trio')}"
    )
    trio_release = tuple(int(number) for number in version("trio").split(".")[:2])
    new_enough = sys.version_info >= OLDEST_PYTHON and trio_release >= OLDEST_TRIO
    python, trio_ = (".".join(map(str, oldest)) for oldest in (OLDEST_PYTHON, OLDEST_TRIO))
    return [Finding(new_enough, what, f"it needs Python {python} and trio {trio_}, or newer ones")]


def _workspace(patient: Patient) -> list[Finding]:
    folder = patient.wanted.cwd
    if not folder.is_dir():
        return [
            Finding(
                False, f"the workspace {folder} is no directory", "make it, or name another --cwd"
            )
        ]
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        what = f"the workspace {folder} cannot be written to: {error.strerror}"
        return [Finding(False, what, "let this user write there, or name another --cwd")]
    return [Finding(True, f"the workspace {folder} can be written to")]


def _store(patient: Patient) -> list[Finding]:
    path = path_of(patient.wanted.store_url)
    if path is None:
        return [Finding(True, "tasks are kept in memory, until the server stops")]
    try:
        examine(path)
    except BadStore as error:
        what, _, advice = str(error).rpartition("; ")
        return [Finding(False, f"tasks cannot be kept: {what}", f"{advice} (--store URL)")]
    if process := holder(path):
        what = f"process {process} keeps its tasks in {path}"
        return [Finding(False, what, "stop that one, or give this one a --store of its own")]
    return [Finding(True, f"tasks are kept in {path}")]


async def _port(patient: Patient) -> list[Finding]:
    where = f"port {patient.port} on {patient.host}"
    try:
        for listener in await trio.open_tcp_listeners(patient.port, host=patient.host):
            await listener.aclose()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        advice = "stop what listens there, or take another --port" if taken else "check --host"
        return [Finding(False, f"{where} cannot be had: {error.strerror or error}", advice)]
    return [Finding(True, f"{where} is free" if patient.port else "any free port will do")]


def _callers(patient: Patient) -> list[Finding]:
    file, token, findings = patient.auth_token_file, "", []
    if file is not None:
        try:
            token = load_token(file)
        except click.UsageError as error:
            advice = "put one token on one line, for you alone to read"
            return [Finding(False, error.message, advice)]
        private = not others_can_read(file)
        what = f"the token file {file} holds a token" + ", and others can read it" * (not private)
        findings = [Finding(private, what, f"chmod 600 {shlex.quote(str(file))}")]
    if patient.credentials is not None:
        try:
            read_credentials(patient.credentials)
        except BadCredentials as error:
            mistakes = [Finding(False, each, "mend it") for each in error.mistakes]
            return [*findings, *mistakes]
        findings.append(Finding(True, f"the credentials in {patient.credentials} can be read"))
    try:
        check(
            patient.host,
            Options(public_url=patient.public_url, token=token, credentials=patient.credentials),
            insecure=patient.insecure,
        )
    except Exposed:
        what = f"everybody who reaches {patient.host} could run the agent"
        return [*findings, Finding(False, what, "give --auth-token-file FILE, or --insecure")]
    except ValueError as error:
        return [*findings, Finding(False, str(error), "give --public-url as https://HOST/PATH")]
    if patient.host in options.EVERYWHERE and not patient.public_url:
        what = f"the card would send callers to {patient.host}"
        return [*findings, Finding(False, what, "say where they reach this one: --public-url URL")]
    known = token or patient.credentials is not None
    whom = "who has a credential" if known else "everybody who reaches it"
    where = patient.public_url or patient.host
    return [*findings, Finding(True, f"{whom} may call {where}")]


def _keys(patient: Patient) -> list[Finding]:
    findings: list[Finding] = []
    keys: list[Key] = []
    for file in patient.sign_key:
        private = f"chmod 600 {shlex.quote(str(file))}"
        try:
            key = load(file.read_bytes(), kid=patient.sign_kid, alg=patient.sign_alg or "")
            prove([*keys, key])
        except (OSError, BadKey) as error:
            why = error.strerror if isinstance(error, OSError) else error
            advice = "make one with `a2acode keys new`"
            findings.append(Finding(False, f"the key in {file} does not sign: {why}", advice))
            continue
        keys.append(key)
        if others_can_read(file):
            findings.append(Finding(False, f"others can read the key in {file}", private))
        else:
            findings.append(Finding(True, f"the key {key.kid} in {file} signs"))
    return findings


async def _agent(wanted: Wanted) -> Sequence[Finding]:
    if not wanted.cwd.is_dir():
        return []  # which is told of the workspace already
    try:
        kind, settings = await trio.to_thread.run_sync(
            lambda: (wanted.kind(), wanted.settings()), abandon_on_cancel=True
        )
    except click.UsageError as error:
        return [Finding(False, error.message, "see `a2acode serve --help`")]
    try:
        if kind.examine is not None:
            return await kind.examine(settings)
        async with kind.open(settings):
            return [Finding(True, f"the backend {kind.name} can be opened")]
    except BadSettings as error:
        return [Finding(False, f"the backend {kind.name} cannot be opened", str(error))]
    except Exception as error:  # a stranger's backend may raise anything
        what = f"the backend {kind.name} broke: {type(error).__name__}: {error}"
        return [Finding(False, what, "tell whoever made it")]
