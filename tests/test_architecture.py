"""The drawing of the house, as assertions. "How it is built" in the README is its twin.

An import goes sideways or down, never up; each floor has its libraries; only `a2acore.wire` spells
the names of the wire. The files are read, not run, so what is imported late or for the type checker
alone counts too.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from a2acore import model

ROOT = Path(__file__).parent.parent
PACKAGES = {"a2acore": "a2acore", "a2abackends": "backends/a2abackends", "a2acli": "cli/a2acli"}

FLOORS = {
    "pure": (
        "lifecycle model errors negotiation wire jsonrpc sse signing "
        # What a backend may say, translated: told the time, never waiting.
        "work diff plain held pause asking forms "
        # The same in the forms of other servers.
        "compat "
        # What a message has to be like to be taken.
        "intake "
        # What is decided without the caller. It asks the disk where links lead, and nothing else.
        "policy "
        # How much is taken on, told the time; and what is not told to anybody.
        "limits redaction "
        # Which hosts are this machine; what new things are called.
        "loopback ids "
        # Who may come in, as a file says it; and how such files are read.
        "credentials tables "
        # The port stands at the door of the runtime floor; its words have to be known below it.
        # It holds plain values and protocols, and waits for nothing.
        "backend"
    ),
    "runtime": (
        "service listing supervisor run ledger questions decisions clock audit journal store push"
    ),
    "edge": (
        "http middleware client server serve cards "
        # ASGI's words, its answers below any protocol, and the connection code beneath `serve`.
        "asgi refusal lifespan front listener tls"
    ),
}
HEIGHT = {room: height for height, rooms in enumerate(FLOORS.values()) for room in rooms.split()}

PURE = {"msgspec", "attrs", "jwcrypto"}
LIBRARIES = {"pure": PURE, "runtime": PURE | {"trio"}, "edge": PURE | {"trio"}}
"""What each floor may import; and, below, what a room of the edge may import beyond that."""
LIBRARIES_OF_ROOM = {
    "client": {"httpx"},
    # For the keys of issuers.
    "middleware": {"httpx"},
    "forms": {"jsonschema"},
    # httpx for nothing but the authorities that it trusts.
    "push": {"httpcore", "httpx"},
    "front": {"hypercorn", "h11"},
}
BACKENDS_MAY_IMPORT = {
    "a2acore.backend",
    "a2acore.model",
    "a2acore.errors",
    "a2acore.jsonrpc",
    # What agents say on stderr is told to callers: there is one place that knows what must not be.
    "a2acore.redaction",
}
LIBRARIES_OF_BACKENDS = {"trio", "attrs", "msgspec"}
LIBRARIES_OF_COMMAND = {"trio", "attrs", "msgspec", "click", "rich"}
SECOND_READING = "a2acli.conformance"
"""Judges any server by the specification, ours too: it must not lean on how we read and write."""


def modules() -> dict[str, ast.Module]:
    """Every module of the product by its dotted name, parsed."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in (ROOT / folder).rglob("*.py"):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join((package, *(part for part in parts if part != "__init__")))
            found[name] = ast.parse(file.read_text(), str(file))
    return found


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """What a module imports: modules of ours by their whole name, others by their distribution."""
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} imports relative to itself"
            base = node.module or ""
            inner = {f"{base}.{alias.name}" for alias in node.names}
            if base in MODULES and inner <= MODULES.keys():
                yield from inner
            else:
                yield base
                yield from inner & MODULES.keys()


def foreign(name: str) -> set[str]:
    """The libraries that a module imports."""
    tops = {imported.partition(".")[0] for imported in imports(name)}
    return tops - sys.stdlib_module_names - PACKAGES.keys() - {"__future__"}


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def floor(name: str) -> str:
    """The floor of a module; the strictest, until somebody says where it stands."""
    return list(FLOORS)[height(name)]


def height(name: str) -> int:
    return HEIGHT.get(room(name), 0)


CORE = sorted(name for name in MODULES if name.startswith("a2acore."))
BACKENDS = sorted(name for name in MODULES if name.startswith("a2abackends"))
COMMAND = sorted(name for name in MODULES if name.startswith("a2acli"))


def test_every_room_of_the_core_has_its_floor() -> None:
    homeless = {name for name in CORE if room(name) not in HEIGHT}
    assert not homeless, f"on which floor does it stand? add it to FLOORS: {sorted(homeless)}"


@pytest.mark.parametrize("name", CORE)
def test_an_import_goes_sideways_or_down(name: str) -> None:
    ours = {imported for imported in imports(name) if imported.startswith("a2acore.")}
    up = {imported for imported in ours if height(imported) > height(name)}
    assert not up


@pytest.mark.parametrize("name", CORE)
def test_a_room_imports_only_the_libraries_of_its_floor(name: str) -> None:
    allowed = LIBRARIES[floor(name)] | LIBRARIES_OF_ROOM.get(room(name), set())
    assert foreign(name) <= allowed


@pytest.mark.parametrize("name", CORE)
def test_the_core_knows_no_agent_and_no_command_line(name: str) -> None:
    tops = {imported.partition(".")[0] for imported in imports(name)}
    assert not tops & {"a2abackends", "a2acli", "argparse", "getpass"}
    assert "a2acore" not in set(imports(name)), "import the room, not the front door"


@pytest.mark.parametrize("name", [name for name in CORE if floor(name) == "pure"])
def test_the_pure_floor_waits_for_nothing_and_reads_no_clock(name: str) -> None:
    waits = [
        node.lineno
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith)
    ]
    assert not waits
    assert not {"time", "random", "socket", "threading", "asyncio"} & set(imports(name))
    clocks = {
        ast.unparse(node.func)
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Call)
        and re.search(r"\b(now|utcnow|today)$", ast.unparse(node.func))
    }
    assert not clocks


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_sees_only_the_port(name: str) -> None:
    ours = {imported for imported in imports(name) if imported.startswith("a2acore")}
    assert ours <= BACKENDS_MAY_IMPORT
    assert "a2acli" not in {imported.partition(".")[0] for imported in imports(name)}
    assert foreign(name) <= LIBRARIES_OF_BACKENDS


@pytest.mark.parametrize("name", COMMAND)
def test_the_command_imports_only_its_libraries(name: str) -> None:
    more = {"httpx", "h11"} if name.startswith(SECOND_READING) else set()
    assert foreign(name) <= LIBRARIES_OF_COMMAND | more


@pytest.mark.parametrize("name", [name for name in COMMAND if name.startswith(SECOND_READING)])
def test_who_judges_servers_does_not_look_through_our_own_eyes(name: str) -> None:
    ours = {room(imported) for imported in imports(name) if imported.startswith("a2acore.")}
    assert not ours & {"wire", "model", "jsonrpc", "negotiation"}


def test_no_room_needs_itself_to_be_imported_first() -> None:
    within = {
        name: {
            imported
            for imported in imports(name)
            # Its own package, which does no more than re-export it.
            if imported in MODULES and not name.startswith(f"{imported}.")
        }
        for name in MODULES
    }
    TopologicalSorter(within).prepare()  # raises CycleError, with the circle


# The names of the wire

METHODS = {
    "message/send",
    "message/stream",
    "tasks/get",
    "tasks/list",
    "tasks/cancel",
    "tasks/resubscribe",
    "tasks/pushNotificationConfig/set",
    "tasks/pushNotificationConfig/get",
    "tasks/pushNotificationConfig/list",
    "tasks/pushNotificationConfig/delete",
    "agent/getAuthenticatedExtendedCard",
    "SendMessage",
    "SendStreamingMessage",
    "GetTask",
    "ListTasks",
    "CancelTask",
    "SubscribeToTask",
    "CreateTaskPushNotificationConfig",
    "GetTaskPushNotificationConfig",
    "ListTaskPushNotificationConfigs",
    "DeleteTaskPushNotificationConfig",
    "GetExtendedAgentCard",
}
MEMBERS = {
    member
    for noun in vars(model).values()
    if isinstance(noun, type) and issubclass(noun, msgspec.Struct)
    for member in noun.__struct_encode_fields__
    if re.search("[A-Z]", member)
} | {"mimeType", "fileWithBytes", "fileWithUri", "messageId", "preferredTransport"}
WORD = re.compile(r"TASK_STATE_\w*|ROLE_[A-Z]+|[a-zA-Z]+(?:/[a-zA-Z]+)*")

SPELLED = {
    # Violations and hints name a member as the caller has to spell it; both lines spell it so.
    "a2acore.service": [
        "referenceTaskIds",
        "contextId",
        "historyLength",
        "pageSize",
        "pageToken",
        "taskId",
    ],
    "a2acore.intake": ["referenceTaskIds"],
    "a2acore.listing": ["pageSize", "pageToken"],
    "a2acore.questions": ["taskId"],
    # A word of that sideband's own.
    "a2acore.compat.trace": ["mimeType"],
    # The words of the command's own `--json` output and of its hints.
    "a2acli": MEMBERS,
}
"""Where a name of the wire may stand outside of it, and why."""


def texts(tree: ast.Module) -> Iterator[str]:
    """The string literals of a module, without its docstrings."""
    plain = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in plain:
            if isinstance(node.value, str):
                yield node.value
            elif isinstance(node.value, bytes):
                yield node.value.decode("latin-1")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in MODULES
        if not name.startswith(("a2acore.wire", "a2acore.model", SECOND_READING))
    ],
)
def test_only_the_wire_spells_the_names_of_the_wire(name: str) -> None:
    spelled = {word for text in texts(MODULES[name]) for word in WORD.findall(text)}
    states = {word for word in spelled if word.startswith(("TASK_STATE_", "ROLE_"))}
    found = spelled & METHODS | states
    if name not in BACKENDS:  # they speak other protocols, whose members may be called the same
        found |= spelled & MEMBERS
    allowed = SPELLED.get(name, SPELLED.get(name.partition(".")[0], []))
    assert found <= set(allowed)


# The doors

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_name_at_the_front_door_is_what_its_room_calls_so() -> None:
    """Also after the rooms were imported, which makes each of them an attribute of the package."""
    door = import_module("a2acore")
    rooms = {
        alias.name: import_module(node.module)
        for node in ast.walk(MODULES["a2acore"])
        if isinstance(node, ast.ImportFrom) and node.module and room(node.module) in HEIGHT
        for alias in node.names
    }
    assert door.__all__ == sorted(rooms)
    assert {name: getattr(door, name) for name in rooms} == {
        name: getattr(room, name) for name, room in rooms.items()
    }
    with pytest.raises(AttributeError, match="no_such_name"):
        door.no_such_name  # noqa: B018


def test_who_only_calls_an_agent_loads_no_server() -> None:
    look = "import sys, a2acore; a2acore.open_client; print(*sys.modules)"
    done = subprocess.run((sys.executable, "-c", look), capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "httpx" in loaded
    assert not loaded & {"quart", "quart_trio", "hypercorn", "a2abackends", "a2acli"}


def test_our_backends_come_through_the_door_of_everybody() -> None:
    points = PROJECT["project"]["entry-points"]
    assert list(points) == ["a2acore.backends"]
    homes = {value.partition(":")[0] for value in points["a2acore.backends"].values()}
    assert homes <= set(BACKENDS)


def test_the_wheel_holds_three_packages_and_the_fixtures_and_nothing_else() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": list(PACKAGES.values()), "force-include": {"spec": "a2acli/spec"}}


def test_no_sdk_of_a2a_is_among_the_requirements() -> None:
    names = {
        re.split(r"[^A-Za-z0-9-]", requirement)[0].lower()
        for group in (
            PROJECT["project"]["dependencies"],
            *PROJECT["project"]["optional-dependencies"].values(),
        )
        for requirement in group
    }
    assert not {name for name in names if name.startswith("a2a")} - {"a2acore"}


def test_every_library_that_is_imported_is_required() -> None:
    required = {
        re.split(r"[^A-Za-z0-9-]", requirement)[0].replace("-", "_")
        for requirement in PROJECT["project"]["dependencies"]
    }
    imported = {library for name in MODULES for library in foreign(name)}
    assert imported <= required
