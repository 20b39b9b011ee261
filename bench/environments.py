"""The environments that targets live in: one each, made from PyPI once.

They rest where those of the tests do (`tests/kit/cache.py`); `A2ACODE_TEST_CACHE` moves them.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.kit.cache import Missing, cached, install

ROOT = Path(__file__).parents[1]
PYTHON = ".".join(map(str, sys.version_info[:2]))
__all__ = ["Missing", "checkout", "environment"]

SOURCES = ("a2acore", "backends", "cli", "spec", "pyproject.toml", "README.md", "LICENSE")
"""What our wheel is made of."""


def environment(name: str, requirements: Sequence[str]) -> Path:
    """The folder of programs of an environment with these packages.

    Raises:
        Missing: they cannot be had.
    """

    def make(folder: Path) -> None:
        install([sys.executable, "-m", "venv", str(folder)])
        if requirements:
            install([str(folder / "bin/python"), "-m", "pip", "install", *requirements])

    key = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:8]
    return cached(f"bench/python{PYTHON}/{name}-{key}", make) / "bin"


@cache
def checkout() -> Path:
    """The same for this checkout, installed as a user installs it; anew when a source has changed.

    Looked at once: a run measures one state of it, whatever is edited meanwhile.

    Raises:
        Missing: it cannot be installed.
    """
    bin = environment("ours", [])
    made, now = bin.parent / "sources.sha256", _digest()
    if not made.exists() or made.read_text() != now:
        install([str(bin / "python"), "-m", "pip", "install", str(ROOT)])
        made.write_text(now)
    return bin


def _digest() -> str:
    """What all sources are, as one number."""
    digest = hashlib.sha256()
    for source in SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
