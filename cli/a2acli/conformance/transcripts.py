"""The talks of `spec/<line>/transcripts`: what is asked, step by step, and what has to be answered.

A step asks for an operation (`ask`, with `params`, where `task` and `config` are the ids that
HTTP+JSON has in its path), or posts a body of its own making (`post`, on JSON-RPC). Then it tells
the `result`, `error`, `events` or `answer` to expect, and what that `proves`:

    objects        have these members, and may have others
    arrays         have these items, and no others; one "..." stands for any number of items
    "$name"        anything, the first time; the same again, after that
    "<string>"     any string but the empty one; likewise "<time>"
    "<any>"        anything at all
    "<absent>"     that this member is not there
    "%slow"        what is said to the agent to keep it busy; likewise "%hello", "%pause", "%yes"
    "%new"         an id that nobody has used
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, NamedTuple
from uuid import uuid4

from attrs import asdict, frozen

from a2acli.conformance.musts import spec
from a2acli.conformance.peer import Peer
from a2acli.conformance.shapes import TIME
from a2acli.conformance.stories import YES, asked, finished, hello_stream, stopped, wants_push
from a2acli.conformance.verdict import Failed, NotApplicable, expect, shown

Names = dict[str, Any]


async def webhook(peer: Peer) -> None:
    wants_push(peer)


NEEDS: dict[str, Callable[[Peer], Awaitable[Any]]] = {
    "task": finished,
    "streaming": hello_stream,
    "pushNotifications": webhook,
    "slow": stopped,
    "pause": asked,
}
"""What has to be seen before a talk can be held."""


@frozen
class Transcript:
    """One talk."""

    line: str
    section: str
    name: str
    needs: tuple[str, ...]
    """What an agent has to do for it, by the names of `NEEDS`."""
    binding: str | None
    steps: tuple[dict[str, Any], ...]

    def proving(self, id: str) -> list[int]:
        """The steps that prove a statement, counted from 0."""
        return [number for number, step in enumerate(self.steps) if id in step.get("proves", ())]

    @property
    def ids(self) -> list[str]:
        """All that is proven on the way."""
        return list(dict.fromkeys(id for step in self.steps for id in step.get("proves", ())))


@cache
def transcripts(line: str) -> tuple[Transcript, ...]:
    """The talks of a line."""
    folder = spec() / line / "transcripts"
    files = [each for each in folder.iterdir() if each.name.endswith(".json")]
    return tuple(
        _read(json.loads(file.read_text("utf-8")))
        for file in sorted(files, key=lambda each: each.name)
    )


def _read(told: dict[str, Any]) -> Transcript:
    return Transcript(
        told["line"],
        told["section"],
        told["name"],
        tuple(told.get("needs", ())),
        told.get("binding"),
        tuple(told["steps"]),
    )


class Talk(NamedTuple):
    """How far a talk came."""

    done: int
    """How many steps went well."""
    failed: str
    """Why the next one did not; empty when all did."""


async def play(peer: Peer, transcript: Transcript) -> Talk:
    """Have the talk, as far as it goes.

    Raises:
        NotApplicable: there is no such talk on this interface.
    """
    if transcript.binding not in (None, peer.way.binding):
        raise NotApplicable(f"a talk on {transcript.binding}")
    if peer.way.proto:
        raise NotApplicable("the proto form is checked without transcripts")
    for need in transcript.needs:
        await NEEDS[need](peer)
    names: Names = {}
    for done, step in enumerate(transcript.steps):
        try:
            await _step(peer, step, names)
        except Failed as failed:
            told = f"{transcript.name!r}, step {done + 1} ({step.get('ask', 'post')}): {failed}"
            return Talk(done, told)
    return Talk(len(transcript.steps), "")


async def _step(peer: Peer, step: dict[str, Any], names: Names) -> None:
    if "events" in step:
        async with peer.listening(step["ask"], fill(peer, step["params"], names)) as tape:
            await tape.wait_end()
        compare(step["events"], [event.said for event in tape.events], names)
        return
    if "post" in step:
        answer = await peer.post(step["post"].encode())
        compare(step["answer"], answer.document, names)
        return
    answer = await peer.ask(step["ask"], fill(peer, step["params"], names))
    if "error" in step:
        refusal = answer.refusal
        expect(refusal.is_a(step["error"]), f"gets {refusal}, not {step['error']}")
        return
    compare(step["result"], answer.result, names)


def fill(peer: Peer, said: Any, names: Names) -> Any:
    """Params with what they stand for."""
    if isinstance(said, dict):
        return {member: fill(peer, value, names) for member, value in said.items()}
    if isinstance(said, list):
        return [fill(peer, each, names) for each in said]
    if not isinstance(said, str):
        return said
    if said == "%new":
        return uuid4().hex
    if said.startswith("%"):
        return {**asdict(peer.texts), "yes": YES}[said[1:]]
    return names[said] if said.startswith("$") else said


def compare(pattern: Any, said: Any, names: Names, path: str = "") -> None:
    """See that a document is as the pattern has it.

    Raises:
        Failed: it is not.
    """
    where = path or "it"
    match pattern:
        case dict():
            expect(isinstance(said, dict), f"{where} is no object: {shown(said)}")
            for member, inner in pattern.items():
                below = f"{path}.{member}" if path else member
                if inner == "<absent>":
                    expect(member not in said, f"{below} is there: {shown(said.get(member))}")
                else:
                    expect(member in said, f"{below} is missing in {shown(said)}")
                    compare(inner, said[member], names, below)
        case list():
            expect(isinstance(said, list), f"{where} is no array: {shown(said)}")
            _compare_items(pattern, said, names, path)
        case "<any>":
            pass
        case "<string>":
            expect(isinstance(said, str) and said, f"{where} is no string: {shown(said)}")
        case "<time>":
            right = isinstance(said, str) and TIME.fullmatch(said)
            expect(right, f"{where} is no time: {shown(said)}")
        case str() if pattern.startswith("$"):
            known = names.setdefault(pattern, said)
            expect(known == said, f"{where} is {shown(said)}, and was {shown(known)}")
        case _:
            same = pattern == said and type(pattern) is type(said)
            expect(same, f"{where} is {shown(said)}, not {shown(pattern)}")


def _compare_items(pattern: list[Any], said: list[Any], names: Names, path: str) -> None:
    if "..." not in pattern:
        expect(len(said) == len(pattern), f"{path or 'it'} has {len(said)} items: {shown(said)}")
        for index, (inner, each) in enumerate(zip(pattern, said, strict=True)):
            compare(inner, each, names, f"{path}[{index}]")
        return
    gap = pattern.index("...")
    before, after = pattern[:gap], pattern[gap + 1 :]
    enough = len(said) >= len(before) + len(after)
    expect(enough, f"{path or 'it'} has {len(said)} items only: {shown(said)}")
    _compare_items(before, said[:gap], names, path)
    _compare_items(after, said[len(said) - len(after) :], names, path)
