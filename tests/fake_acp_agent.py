"""A small agent that speaks ACP and does what the prompt tells it to.

A prompt's text is a JSON list of steps, `["name", argument, ...]`; the methods `step_...` below are
what there is. Any other text is echoed. Started by the tests as a real process, with flags that say
what is wrong with it:

    --deaf-start         never answers initialize
    --version N          answers initialize with another protocol version
    --locked PATH        session/new asks for a login until PATH exists
    --caps JSON          its prompt capabilities
    --stubborn           does not end when its input does, nor on SIGTERM
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

OPTIONS = [
    {"optionId": "always", "name": "Always", "kind": "allow_always"},
    {"optionId": "once", "name": "Once", "kind": "allow_once"},
    {"optionId": "no", "name": "No", "kind": "reject_once"},
]


def request(id: int, method: str, params: Any) -> Any:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


class Ended(Exception):
    """The prompt ends here, with this answer."""


class Agent:
    def __init__(self, flags: argparse.Namespace) -> None:
        self.flags = flags
        self.writing = threading.Lock()
        self.answers: dict[Any, queue.Queue[Any]] = {}
        self.cancelled = threading.Event()
        self.heard: list[str] = []
        self.asked = 0
        self.prompts = 0
        self.session = f"session-{os.getpid()}"
        self.prompt: list[Any] = []
        self.afterwards: list[Any] = []
        self.late: list[int] = []

    def send(self, *messages: Any) -> None:
        """Send messages, so that they arrive together."""
        self.write("\n".join(json.dumps(message) for message in messages))

    def write(self, line: str) -> None:
        with self.writing:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def told(self, update: Any) -> Any:
        params = {"sessionId": self.session, "update": update}
        return {"jsonrpc": "2.0", "method": "session/update", "params": params}

    def update(self, update: Any) -> None:
        self.send(self.told(update))

    def say(self, text: str, message_id: str = "m") -> None:
        content = {"type": "text", "text": text}
        chunk = {"sessionUpdate": "agent_message_chunk", "content": content}
        self.update({**chunk, "messageId": message_id})

    def next_id(self) -> int:
        self.asked += 1
        self.answers[self.asked] = queue.Queue()
        return self.asked

    def request(self, method: str, params: Any) -> int:
        id = self.next_id()
        self.send(request(id, method, params))
        return id

    # What a prompt may tell it to do

    def step_say(self, text: str, message_id: str = "m") -> None:
        self.say(text, message_id)

    def step_update(self, update: Any) -> None:
        self.update(update)

    def step_afterwards(self, update: Any) -> None:
        """An update behind the answer."""
        self.afterwards.append(self.told(update))

    def step_ask(self, tool: Any, options: Any = None) -> None:
        """Ask for a permission and say which option it was."""
        self.say(self.outcome(self.permission(tool, options)))

    def step_ask_twice(self, first: Any, second: Any) -> None:
        ids = [self.permission(first), self.permission(second)]
        self.say(",".join(self.outcome(id) for id in ids))

    def step_withdraw(self, tool: Any) -> None:
        """Ask, and no longer want to know."""
        id = self.permission(tool)
        params = {"requestId": id}
        self.send({"jsonrpc": "2.0", "method": "$/cancel_request", "params": params})
        self.say(self.outcome(id))

    def step_ask_afterwards(self, tool: Any) -> None:
        """Ask when the prompt has ended."""
        id = self.next_id()
        self.late.append(id)
        self.afterwards.append(request(id, "session/request_permission", self.asking(tool)))

    def step_recall(self) -> None:
        """Say what was answered then."""
        self.say(self.outcome(self.late.pop()))

    def step_call(self, method: str, params: Any) -> None:
        self.say(json.dumps(self.answers[self.request(method, params)].get()))

    def step_raw(self, line: str) -> None:
        self.write(line)

    def step_huge(self, size: int) -> None:
        self.say("x" * size)

    def step_write(self, path: str, text: str) -> None:
        Path(path).write_text(text)

    def step_delete(self, path: str) -> None:
        Path(path).unlink()

    def step_stderr(self, text: str, times: int = 1) -> None:
        sys.stderr.write(text * times + "\n")
        sys.stderr.flush()

    def step_who(self) -> None:
        who = {"pid": os.getpid(), "prompts": self.prompts, "cwd": str(Path.cwd())}
        self.say(json.dumps(who))

    def step_prompt(self) -> None:
        self.say(json.dumps(self.prompt[1:]))

    def step_heard(self) -> None:
        self.say(json.dumps(self.heard))

    def step_hang(self) -> None:
        """Wait to be cancelled."""
        self.cancelled.wait()
        raise Ended({"result": {"stopReason": "cancelled"}})

    def step_linger(self, path: str, text: str) -> None:
        """Take no notice of a cancellation until there is a file."""
        self.until(path)
        self.say(text)
        raise Ended({"result": {"stopReason": "cancelled"}})

    def step_until(self, path: str) -> None:
        self.until(path)

    def step_spawn(self) -> None:
        """Leave a child behind that holds our output open."""
        self.say(str(subprocess.Popen(["sleep", "1000"]).pid))

    def step_exit(self, code: int) -> None:
        os._exit(code)

    def step_kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def step_close_output(self) -> None:
        with self.writing:
            os.close(1)
            threading.Event().wait()

    def step_end(self, reason: str, usage: Any = None, meta: Any = None) -> None:
        raise Ended({"result": {"stopReason": reason, "usage": usage, "_meta": meta}})

    def step_fail(self, code: int, message: str, data: Any = None) -> None:
        raise Ended({"error": {"code": code, "message": message, "data": data}})

    def step_fail_unless(self, path: str, code: int) -> None:
        if not Path(path).exists():
            self.step_fail(code, "Authentication required")

    def asking(self, tool: Any, options: Any = None) -> Any:
        return {"sessionId": self.session, "toolCall": tool, "options": options or OPTIONS}

    def permission(self, tool: Any, options: Any = None) -> int:
        return self.request("session/request_permission", self.asking(tool, options))

    def outcome(self, id: int) -> str:
        outcome = self.answers[id].get()["result"]["outcome"]
        return str(outcome.get("optionId", outcome["outcome"]))

    def until(self, path: str) -> None:
        while not Path(path).exists():
            time.sleep(0.01)

    # What a client may want of it

    def work(self, id: Any, prompt: list[Any]) -> None:
        self.prompts += 1
        self.prompt = prompt
        try:
            steps = json.loads(prompt[0]["text"])
        except (ValueError, KeyError):
            steps = [["say", prompt[0].get("text", "")]]
        answer: Any = {"result": {"stopReason": "end_turn"}}
        try:
            for name, *arguments in steps:
                getattr(self, "step_" + name)(*arguments)
        except Ended as end:
            answer = end.args[0]
        afterwards, self.afterwards = self.afterwards, []
        self.send({"jsonrpc": "2.0", "id": id, **answer}, *afterwards)

    def answer(self, id: Any, method: str, params: Any) -> Any:
        if method == "initialize":
            if self.flags.deaf_start:
                return None
            capabilities = {"promptCapabilities": json.loads(self.flags.caps)}
            return {
                "result": {
                    "protocolVersion": self.flags.version,
                    "agentCapabilities": capabilities,
                    "agentInfo": {"name": "fake", "title": "Fake Agent", "version": "1.2"},
                    "authMethods": [{"id": "card", "name": "Membership card"}],
                }
            }
        if method == "session/new":
            if self.flags.locked and not Path(self.flags.locked).exists():
                return {"error": {"code": -32000, "message": "Authentication required"}}
            option = {"id": "model", "name": "Model", "category": "model", "currentValue": "big"}
            return {"result": {"sessionId": self.session, "configOptions": [option]}}
        if method == "session/prompt":
            self.cancelled.clear()
            threading.Thread(target=self.work, args=(id, params["prompt"]), daemon=True).start()
            return None
        return {"error": {"code": -32601, "message": "Method not found"}}

    def run(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "method" not in message:
                self.answers[message["id"]].put(message)
                continue
            self.heard.append(message["method"])
            if "id" in message:
                answer = self.answer(message["id"], message["method"], message.get("params"))
                if answer is not None:
                    self.send({"jsonrpc": "2.0", "id": message["id"], **answer})
            elif message["method"] == "session/cancel":
                self.cancelled.set()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deaf-start", action="store_true")
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--locked")
    parser.add_argument("--caps", default="{}")
    parser.add_argument("--stubborn", action="store_true")
    flags = parser.parse_args()
    if flags.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Agent(flags).run()
    while flags.stubborn:
        signal.pause()


if __name__ == "__main__":
    main()
