"""Servers of tools (MCP), as an agent is told of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from a2abackends.acp.wire import McpCapabilities
from a2acore.backend import AgentFailed, McpServer
from a2acore.redaction import secrets_of


def spell_servers(servers: Iterable[McpServer], can: McpCapabilities) -> list[dict[str, Any]]:
    """The servers as session/new takes them.

    Raises:
        AgentFailed: the agent cannot reach one of them.
    """
    return [_spell(server, can) for server in servers]


def secrets_in(servers: Iterable[McpServer]) -> Iterator[str]:
    """What the agent is told of the servers, and must not tell."""
    for server in servers:
        yield from secrets_of(server.env)
        for value in server.headers.values():
            yield from (value, value.rpartition(" ")[2])  # also without a "Bearer"


def _spell(server: McpServer, can: McpCapabilities) -> dict[str, Any]:
    if server.transport == "stdio":
        program, *arguments = server.command
        # Without a type: every agent has to know this one.
        return {
            "name": server.name,
            "command": program,
            "args": arguments,
            "env": _pairs(server.env),
        }
    if not {"http": can.http, "sse": can.sse}[server.transport]:
        there = [name for name, is_there in (("http", can.http), ("sse", can.sse)) if is_there]
        raise AgentFailed(
            f"The agent cannot reach the MCP server {server.name!r} over {server.transport}; it "
            f"knows {', '.join(['stdio', *there])}",
            stop_reason="unsupported",
        )
    return {
        "type": server.transport,
        "name": server.name,
        "url": server.url,
        "headers": _pairs(server.headers),
    }


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]
