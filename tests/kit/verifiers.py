"""The verifiers of card signatures in the official SDKs, each run as a program of its own.

    seen = await VERIFIERS["python-1.0"].verify(url, {"kid": jwk}, {"A2A-Version": "1.0"})
    assert seen.accepted, seen.why

A verifier fetches the card itself, as a user of the SDK would.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from tests.kit.cache import cached, install
from tests.kit.sdks import ROOT, javascript

ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "EdDSA", "HS256"]


@dataclass(frozen=True)
class Seen:
    """What came of a verification."""

    accepted: bool
    why: str
    """The exception that it ended with."""


@dataclass(frozen=True)
class Verifier:
    """The verifier of one SDK."""

    name: str
    line: str
    """The version of the protocol that it reads."""
    command: Callable[[], list[str]]
    """Installs the SDK where that has not been done yet; raises `Missing` where it cannot."""

    async def verify(
        self, url: str, keys: Mapping[str, Mapping[str, Any]], headers: Mapping[str, str]
    ) -> Seen:
        """Fetch the card below `url` with these headers, and verify it by keys given as JWKs.

        Raises:
            Missing: the SDK is not installed and cannot be.
        """
        command = await trio.to_thread.run_sync(self.command)
        job = {"url": url, "keys": keys, "headers": headers, "algorithms": ALGORITHMS}
        done = await trio.run_process(
            command,
            stdin=json.dumps(job).encode(),
            cwd=ROOT,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the verifier of {self.name} broke:\n{done.stderr.decode()}")
        return Seen(**json.loads(done.stdout))


def python(version: str) -> Callable[[], list[str]]:
    """Its verifier needs an extra, so it has an environment of its own."""
    ours = ".".join(map(str, sys.version_info[:2]))

    def make(folder: Path) -> None:
        install([sys.executable, "-m", "venv", str(folder)])
        install(
            [str(folder / "bin/python"), "-m", "pip", "install", f"a2a-sdk[signing]=={version}"]
        )

    def command() -> list[str]:
        folder = cached(f"python{ours}/a2a-sdk-signing@{version}", make)
        return [str(folder / "bin/python"), "-m", "tests.kit.clients.verify"]

    return command


VERIFIERS: Mapping[str, Verifier] = {
    each.name: each
    for each in (
        Verifier("python-0.3", "0.3", python("0.3.26")),
        Verifier("python-1.0", "1.0", python("1.3.0")),
        Verifier("js-1.0", "1.0", javascript("1.3.0", "verify")),
    )
}
"""The JavaScript SDK of line 0.3 has none."""
