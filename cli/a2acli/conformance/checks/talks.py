"""The transcripts under `spec/`: each statement that one proves is a check of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.site import LINES
from a2acli.conformance.stories import story
from a2acli.conformance.transcripts import Talk, Transcript, play, transcripts
from a2acli.conformance.verdict import Failed, Unseen


def talk(transcript: Transcript) -> Callable[[Peer], Awaitable[Talk]]:
    """The story of a transcript."""

    async def have(peer: Peer) -> Talk:
        return await play(peer, transcript)

    have.__name__ = f"{transcript.line} {transcript.name}"
    return story(have)


def proof(
    transcript: Transcript, id: str, telling: Callable[[Peer], Awaitable[Talk]]
) -> Callable[[Peer], Awaitable[None]]:
    """The check that the steps of a transcript that prove a statement go well."""

    async def prove(peer: Peer) -> None:
        told = await telling(peer)
        steps = transcript.proving(id)
        if told.failed and told.done in steps:
            raise Failed(told.failed)
        if told.failed and told.done < steps[-1]:
            raise Unseen(f"not seen, because: {told.failed}")

    prove.__name__ = transcript.name
    return prove


for line in LINES:
    for transcript in transcripts(line):
        telling = talk(transcript)
        for id in transcript.ids:
            check(id, binding=transcript.binding)(proof(transcript, id, telling))
