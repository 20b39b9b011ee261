"""The official A2A clients, each in an environment of its own, driven as subprocesses.

    client = SDKS["python-1.0"]
    seen = await client.play("stream", url, "JSONRPC", "hello world")
    assert seen.states[-1] == "completed"

The scenarios are those of `tests/kit/clients/driver.py`; the prompts are the caller's.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import trio

from tests.kit.cache import cached, install, npm_package

ROOT = Path(__file__).parents[2]  # where `tests` is importable

Binding = Literal["JSONRPC", "HTTP+JSON"]
Scenario = Literal[
    "card",
    "extended",  # the card for callers with a credential
    "listed",  # two tasks, and those of the context of the first; only on 1.0
    "send",  # blocking
    "stream",
    "get",  # after a blocking send
    "get_unknown",  # a task that does not exist
    "cancel",  # in mid-stream, which is then read to its end; wants a slow prompt
    "cancel_finished",
    "subscribe",  # after hanging up in mid-stream, read to the end; wants a slow prompt
    "webhooks",  # all operations on a task that waits; wants a prompt that makes it wait
    "notified",  # blocking, with the webhook in the message's configuration
]


@dataclass(frozen=True)
class Seen:
    """What an official client saw, in one form for all of them.

    States are spelled as 0.3 does, `input-required`, on both lines.
    """

    card: dict[str, Any] | None
    """`name`, `version`, `streaming`, `skills` (their ids) and `interfaces`, each with `url`,
    `binding` and `version`."""

    events: list[dict[str, Any]]
    """What a send or a stream yielded, in order. Each has a `kind` and the id of its `task`;
    a `task` has the fields of `Seen.task`; a `status` has `state`, `text` and, on 0.3, `final`;
    an `artifact` has `name`, `text`, `append`, `last`; a `message` has `text`."""

    joined: list[dict[str, Any]]
    """The same of the second stream, after subscribing."""

    task: dict[str, Any] | None
    """What get or cancel returned: `id`, `context`, `state` and `artifacts`, each with `name` and
    `text`."""

    webhooks: dict[str, Any]
    """What the operations on webhooks returned: `set` (a list), `got`, `listed`, and what is `left`
    after a deletion. Each webhook has `task`, `id`, `url`, `token`, `scheme`, `credentials`; the
    lists are None where the client cannot ask for one."""

    listed: list[dict[str, Any]]
    """The tasks that were listed, each with the fields of `task`."""

    error: dict[str, Any] | None
    """The exception that ended the scenario: its `type`, `message`, and `code`, the JSON-RPC or
    HTTP one where the client knows it."""

    @property
    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]

    @property
    def states(self) -> list[str]:
        return [event["state"] for event in self.events if "state" in event]

    def text(self, artifact: str = "response") -> str:
        """An artifact's text, put together from the stream's chunks."""
        chunks = [event for event in self.events if event["kind"] == "artifact"]
        return "".join(chunk["text"] for chunk in chunks if chunk["name"] == artifact)


@dataclass(frozen=True)
class Sdk:
    """One official client."""

    name: str
    line: Literal["0.3", "1.0"]
    """The version of the protocol that it speaks."""

    command: Callable[[], list[str]]
    """The driver's command line. Installs the SDK where that has not been done yet; raises
    `Missing` where it cannot."""

    async def play(
        self,
        scenario: Scenario,
        url: str,
        binding: Binding,
        prompt: str = "",
        token: str = "",
        webhook: str = "",
    ) -> Seen:
        """Play a scenario against the server whose card is found below `url`.

        `webhook` is the URL of one, which is set with the token and the bearer credentials that
        `tests.kit.clients.driver` names.

        The driver gives up by itself after a minute and says so in `Seen.error`.

        Raises:
            Missing: the SDK is not installed and cannot be.
        """
        command = await trio.to_thread.run_sync(self.command)
        job = {
            "scenario": scenario,
            "url": url,
            "binding": binding,
            "prompt": prompt,
            "token": token,
            "webhook": webhook,
        }
        done = await trio.run_process(
            command,
            stdin=json.dumps(job).encode(),
            cwd=ROOT,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the driver of {self.name} broke:\n{done.stderr.decode()}")
        return Seen(**json.loads(done.stdout))


def python(version: str, driver: str) -> Callable[[], list[str]]:
    ours = ".".join(map(str, sys.version_info[:2]))

    def make(folder: Path) -> None:
        install([sys.executable, "-m", "venv", str(folder)])
        install([str(folder / "bin/python"), "-m", "pip", "install", f"a2a-sdk=={version}"])

    def command() -> list[str]:
        folder = cached(f"python{ours}/a2a-sdk@{version}", make)
        return [str(folder / "bin/python"), "-m", f"tests.kit.clients.{driver}"]

    return command


def javascript(version: str, driver: str) -> Callable[[], list[str]]:
    def command() -> list[str]:
        prefix = npm_package("@a2a-js/sdk", version)
        return ["node", f"tests/kit/clients/{driver}.mjs", str(prefix)]

    return command


SDKS: Mapping[str, Sdk] = {
    sdk.name: sdk
    for sdk in (
        Sdk("python-0.3", "0.3", python("0.3.26", "py03")),
        Sdk("python-1.0", "1.0", python("1.3.0", "py10")),
        Sdk("js-0.3", "0.3", javascript("0.3.14", "js03")),
        Sdk("js-1.0", "1.0", javascript("1.3.0", "js10")),
    )
}
