"""The servers of tools that an agent is to use, read from a file in the form that most tools share.

    {"mcpServers": {
        "files":  {"command": "mcp-files", "args": ["--root", "."], "env": {"TOKEN": "${TOKEN}"}},
        "search": {"type": "http", "url": "https://mcp.example.com", "headers": {"X-Key": "${KEY}"}}
    }}

or the same as TOML. `${VAR}` and `${VAR:-default}` stand for the environment, in every text. All
problems are told at once, by their places: a file holds secrets, so its values are never shown.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import click
from attrs import define, field

from a2acli.variables import fill
from a2acore.backend import McpServer

TRANSPORTS: Mapping[str, Literal["stdio", "http", "sse"]] = {
    "stdio": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamableHttp": "http",
    "sse": "sse",
}
MEMBERS = {
    "stdio": {"type", "command", "args", "env"},
    "http": {"type", "url", "headers"},
    "sse": {"type", "url", "headers"},
}


def read_mcp_config(path: Path, environment: Mapping[str, str]) -> tuple[McpServer, ...]:
    """The servers that a file names; it is TOML if its name says so, and JSON otherwise.

    Raises:
        click.UsageError: it cannot be read, or something in it is not as it should be.
    """
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as exc:
        raise click.UsageError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"{path} is not in UTF-8") from exc
    except (ValueError, RecursionError) as exc:
        raise click.UsageError(f"{path}: {exc}") from exc
    reader = Reader(environment)
    servers = reader.servers(document)
    if reader.problems:
        raise click.UsageError(f"{path}: {'; '.join(reader.problems)}")
    return servers


@define(eq=False)
class Reader:
    """Reads on past each problem, and remembers it."""

    _environment: Mapping[str, str]
    problems: list[str] = field(factory=list)

    def servers(self, document: Any) -> tuple[McpServer, ...]:
        listed = document.get("mcpServers") if isinstance(document, dict) else None
        if not isinstance(listed, dict):
            self._wrong("mcpServers", "must be there, and name each server with what it needs")
            return ()
        return tuple(self._server(name, said) for name, said in listed.items())

    def _server(self, name: str, said: Any) -> McpServer:
        where = f"mcpServers.{name}"
        if not isinstance(said, dict):
            self._wrong(where, "must be an object")
            return McpServer(name)
        kind = said.get("type", "http" if "url" in said else "stdio")
        transport = TRANSPORTS.get(kind) if isinstance(kind, str) else None
        if transport is None:
            self._wrong(f"{where}.type", f"must be one of {', '.join(TRANSPORTS)}")
            return McpServer(name)
        for member in sorted(said.keys() - MEMBERS[transport]):
            known = f"{transport} servers have {', '.join(sorted(MEMBERS[transport]))}"
            self._wrong(f"{where}.{member}", f"is not known here ({known})")
        if transport == "stdio":
            command = self._text(f"{where}.command", said.get("command"))
            args = self._texts(f"{where}.args", said.get("args", []))
            env = self._table(f"{where}.env", said.get("env", {}))
            return McpServer(name, (command, *args), env)
        url = self._text(f"{where}.url", said.get("url"))
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
            self._wrong(f"{where}.url", "must be an http or https URL")
        headers = self._table(f"{where}.headers", said.get("headers", {}))
        return McpServer(name, url=url, transport=transport, headers=headers)

    def _texts(self, where: str, said: Any) -> list[str]:
        if not isinstance(said, list):
            self._wrong(where, "must be a list of texts")
            return []
        return [self._text(f"{where}[{i}]", each, empty=True) for i, each in enumerate(said)]

    def _table(self, where: str, said: Any) -> dict[str, str]:
        if not isinstance(said, dict):
            self._wrong(where, "must be an object of texts")
            return {}
        return {key: self._text(f"{where}.{key}", value, empty=True) for key, value in said.items()}

    def _text(self, where: str, said: Any, *, empty: bool = False) -> str:
        if not isinstance(said, str) or not (said or empty):
            self._wrong(where, "must be a text")
            return ""
        return fill(said, self._environment, partial(self._wrong, where))

    def _wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{where} {what}")
