"""An agent that asks its client for things, and says what it was answered.

A prompt's text is a JSON list of steps, `["name", argument, ...]`; the methods `step_...` below are
what there is. What is asked bears the session's id, and `"$terminal"` stands for the terminal that
was made last. Its own name is the first argument it is started with.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import Any

SESSION = "the-session"


class Agent:
    def __init__(self, name: str) -> None:
        self.name = name
        self.writing = threading.Lock()
        self.answers: dict[int, queue.Queue[Any]] = {}
        self.open: list[int] = []
        self.count = 0
        self.terminal = ""
        self.capabilities: Any = None
        self.cancelled = threading.Event()

    def send(self, *messages: Any) -> None:
        """Send messages, so that they arrive together."""
        lines = [json.dumps({"jsonrpc": "2.0", **message}) for message in messages]
        with self.writing:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()

    def update(self, update: Any) -> None:
        self.send({"method": "session/update", "params": {"sessionId": SESSION, "update": update}})

    def say(self, value: Any) -> None:
        text = {"type": "text", "text": json.dumps(value) + "\n"}
        self.update({"sessionUpdate": "agent_message_chunk", "content": text, "messageId": "m"})

    def ask(self, method: str, params: Any) -> int:
        self.count += 1
        self.answers[self.count] = queue.Queue()
        text = json.dumps(params).replace("$terminal", self.terminal)
        params = {"sessionId": SESSION, **json.loads(text)}
        self.send({"id": self.count, "method": method, "params": params})
        return self.count

    def hear(self, id: int) -> Any:
        answer = self.answers[id].get()
        said = answer.get("result", answer.get("error"))
        self.terminal = (answer.get("result") or {}).get("terminalId", self.terminal)
        return said

    # What a prompt may tell it to do

    def step_call(self, method: str, params: Any) -> None:
        """Ask, and say the result or the error."""
        self.say(self.hear(self.ask(method, params)))

    def step_begin(self, method: str, params: Any) -> None:
        """Ask, and go on."""
        self.open.append(self.ask(method, params))

    def step_end(self) -> None:
        """Say what was answered to all that was begun, in that order."""
        asked, self.open = self.open, []
        for id in asked:
            self.say(self.hear(id))

    def step_withdraw(self) -> None:
        """No longer want to know what was asked last."""
        self.send({"method": "$/cancel_request", "params": {"requestId": self.count}})

    def step_page(self, id: str) -> None:
        """Have a page shown, and say in the same breath that all is done there."""
        self.count += 1
        self.answers[self.count] = queue.Queue()
        page = {"sessionId": SESSION, "message": "?", "mode": "url", "url": "https://a.example"}
        asked = {"id": self.count, "method": "elicitation/create"}
        done = {"method": "elicitation/complete", "params": {"elicitationId": id}}
        self.send({**asked, "params": {**page, "elicitationId": id}}, done)
        self.say(self.hear(self.count))

    def step_notify(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def step_update(self, update: Any) -> None:
        self.update(update)

    def step_capabilities(self) -> None:
        self.say(self.capabilities)

    def step_raw(self, message: Any) -> None:
        """Send a message as it is; what is answered to it can be heard with `hear`."""
        if "id" in message:
            self.answers.setdefault(message["id"], queue.Queue())
        self.send(message)

    def step_hear(self, id: int) -> None:
        """Say what was answered under an id."""
        self.say(self.hear(id))

    def step_read(self, path: str) -> None:
        """Say the first line of a file; of a pipe, when somebody writes it."""
        with open(path) as file:
            self.say(file.readline().strip())

    def step_until(self, method: str, text: str) -> None:
        """Ask again and again, until the answer holds a text."""
        while text not in json.dumps(self.hear(self.ask(method, {"terminalId": "$terminal"}))):
            pass

    def step_exit(self) -> None:
        os._exit(1)

    def step_hang(self) -> None:
        self.cancelled.wait()

    def work(self, id: Any, prompt: list[Any]) -> None:
        for name, *arguments in json.loads(prompt[0]["text"]):
            getattr(self, "step_" + name)(*arguments)
        reason = "cancelled" if self.cancelled.is_set() else "end_turn"
        self.send({"id": id, "result": {"stopReason": reason}})

    def answer(self, method: str, params: Any) -> Any:
        if method == "initialize":
            self.capabilities = params["clientCapabilities"]
            return {"protocolVersion": 1, "agentInfo": {"name": self.name}}
        return {"sessionId": SESSION}

    def run(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            method, params = message.get("method"), message.get("params")
            if method is None:
                self.answers[message["id"]].put(message)
            elif method == "session/prompt":
                self.cancelled.clear()
                work = (message["id"], params["prompt"])
                threading.Thread(target=self.work, args=work, daemon=True).start()
            elif method == "session/cancel":
                self.cancelled.set()
            else:
                self.send({"id": message["id"], "result": self.answer(method, params)})


if __name__ == "__main__":
    Agent((*sys.argv[1:], "gate")[0]).run()
