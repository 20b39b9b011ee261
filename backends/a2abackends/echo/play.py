"""The player: what each step says, asks and does in a turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import trio
from attrs import define, evolve, field

from a2abackends.echo import files
from a2abackends.echo.place import Place, Placed, SoFar, keep, placed
from a2abackends.echo.steps import (
    AskCredential,
    AskPermission,
    AskQuestion,
    Change,
    Crash,
    End,
    Fail,
    Piece,
    Produce,
    Refuse,
    Reply,
    Say,
    SetPlan,
    Spend,
    Tell,
    Think,
    UseTool,
    Wait,
)
from a2abackends.results import headline, results_of
from a2acore.backend import (
    AgentFailed,
    AgentRefused,
    Answer,
    Credential,
    FileChange,
    Location,
    Notice,
    Option,
    Output,
    Permission,
    Plan,
    PlanEntry,
    Question,
    Text,
    Thought,
    ToolCall,
    Turn,
    Usage,
)
from a2acore.model import Artifact, Part, Task

WORD = re.compile(r"\S+\s*|\s+")
BLANK = re.compile(r"\{(text|received|turn|answer)\}")

BREATH = 64
"""How many words are said in a row before other tasks may run."""

CHARACTERS_PER_TOKEN = 4
"""What is commonly reckoned for English."""


@define(eq=False)
class Player:
    """Plays steps in one turn, the `number`th of its context, counted from 1."""

    turn: Turn
    text: str
    number: int
    so_far: SoFar = field(factory=SoFar)
    again: bool = False
    """Whether the next thing that it asks was asked before the server was restarted."""
    words: int = field(default=0, init=False)

    async def play(self, ways: Iterable[Iterator[Placed]]) -> str | None:
        """Play steps, one way after the other, and say what it cost however it ends.

        Returns the stop reason, if one is.
        """
        end = None
        try:
            for steps in ways:
                if end := await self.go(steps):
                    break
        finally:
            if not self.so_far.spent:
                self.turn.say(self.estimate())
        return end.reason or None if end else None

    async def go(self, steps: Iterator[Placed]) -> End | None:
        """Play them up to an `End`, and return that."""
        for place, step in steps:
            match step:
                case Say(text):
                    await self.speak(Text, self.fill(text))
                case Think(text):
                    await self.speak(Thought, text)
                case UseTool():
                    await self.use(step, self.announce(step))
                case AskPermission():
                    if end := await self.ask_permission(place, step):
                        return end
                case AskQuestion(text, choices, schema):
                    await self.ask(place, Question(text, choices, schema))
                case AskCredential(text):
                    await self.ask(place, Credential(text))
                case Change():
                    self.turn.say(await self.in_thread(files.make, step))
                case SetPlan(entries):
                    self.turn.say(
                        Plan(tuple(PlanEntry(e.content, e.status, e.priority) for e in entries))
                    )
                case Produce():
                    self.produce(step)
                case Reply(parts):
                    # Where no mere message was possible any more, it is an artifact like any other.
                    self.produce(Produce(parts))
                case Spend():
                    self.so_far.spent = True
                    self.turn.say(Usage(**msgspec.structs.asdict(step)))
                case Tell(text, kind, data):
                    self.turn.say(Notice(text, kind, data))
                case Wait(seconds):
                    await trio.sleep(seconds)
                case Fail(text):
                    raise AgentFailed(text)
                case Refuse(text):
                    raise AgentRefused(text)
                case Crash(text):
                    raise RuntimeError(text)
                case End():
                    return step
        return None

    async def speak(self, kind: type[Text | Thought], text: str) -> None:
        """Say the text word by word, as agents do, letting others run now and then."""
        say = self.turn.say
        words = WORD.findall(text)
        for number, word in enumerate(words, self.words + 1):
            say(kind(word))
            if number % BREATH == 0:
                await trio.lowlevel.checkpoint()
        self.words += len(words)
        self.so_far.written += len(text)

    def fill(self, text: str) -> str:
        """Fill in the blanks, in one go: what is filled in may well look like one."""
        return BLANK.sub(lambda blank: self.blank(blank[1]), text)

    def blank(self, name: str) -> str:
        """What a blank stands for."""
        if name == "text":
            return self.text
        if name == "turn":
            return str(self.number)
        if name == "answer":
            return self.so_far.answer
        parts = [received(part) for part in self.turn.message.parts if part.text is None]
        return "".join([*map(referred, self.turn.references), *parts])

    async def ask(self, place: Place, asking: Permission | Question | Credential) -> Answer:
        """Ask, and remember the answer."""
        keep(self.turn, self.number, place, self.so_far)
        self.again = False
        answer = await self.turn.ask(asking)
        self.so_far.answer = in_words(answer)
        return answer

    async def ask_permission(self, place: Place, step: AskPermission) -> End | None:
        """Ask for a tool, and use it or not. Returns what ends the turn, if something does."""
        call = self.call_of(step.tool) if self.again else self.announce(step.tool)
        changes = [await self.in_thread(files.foresee, each) for each in step.tool.changes]
        options = tuple(Option(each.id, each.name, each.kind) for each in step.options)
        answer = await self.ask(
            place, Permission(call, options, step.description, tuple(changes), step.cwd, step.env)
        )
        if answer.allowed:
            await self.use(step.tool, call)
            return await self.go(placed(step.on_allow, (*place, 1)))
        self.turn.say(evolve(call, status="cancelled"))
        return await self.go(placed(step.on_deny, (*place, 0)))

    def announce(self, tool: UseTool) -> ToolCall:
        """Say that a tool is about to be used."""
        self.so_far.calls += 1
        call = self.call_of(tool)
        self.turn.say(call)
        return call

    def call_of(self, tool: UseTool) -> ToolCall:
        """The tool as it is announced, under the latest number."""
        return ToolCall(
            f"call-{self.so_far.calls}",
            title=tool.title,
            name=tool.name,
            kind=tool.kind,
            input=tool.input,
            locations=tuple(Location(change.path) for change in tool.changes),
        )

    async def use(self, tool: UseTool, call: ToolCall) -> None:
        """Use it: from in progress to its end."""
        self.turn.say(evolve(call, status="in_progress"))
        try:
            for change in tool.changes:
                self.turn.say(await self.in_thread(files.make, change))
        except (AgentFailed, AgentRefused) as exc:
            self.turn.say(evolve(call, status="failed", output=str(exc)))
            raise
        self.turn.say(
            evolve(call, status=tool.status, output=tool.output, exit_code=tool.exit_code)
        )

    async def in_thread(
        self, do: Callable[[Path, Change], FileChange], change: Change
    ) -> FileChange:
        """Foresee or make a change to a file."""
        return await trio.to_thread.run_sync(do, self.turn.workspace, change)

    def produce(self, step: Produce) -> None:
        """Say an artifact."""
        self.so_far.artifacts += 1
        artifact = Artifact(
            step.artifact_id or f"artifact-{self.so_far.artifacts}",
            parts_of(step.parts),
            name=step.name,
            description=step.description,
        )
        self.turn.say(Output(artifact, append=step.append, last=step.last))

    def estimate(self) -> Usage:
        """What the turn would have cost, had a model been asked."""
        read = -(-len(self.text) // CHARACTERS_PER_TOKEN)
        written = -(-self.so_far.written // CHARACTERS_PER_TOKEN)
        return Usage(
            input_tokens=read, output_tokens=written, total_tokens=read + written, model="echo"
        )


def parts_of(pieces: Sequence[Piece]) -> tuple[Part, ...]:
    """The parts that a script spells."""
    return tuple(Part(**msgspec.structs.asdict(piece)) for piece in pieces)


def in_words(answer: Answer) -> str:
    """What the caller said: words, data, or else the option that was picked."""
    if answer.data is not None:
        data = msgspec.json.encode(answer.data).decode()
        return f"{answer.words} {data}" if answer.words else data
    return answer.words or (answer.option.name if answer.option else "nothing")


def received(part: Part) -> str:
    """A line on a part that is no text."""
    kind = f" ({part.media_type})" if part.media_type else ""
    if part.raw is not None:
        return f"received {part.filename or 'a file'}{kind}: {len(part.raw)} bytes\n"
    if part.url is not None:
        return f"received {part.filename or 'a link'}{kind}: {part.url}\n"
    return f"received data{kind}: {msgspec.json.encode(part.data).decode()}\n"


def referred(task: Task) -> str:
    """A line on a task that the message refers to: how it stands, and what came of it."""
    prefix = f"{task.id}/"
    results = [part.filename.removeprefix(prefix) for part in results_of(task)]
    return f"received {headline(task)}: {', '.join(results) or 'no results'}\n"
