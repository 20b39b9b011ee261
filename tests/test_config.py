"""Settings from a file, the environment and flags, and the command that shows them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from a2acli.serve import command as serve
from a2acore.limits import NAMES
from tests.test_cli import a2acode, serving

FILE = """
backend = "echo"
port = 9200
allow-host = ["agent.example.com", "${NAME:-other.example.com}"]
card_default = "1.0"
lenient-version = true
model = "${MODEL}"
grace = 2

[limits]
tasks = 5
streams = 6
"""


def written(folder: Path, text: str, name: str = "serve.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def shown(*args: str, **environment: str) -> dict[str, tuple[str, str]]:
    """What `config show` prints: the origin and the value of each setting."""
    done = a2acode("config", "show", *args, **environment)
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        name, origin, value = re.split(r" {2,}", f"{line}  ", maxsplit=2)
        found[name] = (origin, value.strip())
    return found


def test_a_flag_goes_before_the_environment_and_the_environment_before_the_file(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, FILE)
    said = shown(
        f"--config={file}",
        "--port=1",
        "--limit=tasks=7",
        MODEL="m",
        A2ACODE_CARD_DEFAULT="0.3",
        A2ACODE_PORT="2",
        A2ACODE_LIMIT="tasks=8 contexts=9",
    )
    assert said["port"] == ("flag", "1")
    assert said["card-default"] == ("environment", "0.3")
    assert said["backend"] == ("file", "echo")
    assert said["lenient-version"] == ("file", "true")
    assert said["allow-host"] == ("file", "agent.example.com, other.example.com")
    assert said["model"] == ("file", "m")
    assert said["grace"] == ("file", "2.0")
    assert said["host"] == ("default", "127.0.0.1")
    # Limits count one by one.
    assert said["limits.tasks"] == ("flag", "7")
    assert said["limits.contexts"] == ("environment", "9")
    assert said["limits.streams"] == ("file", "6")
    assert said["limits.parts"] == ("default", "100")
    assert said["depth of JSON"] == ("fixed", "100")


def test_every_setting_is_shown() -> None:
    said = shown()
    flags = {each.opts[0].removeprefix("--") for each in serve.params} - {"limit"}
    assert flags | {f"limits.{name}" for name in NAMES} <= said.keys()
    assert {origin for origin, _ in said.values()} == {"default", "fixed"}


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    said = shown(A2ACODE_CONFIG=written(tmp_path, "port = 9200"))
    assert said["port"] == ("file", "9200")


def test_a_file_may_be_json(tmp_path: Path) -> None:
    text = json.dumps({"port": 9200, "buffered": True, "limits": {"tasks": 5}})
    said = shown(f"--config={written(tmp_path, text, 'serve.json')}")
    assert [said[name][1] for name in ("port", "buffered", "limits.tasks")] == ["9200", "true", "5"]


WRONG = """
hsot = "x"
allow-host = "x"
card-default = "2.0"
buffered = 1
model = "${NOT_SET}"
port = true
grace = "s3cret"
agent = "${"
host = ["a"]
card_default = "1.0"

[limits]
tasks = 5
taskes = 6
streams = -1
parts = "many"
"""
PROBLEMS = {
    2: "hsot is no setting; did you mean host?",
    3: "allow-host must be a list",
    4: "card-default is not as it should be: it is not one of 'merged', '1.0', '0.3'",
    5: "buffered must be true or false",
    6: "model needs the environment variable NOT_SET, which is not set",
    7: "port must be a number",
    8: "grace is not as it should be: it is not a valid float range",
    9: "agent has a `${` that does not begin ${NAME} or ${NAME:-default}",
    10: "host must be a text",
    11: "card_default is set twice",
    15: "limits.taskes is no limit; did you mean tasks?",
    16: "limits.streams must be a whole number, 0 for no limit",
    17: "limits.parts must be a whole number, 0 for no limit",
}


@pytest.mark.parametrize("command", [["config", "check"], ["serve", "--config"]])
def test_all_problems_are_told_at_once_with_their_places_and_without_values(
    command: list[str], tmp_path: Path
) -> None:
    file = written(tmp_path, WRONG)
    done = a2acode(*command, file)
    assert done.returncode == 2
    *problems, last = done.stderr.splitlines()
    assert problems == [f"a2acode: {file}:{line}: {what}" for line, what in PROBLEMS.items()]
    assert last.startswith(f"a2acode: nothing is done before {file} is mended")
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    ("text", "name", "complaint"),
    [
        ("port = ", "a.toml", "Invalid value"),
        ("{", "a.json", "Expecting"),
        ("[1]", "a.json", "must be an object"),
        ("port = 1\nport = 2", "a.toml", "Cannot overwrite"),
        ("limits = 5", "a.toml", "limits must be a table"),
    ],
)
def test_what_is_no_such_file_is_refused(
    text: str, name: str, complaint: str, tmp_path: Path
) -> None:
    done = a2acode("config", "check", written(tmp_path, text, name))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    done = a2acode("serve", "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "cannot read" in line


def test_a_check_goes_as_far_as_serving_would_without_serving(tmp_path: Path) -> None:
    good = a2acode("config", "check", written(tmp_path, FILE), MODEL="m")
    assert (good.returncode, good.stderr) == (0, "")
    bad = a2acode("config", "check", written(tmp_path, 'backend = "echo"\nhost = "0.0.0.0"'))
    assert bad.returncode == 2
    assert "everybody who reaches 0.0.0.0 could run the agent" in bad.stderr


def test_no_secret_is_shown(tmp_path: Path) -> None:
    text = 'public-url = "https://me:pass-word@example.com"\nagent-command = "a --key ${MY_KEY}"'
    file = written(tmp_path, text)
    done = a2acode("config", "show", "--config", file, MY_KEY="s3cret-value")
    assert "s3cret-value" not in done.stdout
    assert "pass-word" not in done.stdout
    assert "https://***@example.com" in done.stdout
    assert "a --key ***" in done.stdout


def test_what_a_file_sets_is_served(tmp_path: Path) -> None:
    file = written(tmp_path, "[limits]\ntasks = 1")
    with serving("--config", file) as (url, _):
        long = a2acode("call", "sudo", "--url", url)  # waits for an answer, and so has not ended
        again = a2acode("call", "hello", "--url", url)
    assert long.returncode == 3
    assert again.returncode == 1
    assert "1 tasks that have not ended already" in again.stderr


def test_the_doctor_reads_the_same_file(tmp_path: Path) -> None:
    file = written(
        tmp_path, 'backend = "echo"\nport = 0\ncard-default = "1.0"\n[limits]\ntasks = 1'
    )
    done = a2acode("doctor", "--config", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_limit_is_refused() -> None:
    done = a2acode("config", "show", "--limit", "taskes=5")
    assert done.returncode == 2
    assert "taskes is no limit; did you mean tasks?" in done.stderr


def test_the_document_lists_no_setting_that_is_not_there() -> None:
    text = (Path(__file__).parent.parent / "docs/config.md").read_text()
    known = {each.opts[0].removeprefix("--") for each in serve.params}
    [example] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    keys = set(re.findall(r"^([\w-]+) =", example.partition("[limits]")[0], re.MULTILINE))
    assert keys <= known
