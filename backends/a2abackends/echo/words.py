"""The words in a prompt that make echo do something.

A word counts when it stands alone, in any case, with or without punctuation around it; so `plan.md`
and `planning` are not `plan`. What they do is done in their order, and then the prompt is echoed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from a2abackends.echo.steps import (
    AskCredential,
    AskPermission,
    AskQuestion,
    Change,
    Crash,
    End,
    Entry,
    Fail,
    Refuse,
    Say,
    SetPlan,
    Step,
    Tell,
    Think,
    UseTool,
    Wait,
)

FIXED: dict[str, tuple[Step, ...]] = {
    "think": (Think("First I look at what was said, then I say it again."),),
    "plan": (
        SetPlan((Entry("listen", "in_progress", "high"), Entry("repeat"))),
        SetPlan((Entry("listen", "completed", "high"), Entry("repeat", "in_progress"))),
        SetPlan((Entry("listen", "completed", "high"), Entry("repeat", "completed"))),
    ),
    "question": (
        AskQuestion("Which colour do you like best?", choices=("red", "green", "blue")),
        Say("you said: {answer}\n"),
    ),
    "credential": (
        AskCredential("Echo is not logged in. Log in where you usually would, then say so."),
        Say("let in: {answer}\n"),
    ),
    "notice": (Tell("This is a notice, as asked.", data={"asked": True}),),
    "title": (Tell("A talk with echo", kind="title"),),
    "how many": (Say("this is turn {turn}\n"),),
    "fail": (Fail("echo failed, as asked"),),
    "refuse": (Refuse("echo will not do that, as asked"),),
    "crash": (Crash(),),
}
"""The words that always do the same."""

TOOLS = ("tool", "edit")
"""The words that use a tool; `edit` takes the file whose name follows it."""

GUARDS = ("permission", "sudo")
"""The words that ask first: for the tool that follows at once, or else for one of their own."""

COUNTED = ("slow", "slow:N", "long:N")
"""The words that go on for a while: N is a number of at most six digits."""

WORDS = (*FIXED, *TOOLS, *GUARDS, *COUNTED)

SLOW = 10
"""How many seconds `slow` takes."""

WORD = re.compile(
    r"""(?<!\S)["'(]*(""" + "|".join(WORDS).replace("N", r"\d{1,6}") + r""")[.,;:!?"')]*(?!\S)""",
    # ASCII, lest IGNORECASE takes a long s (U+017F) for an s and finds a word that is in no table.
    re.ASCII | re.IGNORECASE,
)
FILE = re.compile(r"""(?<!\S)["'`(]*([\w./+-]*\w\.\w+)""", re.ASCII)


def read(text: str) -> Iterator[Step]:
    """The steps that a prompt asks for: its words, what came with it, and the echo of it."""
    asking = False
    for found, following in find_words(text):
        word = found.lower()
        tool = use_of(word, following)
        if asking:
            yield permission(tool or RUN)
        elif tool:
            yield tool
        asking = word in GUARDS
        if tool is None and not asking:
            yield from doing(word)
    if asking:
        yield permission(RUN)
    yield Say("{received}echo: {text}")


def find_words(text: str) -> Iterator[tuple[str, str]]:
    """The words in the text, each with what stands between it and the next one."""
    # Splitting at a pattern with one group gives: before, word, between, word, ..., after.
    _, *found = WORD.split(text)
    yield from zip(found[::2], found[1::2], strict=True)


def use_of(word: str, following: str) -> UseTool | None:
    """The tool that the word uses, if it is one that does."""
    if word == "tool":
        return RUN
    if word == "edit":
        named = FILE.search(following)
        return edit(named[1] if named else "echo.txt")
    return None


def doing(word: str) -> Iterator[Step]:
    """What a word does that uses no tool."""
    kind, _, count = word.partition(":")
    if kind == "slow":
        for second in range(1, int(count or SLOW) + 1):
            yield Wait(1)
            yield Say(f"{second} ")
        yield Say("\n")
    elif kind == "long":
        yield Say(" ".join(map(str, range(1, int(count) + 1))) + "\n")
    else:
        yield from FIXED[word]


RUN = UseTool(
    "Run `echo hello`",
    name="shell",
    kind="execute",
    input={"command": "echo hello"},
    output="hello\n",
    exit_code=0,
)


def edit(path: str) -> UseTool:
    """The tool that adds a line to a file."""
    line = Change(path, after="echo was here\n", write="append")
    return UseTool(
        f"Edit {path}",
        name="edit",
        kind="edit",
        input={"path": path, "append": line.after},
        output=f"added a line to {path}\n",
        changes=(line,),
    )


def permission(tool: UseTool) -> AskPermission:
    """The tool, when the caller allows it; otherwise the turn ends there."""
    return AskPermission(
        tool,
        description="Echo asks because the prompt says so.",
        on_deny=(Say("denied: {answer}\n"), End()),
    )
