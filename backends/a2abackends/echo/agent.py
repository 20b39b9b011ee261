"""The echo backend: which steps a turn plays, and how it is opened."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext

import trio
from attrs import asdict, define, field

from a2abackends.echo import script, words
from a2abackends.echo.place import kept, onward, placed
from a2abackends.echo.play import Player, parts_of
from a2abackends.echo.script import Rule
from a2abackends.echo.steps import Reply, Step
from a2acore.backend import (
    AgentInfo,
    Backend,
    BackendKind,
    BadSettings,
    Finding,
    Settings,
    Turn,
)
from a2acore.model import AgentSkill, Message, Part

INFO = AgentInfo(
    name="Echo",
    description=(
        "Says the prompt back. Words in the prompt make it do what coding agents do: use tools, "
        "change files, ask for permission, fail. For trying things out and for tests."
    ),
    skills=(
        AgentSkill(
            "echo",
            "Echo",
            "Says the prompt back, and acts out the words in it.",
            ("echo", "test"),
            examples=("hello world", "think plan tool", "sudo edit notes.md", "slow:3"),
        ),
    ),
    input_modes=("text/plain", "application/json", "*/*"),
)

MOST_CONTEXTS = 10_000
"""How many contexts are remembered; of more, those that were silent longest are forgotten."""


@define(eq=False)
class Echo:
    """The agent that needs nothing. Its only memory is how many turns a context has had."""

    rules: tuple[Rule, ...] = ()
    info: AgentInfo = INFO
    turns: dict[str, int] = field(factory=dict, init=False)

    async def run(self, turn: Turn) -> str | None:
        """Play what the script, or else the prompt, asks for."""
        await trio.lowlevel.checkpoint_if_cancelled()
        text = turn.text
        number = self.turns.get(turn.conversation, 0) + 1
        self.count(turn.conversation, number)
        steps = self.steps(turn.message, text, number)
        return await Player(turn, text, number).play([placed(steps)])

    async def resume(self, turn: Turn) -> str | None:
        """Ask once more what was asked, and play what comes after it."""
        await trio.lowlevel.checkpoint()
        place, text = kept(turn), turn.text
        ways = onward(self.steps(turn.message, text, place.turn), place.at)
        self.count(turn.conversation, place.turn)
        return await Player(turn, text, place.turn, place.so_far, again=True).play(ways)

    def reply(self, message: Message, conversation: str) -> tuple[Part, ...] | None:
        """The mere message that the script has for this one. It does not count as a turn."""
        text = "\n".join(part.text for part in message.parts if part.text is not None)
        rule = self.rule(message, text, self.turns.get(conversation, 0) + 1)
        match rule:
            case Rule(steps=(Reply(parts),)):
                return parts_of(parts)
        return None

    def count(self, conversation: str, number: int) -> None:
        """Remember how many turns a context has had."""
        self.turns.pop(conversation, None)
        self.turns[conversation] = number
        if len(self.turns) > MOST_CONTEXTS:
            del self.turns[next(iter(self.turns))]

    def steps(self, message: Message, text: str, number: int) -> Iterable[Step | Reply]:
        """What the `number`th turn of its context plays."""
        rule = self.rule(message, text, number)
        return words.read(text) if rule is None else rule.steps

    def rule(self, message: Message, text: str, number: int) -> Rule | None:
        """The first rule for a message."""
        for rule in self.rules:
            if script.matches(rule.when, message, text, number):
                return rule
        return None


def open_echo(settings: Settings) -> AbstractAsyncContextManager[Backend]:
    """Open it: there is nothing to start, but a script may have to be read.

    Raises:
        BadSettings: what only an agent can do was asked, or the script is not as it should be.
    """
    choices = asdict(settings.choices)
    for flag, given in (
        ("--agent", settings.agent),
        ("--agent-command", settings.command),
        *((f"--{name}", chosen) for name, chosen in choices.items()),
        ("--mcp-config", settings.mcp_servers),
        ("--offer", settings.offers),
        ("--agent-env", settings.variables),
        ("--sandbox-write", settings.writable),
        ("--agent-limit", settings.rlimits),
    ):
        if given:
            raise BadSettings(
                f"the echo backend takes no {flag}; leave it out, or choose --backend acp"
            )
    return nullcontext(Echo(script.load(settings.script) if settings.script else ()))


async def examine_echo(settings: Settings) -> tuple[Finding, ...]:
    """Look whether it can be opened."""
    try:
        await trio.to_thread.run_sync(open_echo, settings, abandon_on_cancel=True)
    except BadSettings as wrong:
        return (Finding(False, "echo cannot be opened", str(wrong)),)
    return (Finding(True, "echo is ready: it needs nothing"),)


ECHO = BackendKind(
    name="echo",
    summary="says the prompt back and acts out its words, or plays a script",
    needs="nothing",
    open=open_echo,
    examine=examine_echo,
)
