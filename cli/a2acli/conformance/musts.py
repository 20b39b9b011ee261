"""What the specification asks for, by id: the documents under `spec/`, wherever they were put."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from attrs import frozen

NOT_OURS = {
    "C": "binds clients",
    "X": "binds authors of extensions and bindings",
    "T": "binds tools",
}
NOT_ON_THE_WIRE = {"U": "inside the server", "M": "deployment and documentation"}


@frozen
class Must:
    """One statement that binds somebody."""

    id: str
    who: str
    test: str
    section: str
    text: str
    blind: str = ""
    """Why it does not show on the wire, where one might think so."""

    @property
    def line(self) -> str:
        return line_of(self.id)

    @property
    def should(self) -> bool:
        return "-SHOULD-" in self.id

    @property
    def hidden(self) -> str:
        """Why a stranger cannot see whether a server keeps to it; empty when one can."""
        return NOT_OURS.get(self.who) or NOT_ON_THE_WIRE.get(self.test) or self.blind


def line_of(id: str) -> str:
    """The line of the protocol that an id belongs to."""
    return "0.3" if id.startswith("V03-") else "1.0"


def spec() -> Traversable:
    """The folder `spec`: inside the package when that was installed, else beside it."""
    installed = files("a2acli") / "spec"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "spec"


@cache
def musts() -> dict[str, Must]:
    """All of them, in the order of the list."""
    told = tomllib.loads((spec() / "must.toml").read_text("utf-8"))
    return {each["id"]: Must(**each) for each in told["must"]}
