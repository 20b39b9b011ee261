"""A report as text, as JSON, or as JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.etree import ElementTree as Xml

from a2acli.conformance.runner import FAILED, HIDDEN, NOT_APPLICABLE, PASSED, Report, Result
from a2acli.plain import one_line

WARNED = "WARN"
"""What is said of a SHOULD that does not hold."""


def label(result: Result) -> str:
    """The verdict, in a word."""
    if result.verdict == FAILED and result.must.should:
        return WARNED
    return result.verdict


def as_text(report: Report) -> str:
    """One line for each statement, those that are not seen on the wire at the end, and a sum."""
    lines = [f"{report.name} at {report.url}", *(f"  {way}: {way.url}" for way in report.ways), ""]
    shown = [result for result in report.results if result.verdict != HIDDEN]
    for result in shown:
        lines.append(f"{label(result):<4}  {result.must.id:<14}  {result.must.text}")
        lines += [f"      {reason}" for reason in result.reasons]
    lines += ["", "not black-box"]
    for result in report.results:
        if result.verdict == HIDDEN:
            lines.append(f"      {result.must.id:<14}  {result.must.text} ({result.must.hidden})")
    lines += ["", summary(report)]
    return "\n".join(one_line(line) for line in lines) + "\n"


def summary(report: Report) -> str:
    return (
        f"{report.count(PASSED)} passed, {len(report.failed(should=False))} MUST failed, "
        f"{len(report.failed(should=True))} SHOULD failed, "
        f"{report.count(NOT_APPLICABLE)} not applicable, {report.count(HIDDEN)} not black-box"
    )


def as_json(report: Report) -> str:
    """One object: what was asked, the sums, and a result for each statement with its findings."""
    said = {
        "url": report.url,
        "agent": report.name,
        "interfaces": [
            {"line": way.line, "binding": way.binding, "url": way.url, "proto": way.proto}
            for way in report.ways
        ],
        "counts": {
            "passed": report.count(PASSED),
            "mustFailed": len(report.failed(should=False)),
            "shouldFailed": len(report.failed(should=True)),
            "notApplicable": report.count(NOT_APPLICABLE),
            "notBlackBox": report.count(HIDDEN),
        },
        "results": [_result(result) for result in report.results],
    }
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def _result(result: Result) -> dict[str, object]:
    must = result.must
    return {
        "id": must.id,
        "section": must.section,
        "text": must.text,
        "verdict": label(result),
        "reasons": result.reasons,
        "findings": [
            {"check": check, "where": where, "verdict": verdict, "reason": reason}
            for verdict, where, check, reason in result.findings
        ],
    }


def as_junit(report: Report, *, strict: bool) -> str:
    """A suite for each line, a case for each statement; a SHOULD fails only when it is `strict`."""
    root = Xml.Element("testsuites", name="a2acode conformance")
    for line in dict.fromkeys(way.line for way in report.ways):
        results = [result for result in report.results if result.must.line == line]
        cases = [_case(result, strict) for result in results]
        suite = Xml.SubElement(
            root,
            "testsuite",
            name=f"A2A {line}",
            tests=str(len(cases)),
            failures=str(sum(case.find("failure") is not None for case in cases)),
            skipped=str(sum(case.find("skipped") is not None for case in cases)),
        )
        suite.extend(cases)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(result: Result, strict: bool) -> Xml.Element:
    must = result.must
    name = f"{must.id} {must.text}"
    case = Xml.Element("testcase", classname=f"a2a.{must.line}", name=name)
    reasons = "\n".join(_reasons(result))
    match label(result):
        case "PASS":
            pass
        case "FAIL":
            Xml.SubElement(case, "failure", message=reasons)
        case "WARN" if strict:
            Xml.SubElement(case, "failure", message=reasons)
        case "WARN":
            Xml.SubElement(case, "system-out").text = f"warning: {reasons}"
        case _:
            Xml.SubElement(case, "skipped", message=reasons)
    return case


def _reasons(result: Result) -> Iterator[str]:
    for reason in result.reasons:
        yield one_line(reason)
