"""What is said, from A2A's parts to ACP's content blocks and back. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import UNSET

from a2abackends.acp.wire import Block, PromptCapabilities
from a2acore.backend import Notice, Output
from a2acore.model import Artifact, Message, Part

Prompt = list[dict[str, Any]]

_TEXTUAL = re.compile(
    r"text/.*|.*\+(json|xml|yaml)"
    r"|application/(json|xml|yaml|x-yaml|toml|javascript|x-javascript|typescript|sql|x-sh|graphql)"
)


def prompt_of(message: Message, can: PromptCapabilities) -> tuple[Prompt, list[Notice]]:
    """A message as a prompt, and what could not be put into it."""
    prompt: Prompt = []
    notices: list[Notice] = []
    for number, part in enumerate(message.parts, 1):
        block = _block(part, number, can)
        if block is not None:
            prompt.append(block)
            continue
        kind = part.media_type or "data of no known type"
        name = part.filename or f"part {number}"
        notices.append(
            Notice(
                f"{name} was not given to the agent, which does not take {kind}",
                kind="not_delivered",
                data={"part": number, "filename": part.filename, "mediaType": part.media_type},
            )
        )
    return prompt, notices


def _block(part: Part, number: int, can: PromptCapabilities) -> dict[str, Any] | None:
    if part.text is not None:
        return _text(part.text)
    if part.url is not None:
        return _link(part, part.url)
    if part.raw is not None:
        return _file(part, part.raw, number, can)
    if part.data is not UNSET:
        return _text(_fenced(msgspec.json.format(msgspec.json.encode(part.data)).decode(), "json"))
    return None


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _link(part: Part, url: str) -> dict[str, Any]:
    # An agent opens what is linked, and some do so without asking: only what lies in the open is
    # linked for it. A `file:` would be one of this machine, which the caller has no business with.
    if urlsplit(url).scheme.lower() not in ("http", "https"):
        return _text(f"{part.filename}: {url}" if part.filename else url)
    name = part.filename or urlsplit(url).path.rpartition("/")[2] or url
    block = {"type": "resource_link", "uri": url, "name": name}
    return {**block, "mimeType": part.media_type} if part.media_type else block


def _file(part: Part, raw: bytes, number: int, can: PromptCapabilities) -> dict[str, Any] | None:
    media_type = part.media_type.partition(";")[0].strip().lower()
    for kind, taken in (("image", can.image), ("audio", can.audio)):
        if media_type.startswith(f"{kind}/") and taken:
            data = base64.b64encode(raw).decode()
            return {"type": kind, "data": data, "mimeType": media_type}
    text = _decoded(raw, media_type)
    if text is None:
        return None
    name = part.filename or f"part-{number}"
    if not can.embedded_context:
        return _text(f"{name}:\n{_fenced(text)}")
    resource = {"uri": f"attachment:///{quote(name)}", "text": text}
    if media_type:
        resource["mimeType"] = media_type
    return {"type": "resource", "resource": resource}


def _decoded(raw: bytes, media_type: str) -> str | None:
    """The text of a file, if it is one."""
    if media_type not in ("", "application/octet-stream") and not _TEXTUAL.fullmatch(media_type):
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _fenced(text: str, language: str = "") -> str:
    """Text between fences that nothing in it can close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def output_of(block: Block, artifact_id: str) -> Output | Notice:
    """Content of the agent's that is no text, as an artifact, or a word about it."""
    part = _part(block)
    if part is None:
        said = {"type": block.type, "mimeType": block.mime_type or ""}
        return Notice(
            f"The agent sent content of the type {block.type!r} that cannot be passed on",
            kind="not_delivered",
            data=said,
        )
    return Output(Artifact(artifact_id, (part,), part.filename))


def _part(block: Block) -> Part | None:
    if block.type in ("image", "audio"):
        raw = _from_base64(block.data)
        name = _name(block.uri)
        return (
            None if raw is None else Part(raw=raw, media_type=block.mime_type or "", filename=name)
        )
    if block.type == "resource_link" and block.uri:
        name = block.name or _name(block.uri)
        return Part(url=block.uri, media_type=block.mime_type or "", filename=name)
    if block.type == "resource" and block.resource is not None:
        resource = block.resource
        name, media_type = _name(resource.uri), resource.mime_type or ""
        if resource.text is not None:
            return Part(text=resource.text, media_type=media_type, filename=name)
        raw = _from_base64(resource.blob)
        return None if raw is None else Part(raw=raw, media_type=media_type, filename=name)
    return None


def _name(uri: str | None) -> str:
    return (uri or "").rstrip("/").rpartition("/")[2]


def _from_base64(data: str | None) -> bytes | None:
    if data is None:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
