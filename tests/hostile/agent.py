"""An agent that speaks ACP well, until it is told when and how not to.

Whichever process of it starts first after `plan.json` was put into its directory takes that file
away and plays it: a JSON object of moments, each with the steps that are played there, once. Any
other, and whoever has played its plan, is a good agent that says what it was told.

A moment is `start`, `eof` (its input has ended), or the name of a method that it hears: the steps
come before its answer. A step is `["name", argument, ...]`; the methods `step_...` below are what
there is. In what they send, `"$id"` is the id of the request that is being dealt with, `"$prompt"`
that of the last prompt, and `"$session"` the session.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any, NoReturn

GOOD: dict[str, Any] = {
    "initialize": {
        "protocolVersion": 1,
        "agentInfo": {"name": "hostile", "title": "Hostile", "version": "1"},
        "authMethods": [],
    },
    "session/new": {"sessionId": "session"},
    "session/prompt": {"stopReason": "end_turn"},
}


class Answered(Exception):
    """The request has been dealt with by a step."""


class Agent:
    def __init__(self, plan: dict[str, list[Any]]) -> None:
        self.plan = plan
        self.ids: dict[str, Any] = {"$id": None, "$prompt": None, "$session": "session"}
        self.answers: dict[str, Any] = {}
        self.cancelled = False

    # Reading

    def run(self) -> None:
        self.play("start")
        while True:
            self.hear()

    def hear(self) -> None:
        """Take one line of input, and do what has to be done about it."""
        line = sys.stdin.buffer.readline()
        if not line:
            self.play("eof")
            sys.exit(0)
        message = json.loads(line)
        method = message.get("method")
        if method is None:
            self.answers[json.dumps(message["id"])] = message
            return
        self.cancelled = method == "session/cancel" or (
            self.cancelled and method != "session/prompt"
        )
        if "id" in message:
            self.ids["$id"] = message["id"]
        if method == "session/prompt":
            self.ids["$prompt"] = message["id"]
        try:
            played = self.play(method)
            if method == "session/prompt" and not played:
                text = message["params"]["prompt"][0]["text"]
                self.step_say(str(os.getpid()) if text == "pid" else text)
        except Answered:
            return
        if "id" in message:
            self.step_answer_to(message["id"], GOOD.get(method, {}))

    def play(self, moment: str) -> bool:
        steps = self.plan.pop(moment, None)
        for name, *arguments in steps or ():
            getattr(self, "step_" + name)(*arguments)
        return steps is not None

    # Writing

    def write(self, data: bytes, fd: int = 1) -> None:
        while data:
            data = data[os.write(fd, data) :]

    def step_line(self, text: str, end: str = "\n") -> None:
        """A line of text, whatever it is."""
        for name, value in self.ids.items():
            text = text.replace(json.dumps(name), json.dumps(value))
        self.write((text + end).encode())

    def step_bytes(self, text: str, fd: int = 1) -> None:
        """Bytes, given as Latin-1."""
        self.write(text.encode("latin-1"), fd)

    def step_fill(self, text: str, times: int, fd: int = 1) -> None:
        """The same bytes many times over."""
        many = text.encode("latin-1")
        batch = max(1, min(times, 2**20 // len(many)))
        for _ in range(times // batch):
            self.write(many * batch, fd)
        self.write(many * (times % batch), fd)

    def step_forever(self, text: str, fd: int = 1) -> NoReturn:
        while True:
            self.step_fill(text, 2**16 // len(text) + 1, fd)

    def step_beat(self, text: str) -> NoReturn:
        """Say something every now and then, and do not read."""
        while True:
            self.step_say(text)
            time.sleep(0.02)

    def step_send(self, message: Any) -> None:
        self.step_line(json.dumps({"jsonrpc": "2.0", **message}))

    def step_update(self, update: Any, session: Any = "$session") -> None:
        params = {"sessionId": session, "update": update}
        self.step_send({"method": "session/update", "params": params})

    def step_say(self, text: str) -> None:
        content = {"type": "text", "text": text}
        self.step_update({"sessionUpdate": "agent_message_chunk", "content": content})

    def step_numbered(self, times: int, update: Any) -> None:
        """The same update many times, each with a number in the place of `"$n"`."""
        message = {"sessionId": "session", "update": update}
        text = json.dumps({"method": "session/update", "params": message})
        lines = [text.replace("$n", str(n)) for n in range(times)]
        self.write("\n".join([*lines, ""]).encode())

    def step_answer_to(self, id: Any, result: Any) -> None:
        self.step_send({"id": id, "result": result})

    def step_answer(self, result: Any) -> NoReturn:
        self.step_send({"id": "$id", "result": result})
        if isinstance(result, dict):
            self.ids["$session"] = result.get("sessionId", self.ids["$session"])
        raise Answered

    def step_fail(self, error: Any) -> NoReturn:
        self.step_send({"id": "$id", "error": error})
        raise Answered

    def step_mute(self) -> NoReturn:
        """Owe the answer."""
        raise Answered

    # Asking

    def step_ask(self, id: Any, tool: Any, options: Any) -> None:
        params = {"sessionId": "$session", "toolCall": tool, "options": options}
        self.step_send({"id": id, "method": "session/request_permission", "params": params})

    def step_outcome(self, id: Any) -> None:
        """Wait for the answer to what was asked, and say it."""
        answer = self.answer(id)
        if "error" in answer:
            self.step_say(f"[{answer['error']['code']}]")
        else:
            outcome = answer["result"]["outcome"]
            self.step_say(f"[{outcome.get('optionId', outcome['outcome'])}]")

    def step_result(self, id: Any) -> None:
        """Wait for the answer to what was asked, and say it whole."""
        self.step_say(json.dumps(self.answer(id)["result"]))

    def answer(self, id: Any) -> Any:
        while json.dumps(id) not in self.answers:
            self.hear()
        return self.answers.pop(json.dumps(id))

    # Waiting

    def step_await_cancel(self) -> None:
        while not self.cancelled:
            self.hear()

    def step_listen(self) -> NoReturn:
        """Do nothing more, but hear and answer."""
        while True:
            self.hear()

    def step_hang(self) -> NoReturn:
        """Do nothing at all, not even read."""
        while True:
            signal.pause()

    def step_stop(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    # Ending

    def step_exit(self, code: int) -> NoReturn:
        os._exit(code)

    def step_kill(self, number: int) -> None:
        os.kill(os.getpid(), number)

    def step_close(self, *fds: int) -> None:
        for fd in fds:
            os.close(fd)

    def step_ignore(self, number: int) -> None:
        signal.signal(number, signal.SIG_IGN)

    # Others

    def step_spawn(self, steps: list[Any], last: Any = ("hang",)) -> None:
        """A child that plays steps, and then one more for ever, with all that is open here."""
        ready, tell = os.pipe()
        if os.fork() == 0:
            os.close(ready)
            for name, *arguments in steps:
                getattr(self, "step_" + name)(*arguments)
            os.close(tell)
            getattr(self, "step_" + last[0])(*last[1:])
        os.close(tell)
        os.read(ready, 1)  # Nothing comes: it has closed its end, and its steps are played.
        os.close(ready)

    def step_escape(self) -> None:
        """Leave the process group and the session."""
        os.setsid()


def main() -> None:
    try:
        os.rename("plan.json", "plan.taken")
    except FileNotFoundError:
        plan = {}
    else:
        with open("plan.taken") as file:
            plan = json.load(file)
    Agent(plan).run()


if __name__ == "__main__":
    main()
