"""What can be chosen in a session: the model, the mode, the effort. Pure.

Agents offer these in three ways: as configuration options, as modes, and as models, which is how
it was done before there were options. An option goes first where there are several, because its
answer tells what became of all the others. How free the agent's sandbox is, is a mode with those
that have one at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field, frozen
from msgspec import structs

from a2abackends.acp.wire import (
    AnyUpdate,
    ConfigOption,
    ConfigOptions,
    CurrentMode,
    Modes,
    SessionState,
    look,
)
from a2acore.backend import AgentRefused, Choices

ORDER = ("model", "mode", "effort")
"""The model goes first: which efforts there are depends on it, and it may reset them."""
_CATEGORIES = {"model": "model", "mode": "mode", "effort": "thought_level"}
_IDS = {"model": ("model",), "mode": ("mode",), "effort": ("effort", "reasoning_effort")}

Sandboxes = Mapping[str, tuple[str, ...]]
"""For each level of a sandbox, the modes that are that level; the first that there is counts."""


class Unsupported(AgentRefused):
    """The agent has no such thing to choose; the words list what it has."""

    stop_reason = "unsupported"


@frozen
class Knob:
    """One thing that can be set: to what, what it is set to, and by which call."""

    values: tuple[str, ...]
    current: str
    method: str
    key: str
    """Under which the call takes the value."""
    params: Mapping[str, Any] = field(factory=dict)
    """What else it takes, beside the session."""


@define(eq=False)
class Knobs:
    """All that can be chosen in one session, and what it is set to."""

    _options: dict[str, ConfigOption] = field(factory=dict)
    _modes: tuple[str, ...] = ()
    _mode: str = ""
    _models: tuple[str, ...] = ()
    _model: str = ""

    def begin(self, state: SessionState) -> None:
        """Take in what the agent says as a session begins."""
        self._take_options(state.config_options or ())
        modes = state.modes or Modes()
        self._modes = _names(modes.available_modes, "id")
        self._mode = modes.current_mode_id or ""
        if state.models is not None:
            self._models = _names(state.models.available_models, "modelId")
            self._model = state.models.current_model_id or ""

    def hear(self, update: AnyUpdate) -> None:
        """Take in what an update says has been set."""
        match update:
            case ConfigOptions(options):
                self._take_options(options)
            case CurrentMode(mode):
                self._mode = mode
                if (option := self._option("mode")) is not None:  # some tell it in this way only
                    self._options[option.id] = structs.replace(option, current_value=mode)

    def turned(self, name: str, value: str, options: Iterable[ConfigOption] | None) -> None:
        """Take in that a call of ours has set something, and what its answer says."""
        if options is not None:
            self._take_options(options)
        elif name == "mode":
            self._mode = value
        elif name == "model":
            self._model = value

    def current(self, name: str) -> str:
        """What something is set to; nothing where it cannot be set."""
        knob = self.find(name)
        return "" if knob is None else knob.current

    def knob(self, name: str, value: str) -> Knob:
        """What has to be turned to set something to a value.

        Raises:
            Unsupported: there is no such thing, or no such value.
        """
        knob = self.find(name)
        if knob is None:
            there = [other for other in ORDER if self.find(other) is not None]
            raise Unsupported(f"The agent has no {name} to choose; there is {_listed(there)}")
        if value not in (*knob.values, knob.current):
            raise Unsupported(
                f"The agent has no {name} {value!r}; there are {_listed(knob.values)}"
            )
        return knob

    def sandbox(self, level: str, sandboxes: Sandboxes) -> str:
        """The mode that is a level of the agent's own sandbox; nothing if it has none.

        Raises:
            Unsupported: it has not this level.
        """
        knob = self.find("mode")
        known = () if knob is None else knob.values
        levels = {
            name: mode
            for name, modes in sandboxes.items()
            if (mode := next((mode for mode in modes if mode in known), None)) is not None
        }
        if not levels:
            return ""
        if level not in levels:
            raise Unsupported(f"The agent has no sandbox {level!r}; there are {_listed(levels)}")
        return levels[level]

    def wishes(self, choices: Choices, usual: Choices, sandboxes: Sandboxes) -> dict[str, str]:
        """What is to be set for a turn: as it chooses, and otherwise as usual.

        Raises:
            Unsupported: the agent's sandbox is not to be chosen so.
        """
        wishes: dict[str, str] = {}
        for layer in (usual, choices):
            mode = layer.mode
            if layer.sandbox and (own := self.sandbox(layer.sandbox, sandboxes)):
                mode = own
                if layer.mode not in ("", mode):
                    raise Unsupported(
                        f"With this agent the sandbox is a mode: {layer.sandbox!r} is the mode "
                        f"{mode!r}, so {layer.mode!r} cannot be chosen with it; choose one of them"
                    )
            for name, value in (("model", layer.model), ("mode", mode), ("effort", layer.effort)):
                if value:
                    wishes[name] = value
        return wishes

    def find(self, name: str) -> Knob | None:
        """What has to be turned to set something; `None` where it cannot be set."""
        option = self._option(name)
        if option is not None:
            values = tuple(_values(option.options or ()))
            current = option.current_value
            if values and isinstance(current, str):
                params = {"configId": option.id}
                return Knob(values, current, "session/set_config_option", "value", params)
        if name == "mode" and self._modes:
            return Knob(self._modes, self._mode, "session/set_mode", "modeId")
        if name == "model" and self._models:
            return Knob(self._models, self._model, "session/set_model", "modelId")
        return None

    def _option(self, name: str) -> ConfigOption | None:
        by_category = (o for o in self._options.values() if o.category == _CATEGORIES[name])
        by_id = (self._options[id] for id in _IDS[name] if id in self._options)
        return next(by_category, None) or next(by_id, None)

    def _take_options(self, options: Iterable[ConfigOption]) -> None:
        # Always all there are: one that is gone (the effort of a model without one) is left out.
        told = {option.id: option for option in options}
        self._options = told or self._options


def _values(options: Iterable[Any]) -> Iterator[str]:
    """The values in a list of options, which may stand in groups."""
    for option in options:
        value, group = look(option, "value"), look(option, "options")
        if isinstance(value, str):
            yield value
        elif isinstance(group, list):
            yield from _values(group)


def _names(things: Iterable[Any] | None, key: str) -> tuple[str, ...]:
    return tuple(name for thing in things or () if isinstance(name := look(thing, key), str))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
