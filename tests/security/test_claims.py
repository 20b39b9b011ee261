"""What docs/security.md claims is tested where it says, and the list of attacks is whole."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tests.security as attacks

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "security.md").read_text()
CLAIM = re.compile(
    r"^\| (?P<claim>[^|]+) \| `(?P<module>\w+)` `(?P<test>test_\w+)` \|$", re.MULTILINE
)


def names_in(module: str) -> set[str]:
    """The names of the tests in a module."""
    tree = ast.parse((HERE / f"test_{module}.py").read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {each.name for each in tree.body if isinstance(each, kinds) and each.name[:5] == "test_"}


def test_every_claim_names_a_test_that_there_is() -> None:
    claims = list(CLAIM.finditer(PAGE))
    assert claims
    for claim in claims:
        assert claim["test"] in names_in(claim["module"]), claim["claim"]


def test_every_row_below_the_claims_is_a_claim() -> None:
    section = PAGE.partition("## Claims")[2].partition("## What is not")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    bodies = [row for row in rows if not row.startswith(("| Claim ", "| --- "))]
    assert len(bodies) == len(list(CLAIM.finditer(section)))


def test_no_claim_is_made_twice() -> None:
    claims = [(claim["module"], claim["test"]) for claim in CLAIM.finditer(PAGE)]
    assert len(set(claims)) == len(claims)


def test_every_module_of_attacks_is_in_the_list() -> None:
    named = set(re.findall(r"^    (\w+)  ", attacks.__doc__ or "", re.MULTILINE))
    assert named == {path.stem.removeprefix("test_") for path in HERE.glob("test_*.py")}
    assert named - {"claims"} == {claim["module"] for claim in CLAIM.finditer(PAGE)}
