"""From what an agent tells of its work to what a caller is told. Pure.

`Standing` is what holds for the whole session and is kept between its turns; a `Translator` reads
the updates of one turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from attrs import define, evolve, field

from a2abackends.acp.content import output_of
from a2abackends.acp.tools import ENDED, Tool
from a2abackends.acp.wire import (
    AgentMessageChunk,
    AgentThoughtChunk,
    AnyUpdate,
    Block,
    ConfigOption,
    ConfigOptions,
    Cost,
    CurrentMode,
    PlanStep,
    PlanUpdate,
    PromptResult,
    SessionInfo,
    ToolCallFields,
    ToolCallStart,
    ToolCallUpdate,
    UsageUpdate,
    look,
)
from a2abackends.presets import Oddities
from a2acore.backend import (
    Notice,
    Plan,
    PlanEntry,
    Saying,
    Text,
    Thought,
    ToolCall,
    Usage,
)

_STEPS: dict[str | None, Literal["in_progress", "completed"]] = {
    "in_progress": "in_progress",
    "completed": "completed",
}
_PRIORITIES: dict[str | None, Literal["high", "low"]] = {"high": "high", "low": "low"}


@define(eq=False)
class Standing:
    """What is known of a session, whichever turn it was said in."""

    cost: Cost | None = None
    """Since the session began."""
    accounted: Cost | None = None
    """As much of it as the usage of some turn has told."""
    resumed: bool = False
    """The session is older than what is known of it: what it had cost by then is on other bills."""
    model: str = ""
    title: str = ""
    mode: str = ""
    options: dict[str, Any] = field(factory=dict)
    """What each configuration option is set to."""

    def hear(self, update: AnyUpdate) -> list[Notice]:
        """Keep what an update says of the session; what is new in it, the caller should know."""
        match update:
            case UsageUpdate(cost, meta):
                if cost is not None and cost.amount >= 0:
                    self.cost = cost
                if isinstance(model := look(meta, "_claude/model"), str):
                    self.model = model or self.model
            case SessionInfo(title) if title and title != self.title:
                self.title = title
                return [Notice(f"The session is called: {title}", "title", {"title": title})]
            case CurrentMode(mode) if mode != self.mode:
                known, self.mode = self.mode, mode
                notice = Notice(f"The agent's mode is now {mode}", "mode", {"mode": mode})
                return [notice] if known else []
            case ConfigOptions(options):
                return self.configure(options)
        return []

    def configure(self, options: Iterable[ConfigOption]) -> list[Notice]:
        """Keep what the options are set to; of those that were set otherwise before, tell."""
        notices: list[Notice] = []
        before, self.options = self.options, {}  # it is always all of them that are told
        for option in options:
            value, known = option.current_value, before.get(option.id)
            self.options[option.id] = value
            if option.category == "model" and isinstance(value, str):
                self.model = value
            if option.category == "mode" and isinstance(value, str):
                notices += self.hear(CurrentMode(value))  # some agents tell it in both ways
            elif known is not None and known != value:
                data = {"option": option.id, "value": value}
                notices.append(Notice(f"{option.name or option.id} is now {value}", "option", data))
        return notices


@define(eq=False)
class Translator:
    """Reads the updates of one turn."""

    standing: Standing
    _oddities: Oddities
    tools: dict[str, Tool] = field(factory=dict)
    _unsigned: str = ""
    """The last piece of a message, if it came without a message id."""
    _message: str | None = None
    """The message that the last text belongs to."""
    _last_text: str = ""
    _interrupted: bool = False
    """A tool was used since then."""
    _outputs: int = 0

    @property
    def begun(self) -> bool:
        """The agent has set to work."""
        return bool(self.tools or self._last_text)

    def read(self, update: AnyUpdate) -> list[Saying]:
        """What the caller is told of an update. Commands, and what we said ourselves, are not."""
        match update:
            case AgentMessageChunk(content, message_id):
                return self._message_chunk(content, message_id)
            case AgentThoughtChunk(content):
                if content.type == "text":
                    return [Thought(content.text)] if content.text else []
                return [self._output(content)]
            case ToolCallStart() | ToolCallUpdate():
                return self._tool(update)
            case PlanUpdate(entries):
                return [Plan(tuple(_plan_entry(step) for step in entries))]
            case _:
                return [*self.standing.hear(update)]

    def tool(self, said: ToolCallFields) -> Tool:
        """The tool that something is said of, with that taken in."""
        tool = self.tools.get(said.tool_call_id)
        if tool is None:
            tool = self.tools[said.tool_call_id] = Tool(ToolCall(said.tool_call_id))
            self._interrupted = True
        tool.merge(said)
        return tool

    def usage(self, result: PromptResult | None) -> Usage | None:
        """What the turn has used, as far as the agent tells; to be asked once, at its end.

        What a cancelled turn has cost may be heard late: it is on the bill of the next one.
        """
        tokens = self._tokens(result)
        cost, currency = self._cost()
        if tokens is None and cost is None:
            return None
        model = self._model(result)
        return evolve(tokens or Usage(), cost=cost, currency=currency, model=model)

    def disguised_error(self, result: PromptResult) -> str | None:
        """The error that a good end really is, with an agent that has this oddity."""
        if not self._oddities.errors_as_answer or result.usage is not None:
            return None
        return self._unsigned.strip() or None

    def _message_chunk(self, content: Block, message_id: str | None) -> list[Saying]:
        if content.type != "text":
            return [self._output(content)]
        if not content.text:
            return []
        # Where one message ends and another begins, a reader wants to see a paragraph.
        begins = self._interrupted or message_id != self._message
        glued = begins and self._last_text and not self._last_text.endswith("\n")
        self._message, self._interrupted, self._last_text = message_id, False, content.text
        self._unsigned = content.text if message_id is None else ""
        return [Text(f"\n\n{content.text}" if glued else content.text)]

    def _tool(self, said: ToolCallFields) -> list[Saying]:
        before = self.tools[said.tool_call_id].view if said.tool_call_id in self.tools else None
        tool = self.tool(said)
        sayings: list[Saying] = [] if tool.view == before else [tool.view]
        if (steps := tool.todos) and (before is None or tool.view.input != before.input):
            sayings.append(Plan(tuple(_plan_entry(step) for step in steps)))
        if tool.view.status in ENDED and (before is None or before.status not in ENDED):
            sayings += [
                self._output(item.content)
                for item in tool.content
                if item.content is not None and item.content.type != "text"
            ]
        return sayings

    def _output(self, block: Block) -> Saying:
        self._outputs += 1
        return output_of(block, f"output-{self._outputs}")

    def _tokens(self, result: PromptResult | None) -> Usage | None:
        if result is None or (self._oddities.tokens_of_last_call and self.tools):
            return None
        if (told := result.usage) is not None:
            usage = Usage(
                input_tokens=_count(told, "inputTokens"),
                output_tokens=_count(told, "outputTokens"),
                cached_tokens=_count(told, "cachedReadTokens"),
                thought_tokens=_count(told, "thoughtTokens"),
                total_tokens=_count(told, "totalTokens"),
            )
            return None if usage == Usage() else usage
        quota = look(result.meta, "quota", "token_count")  # gemini
        given, made = _count(quota, "input_tokens"), _count(quota, "output_tokens")
        if given is None or made is None:
            return None
        return Usage(input_tokens=given, output_tokens=made, total_tokens=given + made)

    def _cost(self) -> tuple[float | None, str]:
        now, before = self.standing.cost, self.standing.accounted
        if now is None:
            return None, ""
        self.standing.accounted = now
        if before is None and self.standing.resumed:
            return None, ""  # which part of it is this turn's cannot be told
        if before is None or before.currency != now.currency or before.amount > now.amount:
            return now.amount, now.currency
        return round(now.amount - before.amount, 10), now.currency

    def _model(self, result: PromptResult | None) -> str:
        used = look(result.meta, "quota", "model_usage") if result is not None else None
        models = [look(entry, "model") for entry in used] if isinstance(used, list) else []
        return next((model for model in models if isinstance(model, str)), self.standing.model)


def _count(told: Any, name: str) -> int | None:
    """A number of tokens, if it can be one."""
    count = look(told, name)
    return count if type(count) is int and count >= 0 else None


def _plan_entry(step: PlanStep) -> PlanEntry:
    return PlanEntry(
        step.content, _STEPS.get(step.status, "pending"), _PRIORITIES.get(step.priority, "medium")
    )
