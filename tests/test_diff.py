"""What becomes of files, as diffs: git itself is asked what it makes of them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from a2acore.backend import FileChange
from a2acore.diff import CELLS, LINES, Files, Outcome, edits, unified

Tree = dict[str, str]
"""The files of a folder, and what they hold."""


def git_apply(folder: Path, patch: str, *options: str) -> None:
    """Have git apply a patch, as it would be in a repository; it has to be content with it."""
    command = ("git", "apply", "--whitespace=nowarn", *options, "-")
    alone = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    # Not the repository that the tests may stand in: git would leave out what lies beside it.
    alone["GIT_CEILING_DIRECTORIES"] = str(folder.parent)
    done = subprocess.run(command, cwd=folder, env=alone, input=patch.encode(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b""), patch


def put(folder: Path, tree: Tree) -> None:
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def tree_of(folder: Path) -> Tree:
    return {
        str(file.relative_to(folder)): file.read_bytes().decode()
        for file in folder.rglob("*")
        if file.is_file()
    }


def applied(before: Tree, diffs: Iterable[str]) -> Tree:
    """What git makes of the files, with all the diffs."""
    with TemporaryDirectory() as name:
        put(Path(name), before)
        if patch := "".join(diffs):
            git_apply(Path(name), patch, "--check")
            git_apply(Path(name), patch)
        return tree_of(Path(name))


def tree(name: str, text: str | None) -> Tree:
    return {} if text is None else {name: text}


LONG = "".join(f"line {number}\n" for number in range(40))
CHANGES: dict[str, tuple[str | None, str | None]] = {
    "modified": ("a\nb\n", "a\nc\n"),
    "modified in two places": (LONG, LONG.replace("line 3\n", "").replace("line 30", "LINE 30")),
    "modified at both ends": (LONG, f"first\n{LONG}last\n"),
    "added": (None, "a\nb\n"),
    "added, empty": (None, ""),
    "deleted": ("a\nb\n", None),
    "deleted, empty": ("", None),
    "filled": ("", "a\n"),
    "emptied": ("a\nb\n", ""),
    "no newline before": ("a", "a\n"),
    "no newline after": ("a\n", "a"),
    "no newline on either side": ("a\nb", "a\nc"),
    "no newline, and changed above": ("a\nb\nc", "x\nb\nc"),
    "added without newline": (None, "a"),
    "deleted without newline": ("a", None),
    "carriage returns": ("a\r\nb\r\n", "a\r\nc\r\n"),
    "carriage returns taken away": ("a\r\nb\r\n", "a\nb\n"),
    "a lone carriage return": ("a\rb\n", "a\rc\n"),
    "other ends of lines": ("a\x0cb\u2028c\x85d\n", "a\x0cb\u2028c\x85e\n"),
    "lines that look like a diff": ("--- a/x\n+++ b/x\n", "@@ -1 +1 @@\n-x\n"),
    "only newlines": ("\n\n", "\n\n\n"),
}
NAMES = [
    "plain.txt",
    "deep/er/file.txt",
    "with space",
    "fo lder/a  b ",
    "ünï/文件.txt",
    'quo"te',
    "back\\slash",
    "tab\there",
    "new\nline",
    "esc\x1b[2K",
    "'single'",
    "-dash",
    "a => b",
]


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_git_takes_a_diff_and_makes_the_file_what_it_became(
    before: str | None, after: str | None
) -> None:
    diff = unified(FileChange("f", before, after))
    assert applied(tree("f", before), [diff]) == tree("f", after)


@pytest.mark.parametrize("name", NAMES, ids=map(ascii, NAMES))
@pytest.mark.parametrize("kind", ["modified", "added", "added, empty", "deleted", "deleted, empty"])
def test_git_takes_a_diff_whatever_the_name_of_the_file(name: str, kind: str) -> None:
    before, after = CHANGES[kind]
    diff = unified(FileChange(name, before, after))
    assert applied(tree(name, before), [diff]) == tree(name, after)


@pytest.mark.parametrize("name", NAMES, ids=map(ascii, NAMES))
@pytest.mark.parametrize(
    ("before", "after"), [("a\nb\n", "a\nb\n"), ("a\nb\n", "a\nc"), ("", ""), ("", "a\n")]
)
def test_git_moves_a_file_whatever_its_names(name: str, before: str, after: str) -> None:
    for old, new in ((name, "new name"), ("old name", name)):
        diff = unified(FileChange(new, before, after, moved_from=old))
        assert applied({old: before}, [diff]) == {new: after}


def test_git_takes_a_diff_of_a_file_outside_the_workspace_where_that_is_the_root(
    tmp_path: Path,
) -> None:
    diff = unified(FileChange("/etc/hosts", "a\n", "b\n"))
    assert applied({"etc/hosts": "a\n"}, [diff]) == {"etc/hosts": "b\n"}


def test_a_name_cannot_pass_for_lines_of_a_diff() -> None:
    diff = unified(FileChange("x\n+++ b/.git/config", "a\n", "b\n"))
    assert [line for line in diff.splitlines() if line.startswith("+++")] == [
        '+++ "b/x\\012+++ b/.git/config"\t'
    ]


def test_a_binary_file_is_only_named() -> None:
    named = unified(FileChange("a.png", None, None, binary=True))
    assert named == "diff --git a/a.png b/a.png\nBinary files a/a.png and b/a.png differ\n"
    moved = unified(FileChange("b.png", None, None, binary=True, moved_from="a.png"))
    assert "rename from a.png\nrename to b.png\nBinary files" in moved


TEXTS = st.none() | st.text(st.sampled_from("ab\n\r \\-+@"), max_size=12)
LONGER = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d\r\n"]), max_size=60).map("".join)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXTS | LONGER, TEXTS | LONGER), min_size=1, max_size=12))
@example([("a\n", "a\n"), ("a", None), (None, "")])
def test_a_diff_that_is_applied_makes_of_any_text_any_other(
    pairs: list[tuple[str | None, str | None]],
) -> None:
    before = {str(n): old for n, (old, _) in enumerate(pairs) if old is not None}
    after = {str(n): new for n, (_, new) in enumerate(pairs) if new is not None}
    diffs = [unified(FileChange(str(n), old, new)) for n, (old, new) in enumerate(pairs)]
    assert applied(before, diffs) == after


# What differs


LINES_OF = st.lists(st.sampled_from("abcdefgh"), max_size=40)


@given(LINES_OF, LINES_OF)
def test_the_edits_make_the_new_lines_of_the_old_and_leave_the_rest(
    old: list[str], new: list[str]
) -> None:
    made: list[str] = []
    at = 0
    for i1, i2, j1, j2 in edits(old, new):
        assert made + old[at:i1] == new[:j1], "what lies between two edits is the same"
        assert (i1, j1) == (0, 0) or at < i1 or not made, "edits do not touch"
        made = new[:j2]
        at = i2
    assert made + old[at:] == new


def test_only_what_has_changed_is_told() -> None:
    many = [f"{number}\n" for number in range(5000)]
    changed = [*many[:1000], "new\n", *many[1000:2000], *many[2003:4000], "other\n", *many[4001:]]
    assert edits(many, changed) == [
        (1000, 1000, 1000, 1001),
        (2000, 2003, 2001, 2001),
        (4000, 4001, 3998, 3999),
    ]
    # Lines that stand twice have to be compared one by one.
    assert edits([*"abab"], [*"axbab"]) == [(1, 1, 1, 2)]


HUGE = {
    "nothing in common": ([f"a{n}\n" for n in range(6000)], [f"b{n}\n" for n in range(6000)]),
    "the same few lines": (["a\n", "b\n", "c\n"] * 2000, ["c\n", "a\n"] * 3000),
    "turned round": ([f"{n}\n" for n in range(40_000)], [f"{n}\n" for n in range(40_000, 0, -1)]),
    "every other line new": (
        [f"{n}\n" for n in range(20_000)],
        [f"{n // 2}\n" if n % 2 else f"new {n % 7}\n" for n in range(40_000)],
    ),
    "more than are lined up": (["a\n"] * LINES, ["b\n", "a\n"] * LINES),
    "as many as are compared": (["a\n", "b\n"] * (CELLS // 1000), ["b\n", "a\n"] * 250),
}


@pytest.mark.parametrize(("old", "new"), HUGE.values(), ids=HUGE)
def test_a_huge_change_holds_nobody_up_and_is_right(old: list[str], new: list[str]) -> None:
    before, after = "".join(old), "".join(new)
    since = time.process_time()
    diff = unified(FileChange("f", before, after))
    assert time.process_time() - since < 2, "a tenth of that, on an idle machine"
    assert applied({"f": before}, [diff]) == {"f": after}


# The account of a turn


def told(*changes: FileChange) -> dict[str, Outcome]:
    """What was told last of each file."""
    files = Files()
    return {outcome.path: outcome for change in changes for outcome in files.take(change)}


def moved(source: str, target: str, before: str | None, after: str | None) -> FileChange:
    return FileChange(target, before, after, moved_from=source)


def test_a_moved_file_has_one_outcome_at_its_new_place() -> None:
    [(path, outcome)] = told(moved("a", "b", "1\n", "1\n")).items()
    assert (path, outcome.fate, outcome.moved_from) == ("b", "moved", "a")
    assert outcome.diff == (
        "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n"
    )


def test_a_file_that_was_changed_and_is_then_moved_is_told_at_its_new_place() -> None:
    now = told(FileChange("a", "1\n", "2\n"), moved("a", "b", "2\n", "3\n"))
    assert (now["a"].fate, now["a"].diff, now["a"].moved_to) == ("moved", "", "b")
    assert now["b"].diff == unified(moved("a", "b", "1\n", "3\n"))


def test_of_a_binary_file_it_is_told_where_it_was() -> None:
    now = told(FileChange("b", None, None, binary=True, moved_from="a"))
    assert [(o.fate, o.moved_from) for o in now.values()] == [("binary", "a")]


def test_a_binary_file_that_is_changed_again_is_told_once() -> None:
    files = Files()
    assert [o.fate for o in files.take(FileChange("a", None, None, binary=True))] == ["binary"]
    assert files.take(FileChange("a", None, None, binary=True)) == []


STEPS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("abcd"), st.sampled_from(["", "1\n", "2\n"])),
    st.tuples(st.just("delete"), st.sampled_from("abcd"), st.just("")),
    st.tuples(st.just("move"), st.sampled_from("abcd"), st.sampled_from("abcd")),
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", "1\n", "2\n3\n"])),
    st.lists(STEPS, max_size=8),
)
@example({"a": "1\n"}, [("move", "a", "b"), ("write", "a", "2\n")])
@example({"a": "1\n"}, [("move", "a", "b"), ("move", "b", "c"), ("delete", "c", "")])
@example({"a": "1\n", "b": "2\n3\n"}, [("move", "a", "b"), ("move", "b", "a")])
@example({"a": "1\n"}, [("write", "a", "2\n"), ("move", "a", "b"), ("move", "b", "a")])
def test_all_outcomes_together_make_the_files_what_they_are(
    before: Tree, steps: list[tuple[str, str, str]]
) -> None:
    now, files = dict(before), Files()
    outcomes: dict[str, Outcome] = {}
    for what, path, more in steps:
        match what:
            case "write":
                change = FileChange(path, now.get(path), more)
                now[path] = more
            case "delete" if path in now:
                change = FileChange(path, now.pop(path), None)
            case "move" if path in now and more not in now:
                change = FileChange(more, now[path], now[path], moved_from=path)
                now[more] = now.pop(path)
            case _:
                continue
        for outcome in files.take(change):
            assert outcome != outcomes.get(outcome.path), "nothing is told twice"
            outcomes[outcome.path] = outcome
    assert applied(before, [outcome.diff for outcome in outcomes.values()]) == now
