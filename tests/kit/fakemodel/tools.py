"""Which of an agent's own tools plays a step of the script, and with which arguments."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

OLD, NEW = "OLD", "NEW"
CONTENT = "hello fake"
TODOS = (("one", "in_progress", "high"), ("two", "pending", "low"))


@dataclass(frozen=True)
class Tool:
    """A tool that the agent offers."""

    name: str
    parameters: frozenset[str] = field(default_factory=frozenset)
    freeform: bool = False  # takes one text instead of JSON (OpenAI's "custom" tools)
    namespace: str | None = None


class Call(NamedTuple):
    """A tool call of ours; the arguments of a freeform tool are a text."""

    name: str
    arguments: dict[str, Any] | str
    namespace: str | None = None


def choose(word: str, rest: str, tools: Mapping[str, Tool], *, escalate: bool) -> Call | None:
    """The call that plays the step `word:rest`, or None where the agent offers nothing fitting.

    `escalate` asks for the command to run outside the sandbox, where the shell tool knows such
    a thing: codex asks its user for permission only then.
    """
    if word == "TOOL":
        return named(rest, tools)
    for names, arguments in CHOICES[word]:
        for name in names:
            if name in tools:
                tool = tools[name]
                return Call(name, arguments(tool, rest, escalate), tool.namespace)
    return None


def named(rest: str, tools: Mapping[str, Tool]) -> Call:
    """`TOOL:` as written, offered or not: an agent's answer to an unknown tool is of interest."""
    name, _, written = rest.partition(" ")
    namespace, _, name = name.rpartition("::")
    tool = tools.get(name, Tool(name))
    arguments = written if tool.freeform else json.loads(written or "{}")
    return Call(name, arguments, namespace or tool.namespace)


Arguments = Callable[[Tool, str, bool], dict[str, Any] | str]


def shell(tool: Tool, command: str, escalate: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {"cmd" if "cmd" in tool.parameters else "command": command}
    if "description" in tool.parameters:
        arguments["description"] = f"run {command}"
    if escalate and "sandbox_permissions" in tool.parameters:
        arguments["sandbox_permissions"] = "require_escalated"
        arguments["justification"] = "the script asks for it"
    return arguments


def cat(tool: Tool, path: str, _: bool) -> dict[str, Any]:
    return shell(tool, f"cat {path}", escalate=False)  # the sandbox lets everybody read


def read(tool: Tool, path: str, _: bool) -> dict[str, Any]:
    return {path_parameter(tool): path}


def edit(tool: Tool, path: str, _: bool) -> dict[str, Any]:
    camel = "oldString" in tool.parameters
    arguments = {
        path_parameter(tool): path,
        "oldString" if camel else "old_string": OLD,
        "newString" if camel else "new_string": NEW,
    }
    if "instruction" in tool.parameters:
        arguments["instruction"] = f"replace {OLD} by {NEW}"
    return arguments


def write(tool: Tool, path: str, _: bool) -> dict[str, Any]:
    return {path_parameter(tool): path, "content": CONTENT + "\n"}


def patch_edit(_: Tool, path: str, __: bool) -> str:
    return patch(f"*** Update File: {path}\n@@\n-{OLD}\n+{NEW}")


def patch_write(_: Tool, path: str, __: bool) -> str:
    return patch(f"*** Add File: {path}\n+{CONTENT}")


def patch(change: str) -> str:
    return f"*** Begin Patch\n{change}\n*** End Patch"


def path_parameter(tool: Tool) -> str:
    known = ("file_path", "filePath", "absolute_path", "path")
    return next((name for name in known if name in tool.parameters), known[0])


def plan(_: Tool, __: str, ___: bool) -> dict[str, Any]:
    return {
        "todos": [
            {"content": text, "status": status, "priority": priority, "activeForm": text}
            for text, status, priority in TODOS
        ]
    }


def plan_steps(_: Tool, __: str, ___: bool) -> dict[str, Any]:
    return {"plan": [{"step": text, "status": status} for text, status, _ in TODOS]}


SHELLS = ("exec_command", "Bash", "bash", "run_shell_command")

# Per step, the tools that play it, the preferred first. In order of mention: codex, Claude Code,
# opencode, gemini. codex changes files by `apply_patch` alone.
CHOICES: Mapping[str, tuple[tuple[tuple[str, ...], Arguments], ...]] = {
    "RUN": ((SHELLS, shell),),
    "READ": ((("Read", "read", "read_file"), read), (SHELLS, cat)),
    "EDIT": ((("apply_patch",), patch_edit), (("Edit", "edit", "replace"), edit)),
    "WRITE": ((("apply_patch",), patch_write), (("Write", "write", "write_file"), write)),
    "PLAN": ((("update_plan",), plan_steps), (("TodoWrite", "todowrite"), plan)),
}
