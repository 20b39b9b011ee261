"""The `a2acode` command.

What a command was asked for goes to stdout, what it has to say to stderr. It exits with 0 when
done, 1 when it failed, 2 when it was asked wrongly, and 3 when the agent waits for an answer. An
error is one line: what happened, then what to try.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from a2acli.codes import ASKED_WRONGLY, FAILED

COMMANDS = {
    "serve": "Put a coding agent behind A2A.",
    "call": "Give an agent a task, or an answer, and watch it work.",
    "get": "Show where a task stands.",
    "cancel": "Stop a task.",
    "card": "Print an agent's card, and see who signed it.",
    "credentials": "Make and show what lets callers in.",
    "keys": "Make and show the keys that cards are signed with.",
    "config": "Show and check the settings of `serve`.",
    "conformance": "Check that a server keeps to the specification.",
    "store": "Look into what `serve` has kept.",
    "push": "Show letters to webhooks that were given up, and have them tried again.",
    "audit": "Check and show an audit log.",
    "backends": "List what can be served, and what each needs.",
    "doctor": "See whether `serve` would work, and what to do where it would not.",
    "demo": "See it all work, with nothing installed.",
}


class Commands(click.Group):
    """Loads a command when it is used, so that `--help` need not wait for all of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"a2acli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="a2acore", prog_name="a2acode")
def a2acode() -> None:
    """Put a coding agent behind the A2A protocol, and talk to agents that are.

    Exit codes: 0 done, 1 failed, 2 asked wrongly, 3 the agent waits for an answer.
    """


def main() -> None:
    """Run the command, and exit as it ended."""
    for stream in (sys.stdout, sys.stderr):
        # What an agent says may hold what this terminal's encoding cannot: no reason to fail.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = a2acode(prog_name="a2acode", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has enough of it. Python would complain of it again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = ASKED_WRONGLY
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:
        from a2acli.explain import explain  # it knows many libraries, and is rarely needed

        line, code = explain(error)
        if os.environ.get("A2ACODE_DEBUG") and not isinstance(error, click.ClickException):
            traceback.print_exception(error)
        if line:
            click.echo(f"a2acode: {line}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
