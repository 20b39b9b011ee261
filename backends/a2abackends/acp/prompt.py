"""What the caller sends, as a prompt: what stands in it, and what is saved beside it.

Nothing is lost. What is too long to stand in a prompt is cut, and saved whole; what the agent could
not be given there is saved for it to open. Both are told to the agent where they belong, and to the
caller in a notice.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import trio
from attrs import define, field
from msgspec import UNSET

from a2abackends import inbox
from a2abackends.acp.content import (
    Prompt,
    Spelled,
    document_block,
    link_block,
    media_block,
    text_block,
)
from a2abackends.acp.wire import PromptCapabilities
from a2abackends.reading import essence, fenced, file_name, image_type, label, text_of
from a2abackends.results import headline, results_of
from a2acore.backend import AgentFailed, Notice, Turn
from a2acore.model import Metadata, Part

INLINED = 64 * 1024
"""Characters of one part that stand in a prompt: some 16 000 tokens."""
INLINED_IN_ALL = 256 * 1024
"""Characters of a whole message and what it refers to that do."""
LARGEST_MEDIA = 3_500_000
"""Bytes of an image or a sound in a prompt: models take no more than 5 MB in base64."""

MEDIA_IN_ALL = 16_000_000
"""Bytes of all images and sounds in a prompt: models take requests of no more than 32 MB."""


async def make_prompt(turn: Turn, can: PromptCapabilities) -> Prompt:
    """The prompt of a turn for an agent that can take so much; its files are in the inbox then.

    Raises:
        AgentFailed: there is nothing in the message, or a file cannot be saved.
    """
    composer = compose(turn, can)
    if not composer.prompt:
        raise AgentFailed("Nothing in the message can be given to the agent", stop_reason="error")
    if composer.files:
        try:
            await trio.to_thread.run_sync(
                inbox.save, turn.workspace, turn.task_id, composer.files, abandon_on_cancel=True
            )
        except OSError as error:
            raise AgentFailed(
                f"What was sent cannot be saved in the workspace: {error.strerror}",
                stop_reason="error",
            ) from error
    for notice in composer.notices:
        turn.say(notice)
    return composer.prompt


def compose(turn: Turn, can: PromptCapabilities) -> Composer:
    """The prompt: what came of the tasks that the message refers to, and then the message."""
    composer = Composer(turn, can)
    for number, part in enumerate(turn.message.parts, 1):
        composer.add(part, f"part-{number}", {"part": number})
    # It stands first, but has what room the message leaves.
    message, composer.prompt = composer.prompt, []
    if not message:
        return composer
    for task in turn.references:
        composer.prompt.append(text_block(f"For reference, what came of {headline(task)}:"))
        for part in results_of(task):
            composer.add(part, task.id, {"taskId": task.id})
    composer.prompt += message
    return composer


@define(eq=False)
class Composer:
    """A prompt in the making."""

    _turn: Turn
    _can: PromptCapabilities
    prompt: Prompt = field(factory=list)
    notices: list[Notice] = field(factory=list)
    files: dict[str, bytes] = field(factory=dict)
    """What is to be saved in the inbox, by name."""
    _room: int = INLINED_IN_ALL
    _media_room: int = MEDIA_IN_ALL

    def add(self, part: Part, otherwise: str, where: Metadata) -> None:
        """Add a part; `otherwise` is how it is called if it has no name."""
        name, kind = label(part.filename, otherwise), essence(part.media_type)
        if part.raw is not None:
            self._file(part.raw, name, part.media_type, where)
        elif part.url is not None and len(part.url) <= INLINED:
            self.prompt.append(link_block(part.url, label(part.filename, ""), kind))
        elif part.data is not UNSET:
            data = msgspec.json.format(msgspec.json.encode(part.data)).decode()
            self.prompt.append(text_block(fenced(self._fit(data, f"{name}.json", where), "json")))
        elif part.text and part.filename:
            self.prompt.append(self._document(part.text, name, kind, where))
        elif text := part.text or part.url:
            self.prompt.append(text_block(self._fit(text, f"{name}.txt", where)))

    def _file(self, raw: bytes, name: str, media_type: str, where: Metadata) -> None:
        image, kind = image_type(raw), essence(media_type)
        fits = len(raw) <= min(LARGEST_MEDIA, self._media_room)
        if fits and image and self._can.image:
            self._media_room -= len(raw)
            self.prompt.append(media_block("image", raw, image))
        elif fits and kind.startswith("audio/") and self._can.audio:
            self._media_room -= len(raw)
            self.prompt.append(media_block("audio", raw, kind))
        elif not image and (text := text_of(raw, media_type)) is not None:
            self.prompt.append(self._document(text, name, kind, where))
        else:
            path = self._save(raw, name)
            self._tell("saved", f"{name} was saved for the agent", path, where)
            what = f"{kind or 'of an unknown type'}, {len(raw):,} bytes"
            self.prompt.append(text_block(f"[{name} ({what}) was sent along; it is in {path}]"))

    def _document(self, text: str, name: str, kind: str, where: Metadata) -> Spelled:
        return document_block(name, self._fit(text, name, where), kind, self._can)

    def _fit(self, text: str, name: str, where: Metadata) -> str:
        """What there is room for of a text. If that is not all, it says where all of it is."""
        room = min(INLINED, self._room)
        self._room -= min(room, len(text))
        if len(text) <= room:
            return text
        path = self._save(text.encode(), name)
        self._tell("cut", f"{name} is too long for a prompt and was cut; it was saved", path, where)
        size = f"{room:,} of {len(text):,} characters"
        return f"{text[:room]}\n[cut here, after {size}; all of it is in {path}]"

    def _save(self, content: bytes, name: str) -> Path:
        numbered = f"{len(self.files) + 1}-{file_name(name, 'file')}"
        self.files[numbered] = content
        return inbox.folder_of(self._turn.workspace, self._turn.task_id) / numbered

    def _tell(self, kind: str, what: str, path: Path, where: Metadata) -> None:
        place = str(path.relative_to(self._turn.workspace))
        self.notices.append(Notice(f"{what} as {place}", kind, {**where, "path": place}))
