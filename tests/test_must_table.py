"""What A2A asks of us, and what proves it: nothing is forgotten, and nothing is made up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from a2acli.conformance.musts import musts
from a2acli.conformance.registry import CHECKS
from tests.must_table import DOCUMENT, document, excuses, ids_in, proofs, reasons

UNPROVABLE = {
    # gRPC is not offered
    "V03-MUST-032",
    "V03-MUST-033",
    "V03-MUST-034",
    "V03-MUST-035",
    "V03-MUST-036",
    "V03-MUST-038",
    "V10-MUST-057",
    "V10-MUST-071",
    # streams are always declared
    "V10-MUST-074",
}
"""What binds servers on the wire and is not proved: what it is about is not there."""


def test_every_statement_is_on_the_list() -> None:
    counted = Counter((must.line, must.should) for must in musts().values())
    assert counted == {
        ("0.3", False): 90,
        ("0.3", True): 33,
        ("1.0", False): 161,
        ("1.0", True): 101,
    }


def test_every_statement_has_a_proof_or_a_reason_and_none_has_both() -> None:
    assert musts().keys() - proofs().keys() - excuses().keys() == set()
    assert proofs().keys() & excuses().keys() == set()


def test_every_id_that_is_named_is_on_the_list() -> None:
    assert proofs().keys() | excuses().keys() <= musts().keys()


def test_a_statement_has_one_reason() -> None:
    told = Counter(id for reason in reasons() for id in reason.ids)
    assert {id for id, times in told.items() if times > 1} == set()


def test_every_reason_is_said_of_something_that_there_is() -> None:
    known = {check.name for check in CHECKS}
    for reason in reasons():
        assert reason.ids or reason.checks, reason.why
        assert set(reason.checks) <= known, reason.why


def test_what_binds_servers_on_the_wire_is_proved() -> None:
    binding = {
        must.id
        for must in musts().values()
        if must.who in "SB" and must.test == "A" and not must.should
    }
    assert binding - proofs().keys() == UNPROVABLE


def test_the_page_is_what_the_command_makes() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run: python -m tests.must_table"


def test_ids_are_read_alone_and_in_rows_over_lines_and_comments() -> None:
    text = "V10-MUST-003, (V03-SHOULD-001). V10-MUST-007 to\n    # V10-MUST-009; V10-MUST-1"
    assert ids_in(text) == [
        "V10-MUST-003",
        "V03-SHOULD-001",
        "V10-MUST-007",
        "V10-MUST-008",
        "V10-MUST-009",
    ]


def test_what_the_specification_folder_holds_of_reasons_names_documents_that_there_are() -> None:
    root = Path(__file__).parents[1]
    for reason in reasons():
        for word in reason.why.replace(",", " ").replace(")", " ").replace("(", " ").split():
            if word.startswith(("docs/", "tests/")):
                assert (root / word.rstrip(".;")).exists(), word
