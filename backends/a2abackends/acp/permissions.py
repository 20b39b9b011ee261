"""Permissions: what an agent asks as a question to the caller, and the caller's answer as the
agent's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from a2abackends.acp.tools import Tool
from a2abackends.acp.wire import PermissionOption, look
from a2acore.backend import Answer, FileChange, Notice, Option, Permission

CANCELLED: dict[str, Any] = {"outcome": {"outcome": "cancelled"}}
"""The answer that decides nothing."""
PLAIN_DENIALS = frozenset({"", "no", "n", "deny", "reject", "decline", "cancel"})
"""Denials that say nothing more."""

Kind = Literal["allow_once", "allow_always", "reject_once", "reject_always"]
_KINDS: dict[str | None, Kind] = {kind: kind for kind in get_args(Kind)}


def permission_of(
    tool: Tool,
    options: Iterable[PermissionOption],
    changes: tuple[FileChange, ...],
    cwd: str,
) -> Permission:
    """The question to the caller, with everything known of the tool."""
    given = tool.view.input
    return Permission(
        tool=tool.view,
        options=_options(options),
        description=tool.text,
        changes=changes,
        cwd=next((p for key in ("cwd", "workdir") if isinstance(p := look(given, key), str)), cwd),
        env=_env(look(given, "env")),
    )


def outcome_of(options: Iterable[Option], answer: Answer) -> dict[str, Any]:
    """What the agent is told: the option that was picked, or the one that fits the verdict best.

    One that counts once goes before one that sticks. Where there is none of the verdict's kind the
    request is cancelled; an option that says the opposite is never taken.
    """
    offered = {option.id: option for option in options}
    if answer.option is not None and answer.option.id in offered:
        return _selected(answer.option.id)
    verdict = "allow" if answer.allowed else "reject"
    for kind in (f"{verdict}_once", f"{verdict}_always"):
        for option in offered.values():
            if option.kind == kind:
                return _selected(option.id)
    return CANCELLED


def unheard_words(answer: Answer) -> Notice | None:
    """What the caller has to know whose denial said more than no: ACP only takes the no."""
    words = answer.words
    if answer.option is not None or words.rstrip(".!").casefold() in PLAIN_DENIALS:
        return None
    text = "The agent was told that it is denied; it takes no words with that"
    return Notice(text, "not_delivered", {"words": words})


def _options(offered: Iterable[PermissionOption]) -> tuple[Option, ...]:
    """Those whose meaning is sure: of a kind that is known, and each under an id of its own."""
    known: dict[str, Option] = {}
    unsure: set[str] = set()
    for each in offered:
        kind = _KINDS.get(each.kind)
        if kind is None:
            unsure.add(each.option_id)
            continue
        option = Option(each.option_id, each.name or each.option_id, kind)
        if known.setdefault(option.id, option).kind != kind:
            unsure.add(option.id)
    return tuple(option for option in known.values() if option.id not in unsure)


def _selected(id: str) -> dict[str, Any]:
    return {"outcome": {"outcome": "selected", "optionId": id}}


def _env(given: Any) -> Mapping[str, str]:
    """Variables, given as a map or as ACP's list of names and values."""
    if isinstance(given, list):
        named = [entry for entry in given if isinstance(look(entry, "name"), str)]
        given = {entry["name"]: look(entry, "value") for entry in named}
    if not isinstance(given, dict):
        return {}
    return {str(name): str(value) for name, value in given.items()}
