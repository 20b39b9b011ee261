"""`a2acode config`: what `serve` would be set to, and where that was said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from a2acli import options, settings
from a2acli.codes import DONE
from a2acli.plain import one_line
from a2acli.serve import CHECKED
from a2acli.serve import command as serve
from a2acli.settings import Origin
from a2acore.intake import LARGEST_PART, LONGEST_URL, MOST_REFERENCES
from a2acore.middleware.guard import MAX_HEADERS
from a2acore.redaction import Redactor, secrets_of
from a2acore.wire.text import DEPTH

FIXED = {
    "bytes of a part": LARGEST_PART,
    "characters of a URL": LONGEST_URL,
    "depth of JSON": DEPTH,
    "headers": MAX_HEADERS,
    "tasks referred to": MOST_REFERENCES,
}
"""Limits that are not to be set."""


@click.group("config")
def command() -> None:
    """Show and check the settings of `serve`."""


@command.command("check")
@click.argument("file", type=options.FILE)
def check(file: Path) -> int:
    """See whether `serve --config FILE` could be served, and all that stands in its way.

    What the file leaves out is taken from the environment, as `serve` does.
    """
    with serve.make_context("serve", ["--config", str(file)], auto_envvar_prefix="A2ACODE") as ctx:
        ctx.meta[CHECKED] = True
        serve.invoke(ctx)
    click.echo(f"{file} is good")
    return DONE


def _show(**_: Any) -> int:
    """Print every setting of `serve` with its value, and where that was set: by default, in the
    file, in the environment or by a flag. It takes what `serve` takes. Secrets are shown as ***.
    """
    redact = Redactor(secrets_of(os.environ))
    found = list(_settings(click.get_current_context()))
    widths = [max(len(name) for name, _ in found), 11]
    for name, (value, origin) in found:
        said = one_line(redact(_shown(value)))
        click.echo(f"{name:{widths[0]}}  {origin:{widths[1]}}  {said}".rstrip())
    return DONE


command.add_command(
    click.Command(
        "show",
        context_settings=options.SETTINGS,
        params=serve.params,
        callback=_show,
        help=_show.__doc__,
    )
)


def _settings(ctx: click.Context) -> Iterator[tuple[str, Origin]]:
    names = ("store", "cwd", "backend", "agent", "agent_command")
    said = {**ctx.params, "store": options.store_url(*(ctx.params[name] for name in names))}
    for parameter in serve.params:
        if parameter.name and parameter.name != "limit":
            value = Origin(said[parameter.name], settings.origin(ctx, parameter.name))
            yield parameter.opts[0].removeprefix("--"), value
    for name, each in settings.limits(ctx).items():
        yield f"limits.{name}", each
    for name, most in FIXED.items():
        yield name, Origin(most, "fixed")


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case tuple() | list():
            return ", ".join(map(_shown, value))
    return str(value)
