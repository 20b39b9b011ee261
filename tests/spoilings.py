"""Everything that is spoiled, and the statement that does not hold any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import uuid4

from tests.spoiled import Asked, Said, Spoil

TOKEN = "the-token-of-the-tests"

RPC, REST = "JSONRPC", "HTTP+JSON"
SET_PUSH = "CreateTaskPushNotificationConfig"
GET_PUSH = "GetTaskPushNotificationConfig"
DELETE_PUSH = "DeleteTaskPushNotificationConfig"


# What can be spoiled


def said(change: Callable[[Said], object]) -> dict[str, Spoil]:
    """Spoil what is said."""

    def spoil(each: Said) -> None:
        change(each)

    return {"say": spoil}


def asked(change: Callable[[Asked], object]) -> dict[str, Spoil]:
    """Spoil what is asked."""

    def spoil(each: Asked) -> None:
        change(each)

    return {"ask": spoil}


def put(where: Any, **members: Any) -> bool:
    """Set members of an object, if it is one, and tell whether it is; `...` takes one away."""
    if not isinstance(where, dict):
        return False
    for member, value in members.items():
        where.pop(member, None)
        if value is not ...:
            where[member] = value
    return True


def each_one(has: str, **members: Any) -> dict[str, Spoil]:
    """Set members of every object that has some member."""

    def change(answer: Said) -> None:
        for each in answer.all:
            if has in each:
                put(each, **members)

    return said(change)


def in_task(**members: Any) -> dict[str, Spoil]:
    """Set members of every task."""
    return said(lambda answer: [put(task, **members) for task in answer.tasks])


def in_error(**members: Any) -> dict[str, Spoil]:
    return said(lambda answer: put(answer.error, **members))


def in_answer(**members: Any) -> dict[str, Spoil]:
    """Set members of every whole JSON-RPC response or event."""
    return said(lambda answer: put(answer.document, **members))


def in_card(**members: Any) -> dict[str, Spoil]:
    return said(lambda answer: is_card(answer) and put(answer.document, **members))


def is_card(answer: Said) -> bool:
    return answer.asked.path.endswith("agent-card.json")


def header(name: str, value: str, *, only: str = "") -> dict[str, Spoil]:
    """Set a header of every answer, or of those to what has `only` in its name."""

    def change(answer: Said) -> None:
        if only in answer.asked.what:
            answer.headers[name] = value

    return said(change)


def result_of(method: str, change: Callable[[Any], object]) -> dict[str, Spoil]:
    """Change what a method returns."""

    def spoil(answer: Said) -> None:
        if answer.asked.what == method and isinstance(answer.inside, dict):
            change(answer.inside)

    return {"say": spoil}


def sent_task(**members: Any) -> dict[str, Spoil]:
    """Set members of the task that a send is answered with."""
    return result_of("SendMessage", lambda it: put(it.get("task"), **members))


def answer_to(what: str, **members: Any) -> dict[str, Spoil]:
    """Set members of the JSON-RPC responses to methods with such a name."""
    return said(lambda it: what in it.asked.what and put(it.document, **members))


def empty_artifacts(page: Any) -> None:
    for task in page["tasks"]:
        task["artifacts"] = []


def event(number: int, change: Callable[[Said], object], of: str = "Stream") -> dict[str, Spoil]:
    """Change one event of every stream of a method."""

    def spoil(answer: Said) -> None:
        if answer.number == number and of in answer.asked.what:
            change(answer)

    return {"say": spoil}


def events(change: Callable[[Said], object], of: str = "") -> dict[str, Spoil]:
    """Change every event of a stream."""
    return said(lambda answer: answer.number and of in answer.asked.what and change(answer))


def silence(answer: Said) -> None:
    answer.silent = True


def hang(answer: Said) -> None:
    answer.hangs = True


def status(number: int, instead: int) -> dict[str, Spoil]:
    def change(answer: Said) -> None:
        if answer.status == number and not is_card(answer):
            answer.status = instead

    return said(change)


def html(answer: Said) -> None:
    if answer.status >= 400:
        answer.text = "<h1>Something went wrong</h1>"
        answer.headers["content-type"] = "text/html"


def done_instead(answer: Said) -> None:
    """Success where the answer was an error."""
    if answer.error:
        put(answer.document, error=..., result={"id": "t", "status": {"state": "x"}})


def let_in(question: Asked) -> None:
    question.headers["authorization"] = f"Bearer {TOKEN}"


def any_version(question: Asked) -> None:
    question.headers["a2a-version"] = "1.0"


def no_patch(question: Asked) -> None:
    if question.headers.get("a2a-version", "").count(".") > 1:
        question.headers["a2a-version"] = "9.9"


def anything_goes(question: Asked) -> None:
    """A server that takes params of any form: it makes good ones of them."""
    if question.what == "SendMessage":
        good = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
        question.document["params"] = {"message": good}


def params(method: str, **members: Any) -> dict[str, Spoil]:
    """Set members of the params of a method: what the server does not heed."""

    def change(question: Asked) -> None:
        if question.what == method:
            put(question.document.get("params"), **members)

    return asked(change)


def configured(**members: Any) -> dict[str, Spoil]:
    """Set members of the configuration of every send."""

    def change(question: Asked) -> None:
        if question.what == "SendMessage" and "params" in question.document:
            put(question.document["params"].get("configuration"), **members)

    return asked(change)


def renamed(method: str, instead: str) -> dict[str, Spoil]:
    def change(question: Asked) -> None:
        if question.what == method:
            question.document["method"] = instead

    return asked(change)


def zoned(answer: Said) -> None:
    for each in answer.all:
        if "timestamp" in each:
            each["timestamp"] = each["timestamp"].replace("Z", "+00:00")


def without_time(answer: Said) -> None:
    for each in answer.all:
        if "timestamp" in each:
            each["timestamp"] = each["timestamp"].split(".")[0] + "Z"


def lower_states(answer: Said) -> None:
    for each in answer.all:
        if "state" in each:
            each["state"] = each["state"].removeprefix("TASK_STATE_").lower()


def result_beside_error(answer: Said) -> None:
    if answer.error:
        put(answer.document, result={})


def always_another_context(answer: Said) -> None:
    for task in answer.tasks:
        task["contextId"] = uuid4().hex


def nothing_before_the_end(answer: Said) -> None:
    states = [each["state"] for each in answer.all if "state" in each]
    if answer.number and states != ["TASK_STATE_COMPLETED"]:
        answer.silent = True


def other_context(answer: Said) -> None:
    for each in answer.all:
        if each.get("contextId") == "a-context-of-the-caller":
            each["contextId"] = "another"


def twice_the_history(answer: Said) -> None:
    for task in answer.tasks:
        task["history"] = task.get("history", []) * 3


def still_working(answer: Said) -> None:
    if answer.asked.what == "SendMessage":
        for task in answer.tasks:
            task["status"]["state"] = "TASK_STATE_WORKING"


def no_artifact_news(answer: Said) -> None:
    if answer.number and "artifactUpdate" in (answer.inside or {}):
        answer.silent = True


def subscriber_hears_less(answer: Said) -> None:
    if answer.number == 3 and answer.asked.what == "SubscribeToTask":
        answer.silent = True


def no_details(answer: Said) -> None:
    put(answer.error, details=...)


def untyped_details(answer: Said) -> None:
    for each in (answer.error or {}).get("data") or ():
        put(each, **{"@type": ...})


def told_apart(answer: Said) -> None:
    """Strangers hear whether there is such a task."""
    if answer.status == 401 and "00000000-" in json.dumps(answer.asked.document):
        answer.text = "there is no such task"


def no_challenge(answer: Said) -> None:
    answer.headers.pop("www-authenticate", None)


def not_found_is_401(answer: Said) -> None:
    answer.status = 200 if answer.status == 401 else answer.status


def moved(answer: Said) -> None:
    """The card leads to where nothing is."""
    if is_card(answer):
        for each in answer.document["supportedInterfaces"]:
            each["url"] += "/elsewhere"


def without_rest(answer: Said) -> None:
    """The card does not name HTTP+JSON, which is there."""
    if is_card(answer):
        both = answer.document["supportedInterfaces"]
        answer.document["supportedInterfaces"] = [
            each for each in both if each["protocolBinding"] == RPC
        ]


def patched(answer: Said) -> None:
    if is_card(answer):
        for each in answer.document["supportedInterfaces"]:
            each["protocolVersion"] += ".0"


def capability(name: str, value: bool) -> dict[str, Spoil]:
    def change(answer: Said) -> None:
        if is_card(answer):
            answer.document["capabilities"][name] = value

    return said(change)


def required_extension(answer: Said) -> None:
    if is_card(answer):
        answer.document["capabilities"]["extensions"][0]["required"] = True


def one_config(answer: Said) -> None:
    if answer.asked.what == "ListTaskPushNotificationConfigs" and answer.inside:
        answer.inside["configs"] = answer.inside["configs"][:1]


def wrapped_task(answer: Said) -> None:
    if answer.asked.what == "GetTask" and answer.inside:
        answer.document["result"] = {"task": answer.inside}


def not_final(answer: Said) -> None:
    if answer.number and answer.inside.get("kind") == "status-update":
        answer.inside["final"] = False


def always_final(answer: Said) -> None:
    if answer.number and answer.inside.get("kind") == "status-update":
        answer.inside["final"] = True


def no_final(answer: Said) -> None:
    if answer.number:
        put(answer.inside, final=...)


def no_kinds(answer: Said) -> None:
    for each in answer.all:
        if each.get("kind") == "text":
            del each["kind"]


def other_kind(answer: Said) -> None:
    for task in answer.tasks:
        task["kind"] = "Task"


def null_id(answer: Said) -> None:
    if answer.error and answer.error.get("code") in (-32700, -32600):
        put(answer.document, id=...)


def two_events(answer: Said) -> None:
    if answer.number and "statusUpdate" in (answer.inside or {}):
        update = answer.inside["statusUpdate"]
        answer.inside["artifactUpdate"] = {
            "taskId": update["taskId"],
            "contextId": update["contextId"],
            "artifact": {"artifactId": "a", "parts": [{"text": "x"}]},
        }


def echo(answer: Said) -> None:
    """Says that whatever was asked for is active."""
    answer.headers["a2a-extensions"] = answer.asked.headers.get("a2a-extensions", "")


def always_active(answer: Said) -> None:
    if "a2a-extensions" in answer.asked.headers:
        uri = answer.asked.headers["a2a-extensions"].removesuffix("/v99")
        answer.headers["a2a-extensions"] = uri


def no_verbs(question: Asked) -> None:
    question.path = question.path.replace(":cancel", "")


def any_json_rpc(question: Asked) -> None:
    put(question.document, jsonrpc="2.0")


# What is

Case: TypeAlias = tuple[str, str, str, dict[str, Spoil]]
"""The id that has to fail, the line and the binding where it is played, and what is wrong there."""

WRONG: list[Case] = [
    # The envelope
    ("V10-MUST-101", "1.0", RPC, in_answer(id="another")),
    ("V03-MUST-019", "0.3", RPC, in_answer(id="1")),
    ("V03-MUST-020", "0.3", RPC, in_answer(jsonrpc="1.0")),
    ("V03-MUST-020", "0.3", RPC, in_answer(jsonrpc=...)),
    ("V03-MUST-021", "0.3", RPC, said(null_id)),
    ("V03-MUST-022", "0.3", RPC, said(result_beside_error)),
    ("V03-MUST-023", "0.3", RPC, in_error(code="-32001")),
    ("V03-MUST-023", "0.3", RPC, in_error(message=...)),
    ("V03-MUST-013", "0.3", RPC, header("content-type", "text/plain")),
    ("V03-MUST-012", "0.3", RPC, in_answer(jsonrpc=...)),
    ("V03-MUST-014", "0.3", RPC, renamed("tasks/get", "tasks/fetch")),
    ("V03-MUST-016", "0.3", RPC, status(200, 500)),
    ("V03-MUST-017", "0.3", RPC, asked(any_json_rpc)),
    ("V03-MUST-040", "0.3", RPC, events(lambda it: put(it.document, id=2))),
    ("V03-MUST-084", "0.3", RPC, in_error(code=-32000)),
    ("V10-MUST-010", "1.0", RPC, events(lambda it: put(it.document, id=2))),
    # Errors
    ("V10-MUST-065", "1.0", RPC, in_error(message=7)),
    ("V10-MUST-065", "1.0", REST, in_error(code=1)),
    ("V10-MUST-023", "1.0", RPC, in_error(code=-32603)),
    ("V10-MUST-005", "1.0", RPC, in_error(code=-32602)),
    ("V10-MUST-004", "1.0", RPC, in_error(code=-32602)),
    ("V10-MUST-033", "1.0", RPC, in_error(code=-32002)),
    ("V10-MUST-032", "1.0", RPC, said(done_instead)),
    ("V10-MUST-018", "1.0", RPC, in_error(code=-32004)),
    ("V10-MUST-017", "1.0", RPC, in_error(code=-32602)),
    ("V10-MUST-066", "1.0", RPC, said(untyped_details)),
    ("V10-MUST-068", "1.0", RPC, in_error(code=-31000)),
    ("V10-MUST-068", "1.0", REST, status(404, 409)),
    ("V10-MUST-069", "1.0", RPC, in_error(code=-1)),
    ("V10-MUST-070", "1.0", REST, said(no_details)),
    ("V10-MUST-023", "1.0", REST, said(html)),
    ("V03-MUST-030", "0.3", REST, said(html)),
    ("V03-MUST-027", "0.3", REST, status(404, 200)),
    ("V03-MUST-052", "0.3", RPC, in_error(code=-32603)),
    ("V03-MUST-049", "0.3", RPC, said(done_instead)),
    ("V03-MUST-050", "0.3", RPC, said(done_instead)),
    ("V03-SHOULD-031", "0.3", RPC, in_error(code=-32000)),
    ("V10-SHOULD-030", "1.0", RPC, in_error(message="no", data=...)),
    ("V10-SHOULD-031", "1.0", RPC, in_error(message="no", data=...)),
    ("V10-SHOULD-035", "1.0", RPC, in_error(data=...)),
    ("V10-MUST-064", "1.0", RPC, in_error(code=-32603)),
    # Sends
    ("V10-MUST-003", "1.0", RPC, each_one("task", message={})),
    ("V10-MUST-007", "1.0", RPC, said(still_working)),
    ("V10-MUST-008", "1.0", RPC, sent_task(artifacts=[])),
    ("V10-MUST-009", "1.0", RPC, in_task(id="")),
    ("V10-MUST-078", "1.0", RPC, in_task(contextId=...)),
    ("V10-MUST-079", "1.0", RPC, said(other_context)),
    ("V10-MUST-080", "1.0", RPC, sent_task(id="one")),
    ("V10-MUST-081", "1.0", RPC, in_task(id="")),
    ("V10-MUST-083", "1.0", RPC, said(always_another_context)),
    ("V10-MUST-085", "1.0", RPC, each_one("messageId", contextId=...)),
    ("V10-SHOULD-045", "1.0", RPC, in_task(artifacts=[])),
    ("V03-MUST-051", "0.3", RPC, in_task(contextId=...)),
    ("V03-MUST-053", "0.3", RPC, renamed("message/send", "message/post")),
    ("V03-MUST-054", "0.3", RPC, in_task(id="one")),
    ("V03-MUST-055", "0.3", RPC, renamed("tasks/cancel", "tasks/get")),
    # Streams
    ("V10-MUST-010", "1.0", RPC, header("content-type", "application/json", only="Stream")),
    ("V10-MUST-012", "1.0", RPC, event(1, silence)),
    ("V10-MUST-013", "1.0", RPC, events(hang, "Stream")),
    ("V10-MUST-014", "1.0", RPC, said(nothing_before_the_end)),
    ("V10-MUST-015", "1.0", RPC, event(1, silence, "Subscribe")),
    ("V10-MUST-016", "1.0", RPC, events(hang, "Subscribe")),
    ("V10-MUST-019", "1.0", RPC, said(no_artifact_news)),
    ("V10-MUST-020", "1.0", RPC, said(subscriber_hears_less)),
    ("V10-MUST-021", "1.0", REST, events(lambda it: put(it.document, x=it.number), ":subscribe")),
    ("V10-SHOULD-006", "1.0", RPC, events(hang, "Stream")),
    ("V03-MUST-039", "0.3", RPC, header("content-type", "text/plain", only="stream")),
    ("V03-MUST-041", "0.3", RPC, renamed("message/stream", "message/send")),
    ("V03-MUST-042", "0.3", RPC, said(not_final)),
    ("V03-MUST-042", "0.3", RPC, said(always_final)),
    ("V03-MUST-042", "0.3", RPC, said(no_final)),
    ("V03-MUST-043", "0.3", RPC, event(1, silence, "stream")),
    ("V03-MUST-031", "0.3", REST, header("content-type", "text/plain", only=":stream")),
    # Tasks and lists
    ("V10-MUST-034", "1.0", RPC, said(twice_the_history)),
    ("V10-SHOULD-007", "1.0", RPC, in_task(history=[])),
    ("V10-MUST-024", "1.0", RPC, params("ListTasks", contextId=...)),
    ("V10-MUST-025", "1.0", RPC, params("ListTasks", pageToken=...)),
    ("V10-MUST-026", "1.0", RPC, result_of("ListTasks", lambda it: it["tasks"].reverse())),
    ("V10-MUST-027", "1.0", RPC, result_of("ListTasks", lambda it: put(it, nextPageToken=...))),
    ("V10-MUST-028", "1.0", RPC, result_of("ListTasks", empty_artifacts)),
    ("V10-MUST-029", "1.0", RPC, result_of("ListTasks", lambda it: put(it, totalSize=...))),
    ("V10-MUST-030", "1.0", RPC, params("ListTasks", pageSize=...)),
    ("V10-MUST-031", "1.0", RPC, params("ListTasks", statusTimestampAfter=...)),
    ("V10-SHOULD-008", "1.0", RPC, params("ListTasks", includeArtifacts=...)),
    ("V10-MUST-063", "1.0", RPC, params("ListTasks", status=...)),
    ("V10-MUST-103", "1.0", REST, in_task(history=[{}, {}])),
    ("V10-MUST-118", "1.0", RPC, each_one("state", message=...)),
    # Forms
    ("V10-MUST-002", "1.0", RPC, in_task(final=True)),
    ("V10-MUST-002", "1.0", RPC, in_task(metadata=[])),
    ("V10-SHOULD-003", "1.0", RPC, in_task(kind="task")),
    ("V10-MUST-088", "1.0", RPC, in_task(context_id="c")),
    ("V10-MUST-089", "1.0", RPC, said(lower_states)),
    ("V10-MUST-091", "1.0", RPC, said(zoned)),
    ("V10-SHOULD-046", "1.0", RPC, said(without_time)),
    ("V10-MUST-093", "1.0", RPC, each_one("artifactId", artifactId=...)),
    ("V10-MUST-094", "1.0", RPC, each_one("parts", parts=[])),
    ("V10-MUST-095", "1.0", RPC, each_one("text", data=1)),
    ("V10-MUST-101", "1.0", RPC, in_error(code=-32000)),
    ("V03-MUST-044", "0.3", RPC, in_task(contextId=...)),
    ("V03-MUST-044", "0.3", RPC, each_one("state", state="done")),
    ("V03-MUST-045", "0.3", RPC, said(no_kinds)),
    ("V03-MUST-047", "0.3", RPC, said(other_kind)),
    ("V03-MUST-028", "0.3", REST, in_task(id="another")),
    # HTTP+JSON
    ("V10-MUST-096", "1.0", REST, status(200, 201)),
    ("V03-MUST-029", "0.3", REST, status(200, 201)),
    ("V03-MUST-025", "0.3", REST, asked(no_verbs)),
    ("V03-MUST-026", "0.3", REST, header("content-type", "text/json")),
    ("V03-MUST-024", "0.3", REST, status(405, 200)),
    ("V10-SHOULD-050", "1.0", REST, header("content-type", "application/json")),
    # Versions and extensions
    ("V10-MUST-051", "1.0", RPC, in_task(kind="task")),
    ("V10-MUST-052", "1.0", RPC, asked(any_version)),
    ("V10-MUST-053", "1.0", RPC, asked(any_version)),
    ("V10-MUST-054", "1.0", RPC, asked(no_patch)),
    ("V10-SHOULD-023", "1.0", RPC, said(patched)),
    ("V10-SHOULD-099", "1.0", RPC, said(echo)),
    ("V10-SHOULD-100", "1.0", RPC, said(lambda it: it.headers.pop("a2a-extensions", None))),
    ("V10-SHOULD-024", "1.0", RPC, said(lambda it: it.headers.pop("a2a-extensions", None))),
    ("V10-MUST-158", "1.0", RPC, said(always_active)),
    ("V10-MUST-077", "1.0", RPC, said(required_extension)),
    # The card
    ("V10-MUST-123", "1.0", RPC, in_card(name=...)),
    ("V10-MUST-130", "1.0", RPC, in_card(skills={})),
    ("V03-MUST-061", "0.3", RPC, in_card(capabilities=[])),
    ("V03-MUST-064", "0.3", RPC, in_card(preferredTransport=...)),
    ("V03-MUST-065", "0.3", RPC, in_card(url="http://127.0.0.1:1/")),
    ("V10-MUST-125", "1.0", RPC, said(moved)),
    ("V10-MUST-100", "1.0", RPC, said(without_rest)),
    ("V10-SHOULD-070", "1.0", RPC, said(lambda it: it.headers.pop("cache-control", None))),
    ("V10-SHOULD-071", "1.0", RPC, said(lambda it: it.headers.pop("etag", None))),
    # Capabilities
    ("V10-MUST-073", "1.0", RPC, capability("pushNotifications", False)),
    ("V10-MUST-074", "1.0", RPC, capability("streaming", False)),
    # Documents
    ("V10-MUST-153", "1.0", RPC, asked(anything_goes)),
    ("V10-SHOULD-047", "1.0", RPC, asked(anything_goes)),
    ("V03-MUST-076", "0.3", RPC, said(done_instead)),
    # Push
    ("V10-MUST-035", "1.0", RPC, renamed(SET_PUSH, "NoSuchMethod")),
    ("V10-MUST-037", "1.0", RPC, result_of(GET_PUSH, lambda it: put(it, url=""))),
    ("V10-MUST-038", "1.0", RPC, renamed(DELETE_PUSH, GET_PUSH)),
    ("V10-MUST-039", "1.0", RPC, said(one_config)),
    ("V10-MUST-040", "1.0", RPC, renamed(DELETE_PUSH, GET_PUSH)),
    ("V10-MUST-041", "1.0", RPC, renamed(DELETE_PUSH, "NoSuchMethod")),
    ("V10-MUST-042", "1.0", RPC, params(SET_PUSH, authentication=...)),
    ("V10-MUST-043", "1.0", RPC, configured(taskPushNotificationConfig=...)),
    ("V03-MUST-058", "0.3", RPC, answer_to("/delete", result=...)),
    ("V03-MUST-057", "0.3", RPC, answer_to("/list", result=[])),
]  # fmt: skip

GUARDED_WRONG: list[Case] = [
    ("V10-MUST-115", "1.0", RPC, asked(let_in)),
    ("V10-MUST-060", "1.0", REST, asked(let_in)),
    ("V10-MUST-062", "1.0", RPC, said(told_apart)),
    ("V10-MUST-147", "1.0", RPC, asked(let_in)),
    ("V10-MUST-024", "1.0", RPC, asked(let_in)),
    ("V10-MUST-160", "1.0", RPC, asked(let_in)),
    ("V10-SHOULD-028", "1.0", RPC, said(no_challenge)),
    ("V10-SHOULD-036", "1.0", RPC, said(not_found_is_401)),
    ("V03-MUST-073", "0.3", REST, asked(let_in)),
    ("V03-SHOULD-020", "0.3", RPC, said(no_challenge)),
    ("V10-MUST-142", "1.0", RPC, asked(let_in)),
]
