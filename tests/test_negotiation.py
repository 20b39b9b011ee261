"""Which line a request speaks, to be read with a finger beside A2A 1.0.1 section 3.6."""

from __future__ import annotations

import pytest

from a2acore import negotiation
from a2acore.errors import A2AError, MethodNotFound, VersionNotSupported
from a2acore.negotiation import Form, OtherVerb
from a2acore.wire import v03, v10
from a2acore.wire.dialect import Operation

DECLARED = [
    # V10-MUST-053: an empty or missing version is no declaration (and then means 0.3).
    ({}, {}, None),
    ({"a2a-version": ""}, {}, None),
    ({"a2a-version": "  "}, {"A2A-Version": ""}, None),
    ({"a2a-version": "1.0"}, {}, "1.0"),
    ({"a2a-version": " 0.3 "}, {}, "0.3"),
    # V10-MUST-054: patch numbers do not count.
    ({"a2a-version": "1.0.1"}, {}, "1.0"),
    ({"a2a-version": "0.3.0"}, {}, "0.3"),
    # The query does as well, but the header counts first.
    ({}, {"A2A-Version": "1.0"}, "1.0"),
    ({"a2a-version": ""}, {"A2A-Version": "1.0"}, "1.0"),
    ({"a2a-version": "0.3"}, {"A2A-Version": "1.0"}, "0.3"),
    # V10-MUST-050: Major.Minor; anything else is no version.
    ({"a2a-version": "1"}, {}, "1"),
    ({"a2a-version": "v1.0"}, {}, "v1.0"),
    ({"a2a-version": "1.0-beta"}, {}, "1.0-beta"),
    ({"a2a-version": "1.0, 1.0"}, {}, "1.0, 1.0"),
    ({"a2a-version": "١.٠"}, {}, "١.٠"),
]


@pytest.mark.parametrize(("headers", "query", "version"), DECLARED)
def test_a_version_is_declared_in_the_header_or_the_query(
    headers: dict[str, str], query: dict[str, str], version: str | None
) -> None:
    assert negotiation.declared(headers, query) == version


N, V = MethodNotFound, VersionNotSupported
OTHERS = ["0.2", "1.1", "2.0", "1", "v1.0", "10.0", "nonsense"]

# declared, then: SendMessage, message/send, neither; lenient: SendMessage, message/send, neither
JSON_RPC = [
    ("1.0", ["1.0", N, N], ["1.0", N, N]),
    ("0.3", [V, "0.3", N], [V, "0.3", N]),
    (None, [V, "0.3", N], ["1.0", "0.3", N]),
    *[(other, [V, V, V], [V, V, V]) for other in OTHERS],
]
METHODS = ["SendMessage", "message/send", "tasks/list"]


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(("declared", "strict", "lenient_"), JSON_RPC)
def test_the_line_of_a_json_rpc_request(
    declared: str | None,
    strict: list[str | type[A2AError]],
    lenient_: list[str | type[A2AError]],
    lenient: bool,
) -> None:
    # V10-MUST-051, V10-MUST-052, V10-MUST-053.
    for method, outcome in zip(METHODS, lenient_ if lenient else strict, strict=True):
        if isinstance(outcome, str):
            call = negotiation.json_rpc(declared, method, lenient=lenient)
            assert call == (outcome, Operation.SEND)
        else:
            with pytest.raises(outcome):
                negotiation.json_rpc(declared, method, lenient=lenient)


# declared, then: path of 1.0, path of 0.3, no path; the same when lenient
HTTP_JSON = [
    ("1.0", ["1.0", V, N], ["1.0", V, N]),
    ("0.3", [V, "0.3", N], ["1.0", "0.3", N]),
    (None, [V, "0.3", N], ["1.0", "0.3", N]),
    *[(other, [V, V, V], [V, V, V]) for other in OTHERS],
]
PATHS = ["/message:send", "/v1/message:send", "/favicon.ico"]


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(("declared", "strict", "lenient_"), HTTP_JSON)
def test_the_line_of_an_http_json_request(
    declared: str | None,
    strict: list[str | type[A2AError]],
    lenient_: list[str | type[A2AError]],
    lenient: bool,
) -> None:
    for path, outcome in zip(PATHS, lenient_ if lenient else strict, strict=True):
        if isinstance(outcome, str):
            request = negotiation.http_json(declared, "POST", path, lenient=lenient)
            assert (request.line, request.route.operation) == (outcome, Operation.SEND)
        else:
            with pytest.raises(outcome):
                negotiation.http_json(declared, "POST", path, lenient=lenient)


def test_no_method_belongs_to_both_lines() -> None:
    assert v03.METHODS.keys().isdisjoint(v10.METHODS)


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/", "/v1", "/", "/tasks/", "//tasks", ""])
def test_a_path_that_neither_line_has_is_not_found(path: str) -> None:
    with pytest.raises(MethodNotFound) as caught:
        negotiation.http_json("1.0", "GET", path)
    assert not isinstance(caught.value, OtherVerb)
    assert caught.value.status == 404


def test_v1_is_no_tenant() -> None:
    with pytest.raises(VersionNotSupported):
        negotiation.http_json("1.0", "GET", "/v1/tasks")
    assert negotiation.http_json("1.0", "GET", "/v2/tasks").route.path == {"tenant": "v2"}


def test_another_verb_is_told_the_verbs_that_are_possible() -> None:
    with pytest.raises(OtherVerb) as caught:
        negotiation.http_json("1.0", "PUT", "/tasks/t/pushNotificationConfigs")
    assert caught.value.verbs == {"GET", "POST"}
    assert caught.value.status == caught.value.status_03 == 405
    with pytest.raises(OtherVerb):
        negotiation.http_json(None, "GET", "/v1/message:send")


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.parametrize(
    ("declared", "path"), [("1.0", "/tasks/t:subscribe"), (None, "/v1/tasks/t:subscribe")]
)
def test_subscribing_has_two_verbs(verb: str, declared: str | None, path: str) -> None:
    route = negotiation.http_json(declared, verb, path).route
    assert (route.operation, dict(route.path)) == (Operation.SUBSCRIBE, {"id": "t"})


@pytest.mark.parametrize(
    ("declared", "requested"),
    [("2.0", "2.0"), (None, "0.3"), ("0.3", "0.3"), ("x" * 500, "x" * 80)],
)
def test_a_refusal_names_the_versions(declared: str | None, requested: str) -> None:
    with pytest.raises(VersionNotSupported) as caught:
        negotiation.json_rpc(declared, "SendMessage")
    assert caught.value.metadata == {"requestedVersion": requested, "supportedVersions": "1.0,0.3"}
    assert "1.0" in caught.value.message


def test_who_forgot_the_header_is_told_to_send_it() -> None:
    with pytest.raises(VersionNotSupported, match=r"send A2A-Version: 1\.0"):
        negotiation.json_rpc(None, "SendMessage")
    with pytest.raises(VersionNotSupported, match=r"send A2A-Version: 0\.3"):
        negotiation.http_json("1.0", "POST", "/v1/message:send")


@pytest.mark.parametrize("default", ["merged", "1.0", "0.3"])
def test_the_card_comes_in_the_declared_form(default: Form) -> None:
    assert negotiation.card_form("1.0", default) == "1.0"
    assert negotiation.card_form("0.3", default) == "0.3"
    assert negotiation.card_form(None, default) == default
    assert negotiation.card_form("7.5", default) == default
