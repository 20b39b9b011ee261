"""ACP's content blocks: how they are spelled, and what they say as A2A's parts. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Literal
from urllib.parse import quote

from a2abackends.acp.wire import Block, PromptCapabilities
from a2abackends.reading import fenced
from a2acore.backend import Notice, Output
from a2acore.model import Artifact, Part

Spelled = dict[str, Any]
"""A content block as it is sent."""
Prompt = list[Spelled]

WEB = ("http", "https")
"""An agent opens what is linked, and some do so without asking: only what lies in the open is
linked for it. A `file:` would be one of this machine, which the caller has no business with."""


def text_block(text: str) -> Spelled:
    return {"type": "text", "text": text}


def link_block(url: str, name: str, media_type: str) -> Spelled:
    """A link to the web; every other is a text."""
    # An agent may write a link into its prompt as it is: a line end in it would begin another line.
    uri = "".join(char if "!" <= char <= "~" else quote(char) for char in url)
    if uri.partition(":")[0].lower() not in WEB:
        return text_block(f"{name}: {uri}" if name else uri)
    block = {"type": "resource_link", "uri": uri, "name": name or _name(uri) or uri}
    return {**block, "mimeType": media_type} if media_type else block


def media_block(kind: Literal["image", "audio"], raw: bytes, media_type: str) -> Spelled:
    return {"type": kind, "data": base64.b64encode(raw).decode(), "mimeType": media_type}


def document_block(name: str, text: str, media_type: str, can: PromptCapabilities) -> Spelled:
    """A text with a name, set apart from what the caller says."""
    if not can.embedded_context:
        return text_block(f"{name}:\n{fenced(text)}")
    resource = {"uri": f"attachment:///{quote(name)}", "text": text}
    if media_type:
        resource["mimeType"] = media_type
    return {"type": "resource", "resource": resource}


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
    return re.split("[?#]", uri or "")[0].rstrip("/").rpartition("/")[2]


def _from_base64(data: str | None) -> bytes | None:
    if data is None:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
