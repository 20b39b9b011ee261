"""The file that `--mcp-config` names: what it may say, and how its mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from a2acli.mcp_config import read_mcp_config
from a2acore.backend import McpServer

ENVIRONMENT = {"TOKEN": "s3cret", "EMPTY": "", "HOME": "/home/me"}


def read(tmp_path: Path, servers: Any) -> tuple[McpServer, ...]:
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": servers}))
    return read_mcp_config(file, ENVIRONMENT)


def problems(tmp_path: Path, servers: Any) -> list[str]:
    with pytest.raises(click.UsageError) as refused:
        read(tmp_path, servers)
    assert "\n" not in refused.value.message
    assert "s3cret" not in refused.value.message
    file, _, told = refused.value.message.partition(": ")
    assert file == str(tmp_path / "mcp.json")
    return told.split("; ")


STDIO = {
    "command": "${HOME}/bin/files",
    "args": ["--root", "${ROOT:-.}"],
    "env": {"KEY": "${TOKEN}"},
}
HTTP = {"type": "http", "url": "https://example.org/mcp", "headers": {"X-Key": "Bearer ${TOKEN}"}}
READ_STDIO = McpServer("files", ("/home/me/bin/files", "--root", "."), {"KEY": "s3cret"})
READ_HTTP = McpServer(
    "web",
    url="https://example.org/mcp",
    transport="http",
    headers={"X-Key": "Bearer s3cret"},
)


def test_json_names_servers_of_every_kind(tmp_path: Path) -> None:
    sse = {"type": "sse", "url": "http://127.0.0.1:8000/sse"}
    assert read(tmp_path, {"files": STDIO, "web": HTTP, "old": sse}) == (
        READ_STDIO,
        READ_HTTP,
        McpServer("old", url="http://127.0.0.1:8000/sse", transport="sse"),
    )


def test_toml_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mcp.toml"
    file.write_text(
        """
        [mcpServers.files]
        command = "${HOME}/bin/files"
        args = ["--root", "${ROOT:-.}"]
        env = { KEY = "${TOKEN}" }

        [mcpServers.web]
        url = "https://example.org/mcp"
        headers = { X-Key = "Bearer ${TOKEN}" }
        """
    )
    assert read_mcp_config(file, ENVIRONMENT) == (READ_STDIO, READ_HTTP)


@pytest.mark.parametrize("kind", ["http", "streamable-http", "streamableHttp"])
def test_the_streaming_transport_has_several_names(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, {"web": {**HTTP, "type": kind}}) == (READ_HTTP,)


def test_no_server_is_no_mistake(tmp_path: Path) -> None:
    assert read(tmp_path, {}) == ()


@pytest.mark.parametrize(
    ("said", "resolved"),
    [
        ("${TOKEN}", "s3cret"),
        ("a${TOKEN}b${TOKEN}", "as3cretbs3cret"),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${NOBODY:-}", ""),
        ("${NOBODY:-a b:-c}", "a b:-c"),
        ("$TOKEN and $${TOKEN}", "$TOKEN and $s3cret"),
        ("", ""),
    ],
)
def test_variables_are_resolved(tmp_path: Path, said: str, resolved: str) -> None:
    [server] = read(tmp_path, {"s": {"command": "c", "env": {"A": said}}})
    assert server.env == {"A": resolved}


def test_what_a_variable_holds_is_not_looked_at_again(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"s": {"command": "${A}"}}}))
    [server] = read_mcp_config(file, {"A": "${B}"})
    assert server.command == ("${B}",)


def test_all_problems_are_told_at_once_by_their_places(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        {
            "a": {"command": "c", "env": {"K": "${NOBODY}", "N": 1}, "args": "x", "arg": []},
            "b": {"type": "carrier-pigeon"},
            "c": {"url": "ftp://s3cret@example.org", "headers": {"X": "${TOKEN"}},
            "d": {"type": "http", "command": "s3cret"},
            "e": {},
            "f": [],
        },
    ) == [
        "mcpServers.a.arg is not known here (stdio servers have args, command, env, type)",
        "mcpServers.a.args must be a list of texts",
        "mcpServers.a.env.K needs the environment variable NOBODY, which is not set",
        "mcpServers.a.env.N must be a text",
        "mcpServers.b.type must be one of stdio, http, streamable-http, streamableHttp, sse",
        "mcpServers.c.url must be an http or https URL",
        "mcpServers.c.headers.X has a `${` that does not begin ${NAME} or ${NAME:-default}",
        "mcpServers.d.command is not known here (http servers have headers, type, url)",
        "mcpServers.d.url must be a text",
        "mcpServers.e.command must be a text",
        "mcpServers.f must be an object",
    ]


@pytest.mark.parametrize("servers", [None, [], "s3cret"])
def test_a_file_without_servers_is_told_what_it_lacks(tmp_path: Path, servers: Any) -> None:
    assert problems(tmp_path, servers) == [
        "mcpServers must be there, and name each server with what it needs"
    ]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.json", b'{"mcpServers": s3cret}', "line 1 column 16"),
        ("a.json", b"[" * 100_000, "recursion"),
        ("a.json", b"\xff", "not in UTF-8"),
        ("a.toml", b"mcpServers = ", "Invalid value"),
        ("a.json", None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(click.UsageError, match=complaint) as refused:
        read_mcp_config(tmp_path / name, {})
    assert "\n" not in refused.value.message
    assert "s3cret" not in refused.value.message


def test_a_server_shows_no_secret_when_it_is_printed(tmp_path: Path) -> None:
    assert "s3cret" not in repr(read(tmp_path, {"files": STDIO, "web": HTTP}))
