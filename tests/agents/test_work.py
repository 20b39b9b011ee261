"""What real agents show of their work, and what they are shown."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from a2acore.client import Client
from a2acore.model import Part, TaskState
from tests.caller import allow
from tests.kit.agents import AGENTS, edit_prompt
from tests.kit.workshop import Workshop

pytestmark = pytest.mark.agents


async def test_an_edit_arrives_as_a_diff_that_git_takes(
    workshop: Workshop, client: Client, tmp_path: Path
) -> None:
    note = workshop.real.workspace / "note.txt"
    note.write_text("OLD\n")
    clean = shutil.copytree(workshop.real.workspace, tmp_path / "clean")
    heard = await workshop.tell(client, edit_prompt(note), allow)
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert note.read_text() == "NEW\n"
    apply(heard.diffs()["note.txt"], clean)
    assert (clean / "note.txt").read_text() == "NEW\n"


async def test_a_new_file_arrives_as_a_diff_that_git_takes(
    workshop: Workshop, client: Client, tmp_path: Path
) -> None:
    new = workshop.real.workspace / "new.txt"
    clean = shutil.copytree(workshop.real.workspace, tmp_path / "clean")
    heard = await workshop.tell(client, f"WRITE:{new}", allow)
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert new.read_text() == "hello fake\n"
    apply(heard.diffs()["new.txt"], clean)
    assert (clean / "new.txt").read_text() == "hello fake\n"


def apply(diff: str, tree: Path) -> None:
    for how in (["--check"], []):
        subprocess.run(["git", "apply", *how], cwd=tree, input=diff.encode(), check=True)


PLANNING = [name for name, agent in AGENTS.items() if agent.plans]


@pytest.mark.parametrize("workshop", PLANNING, indirect=True)
async def test_a_plan_is_an_artifact(workshop: Workshop, client: Client) -> None:
    heard = await workshop.tell(client, "PLAN")
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert heard.text("plan") == "- [>] one\n- [ ] two"


async def test_what_it_thinks_is_told_apart_from_what_it_says(
    workshop: Workshop, client: Client
) -> None:
    heard = await workshop.tell(client, "THINK\nSAY:So be it.")
    assert "Let me think about it step by step." in heard.text("thinking")
    assert heard.text() == "So be it."


# What the caller sends along

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""The smallest picture, a PNG."""


async def test_an_image_is_shown_to_the_model(workshop: Workshop, client: Client) -> None:
    image = Part(raw=PIXEL, media_type="image/png", filename="pixel.png")
    heard = await workshop.tell(client, "SAY:I see it", attached=(image,))
    assert heard.text() == "I see it"
    assert "saved" not in heard.notices()
    asked = workshop.model.asked("SAY:I see it")
    assert base64.b64encode(PIXEL).decode() in json.dumps(asked.body)


async def test_a_sound_is_played_to_the_model_or_saved_for_it(
    workshop: Workshop, client: Client
) -> None:
    wave = b"RIFF\x26\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
    sound = Part(raw=wave, media_type="audio/wav", filename="click.wav")
    heard = await workshop.tell(client, "SAY:I hear it", attached=(sound,))
    assert heard.text() == "I hear it"
    asked = workshop.model.asked("SAY:I hear it")
    if workshop.real.agent.takes_sound:
        assert base64.b64encode(wave).decode() in json.dumps(asked.body)
        assert "saved" not in heard.notices()
    else:
        [saved] = [notice for notice in heard.said("notice") if notice["notice"] == "saved"]
        assert (workshop.real.workspace / saved["path"]).read_bytes() == wave
        assert saved["path"] in asked.text
