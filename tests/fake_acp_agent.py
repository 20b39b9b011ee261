"""A small agent that speaks ACP and does what the prompt tells it to.

A prompt's text is a JSON list of steps, `["name", argument, ...]`; the methods `step_...` below are
what there is. Any other text is echoed. Started by the tests as a real process, with flags that say
what is wrong with it:

    --deaf-start         never answers initialize
    --version N          answers initialize with another protocol version
    --locked PATH        session/new asks for a login until PATH exists
    --caps JSON          its prompt capabilities
    --stubborn           does not end when its input does, nor on SIGTERM

And with flags that say what it can do:

    --name NAME          what it calls itself
    --memory FOLDER      keeps its sessions there: it can resume and load them
    --can JSON           more of its capabilities
    --fails METHOD=HOW   any `hang`; session/resume and session/load also `error`, `die`, or
                         `forgets`, when it does not know the session once it is prompted
    --replays HOW        when it tells of the past: `before` it answers session/load, or `behind`
    --choices JSON       `modes`, `models` and `configOptions` of its sessions
    --opens UPDATE       says so right behind its answer to session/new
    --goes-on STEPS      what it does when it is prompted with words, in place of echoing them
    --makes VALUE        whatever a configuration option is set to becomes this
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


MODEL = {"id": "model", "name": "Model", "category": "model", "currentValue": "big"}
CHOICES = json.dumps({"configOptions": [MODEL]})


def request(id: Any, method: str, params: Any) -> Any:
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
        self.outcomes: list[str] = []
        self.asked = 0
        self.prompts = 0
        self.session = f"session-{os.getpid()}"
        self.place: Any = {}
        self.past: list[str] = []
        self.forgetful = False
        self.replaying = threading.Thread()
        self.chosen = json.loads(flags.choices)
        self.goes_on = json.loads(flags.goes_on)
        self.fails = dict(fault.split("=") for fault in flags.fails)
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

    def step_ask_as(self, id: Any, tool: Any) -> None:
        """Ask under that id."""
        self.answers[id] = queue.Queue()
        self.send(request(id, "session/request_permission", self.asking(tool)))
        self.say(self.outcome(id))

    def step_outcomes(self) -> None:
        """Say which options it has ever been."""
        self.say(json.dumps(self.outcomes))

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
        self.step_call_afterwards("session/request_permission", self.asking(tool))

    def step_call_afterwards(self, method: str, params: Any) -> None:
        id = self.next_id()
        self.late.append(id)
        self.afterwards.append(request(id, method, {"sessionId": self.session, **params}))

    def step_recall(self) -> None:
        """Say which option it was then."""
        self.say(self.outcome(self.late.pop()))

    def step_answered(self) -> None:
        """Say what was answered then."""
        self.say(json.dumps(self.answers[self.late.pop()].get()["result"]))

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

    def step_shell(self, command: str) -> None:
        """Run a command and say how it ended."""
        self.say(f"{subprocess.run(['sh', '-c', command]).returncode}\n")

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

    def step_place(self) -> None:
        """Say what the session was begun with."""
        self.say(json.dumps(self.place))

    def step_replayed(self) -> None:
        """Go on when all has been told of the past."""
        if self.replaying.is_alive():
            self.replaying.join()

    def step_past(self) -> None:
        """Say what was prompted before."""
        self.say(json.dumps(self.past))

    def step_chosen(self) -> None:
        """Say what is set."""
        options = {o["id"]: o["currentValue"] for o in self.chosen.get("configOptions", ())}
        mode = self.chosen.get("modes", {}).get("currentModeId")
        model = self.chosen.get("models", {}).get("currentModelId")
        self.say(json.dumps({"mode": mode, "model": model, **options}))

    def step_background(self, path: str) -> None:
        """Run a command in a group of its own, write down its number, and wait to be cancelled."""
        child = subprocess.Popen(["sleep", "60"], start_new_session=True)
        tool = {"sessionUpdate": "tool_call", "toolCallId": "c", "title": "sleep"}
        self.update({**tool, "kind": "execute", "status": "in_progress"})
        Path(path).write_text(str(child.pid))
        self.say("running")
        self.step_hang()

    def step_hang(self) -> None:
        """Wait to be cancelled."""
        self.cancelled.wait()
        raise Ended({"result": {"stopReason": "cancelled"}})

    def step_shrug(self) -> None:
        """Wait to be cancelled, and go on as if nothing had happened."""
        self.cancelled.wait()

    def step_linger(self, path: str, text: str) -> None:
        """Take no notice of a cancellation until there is a file."""
        self.until(path)
        self.say(text)
        raise Ended({"result": {"stopReason": "cancelled"}})

    def step_run_wild(self, path: str) -> None:
        """Take no notice of a cancellation, and use one tool after the other until there is a
        file."""
        used = 0
        while not Path(path).exists():
            used += 1
            tool = {"sessionUpdate": "tool_call", "toolCallId": f"t{used}", "kind": "edit"}
            self.update({**tool, "locations": [{"path": "a"}]})

    def step_until(self, path: str) -> None:
        self.until(path)

    def step_spawn(self) -> None:
        """Leave a child behind that holds our output open."""
        self.say(str(subprocess.Popen(["sleep", "1000"]).pid))

    def step_exit(self, code: int) -> None:
        os._exit(code)

    def step_spin(self) -> None:
        """Compute without an end."""
        while True:
            pass

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
        self.outcomes.append(str(outcome.get("optionId", outcome["outcome"])))
        return self.outcomes[-1]

    def until(self, path: str) -> None:
        while not Path(path).exists():
            time.sleep(0.01)

    # What a client may want of it

    def work(self, id: Any, prompt: list[Any]) -> None:
        self.prompts += 1
        self.prompt = prompt
        if self.forgetful:
            error = {"code": -32002, "message": "Resource not found"}
            self.send({"jsonrpc": "2.0", "id": id, "error": error})
            return
        if self.flags.memory:
            memory = Path(self.flags.memory, self.session)
            memory.write_text(json.dumps([*self.past, prompt[0].get("text", "")]))
        try:
            steps = json.loads(prompt[0]["text"])
        except (ValueError, KeyError):
            steps = self.goes_on or [["say", prompt[0].get("text", "")]]
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
            if self.flags.memory:
                capabilities["loadSession"] = True
                capabilities["sessionCapabilities"] = {"resume": {}, "close": {}}
            capabilities.update(json.loads(self.flags.can))
            return {
                "result": {
                    "protocolVersion": self.flags.version,
                    "agentCapabilities": capabilities,
                    "agentInfo": {
                        "name": self.flags.name,
                        "title": "Fake Agent",
                        "version": "1.2",
                    },
                    "authMethods": [{"id": "card", "name": "Membership card"}],
                }
            }
        opens = method in ("session/new", "session/resume", "session/load")
        if opens and self.flags.locked and not Path(self.flags.locked).exists():
            return {"error": {"code": -32000, "message": "Authentication required"}}
        if method == "session/new":
            self.place = params
            answer = {"result": {"sessionId": self.session, **self.chosen}}
            updates = [self.told(json.loads(update)) for update in self.flags.opens]
            self.send({"jsonrpc": "2.0", "id": id, **answer}, *updates)
            return None
        if method in ("session/resume", "session/load"):
            return self.reopen(id, method, params)
        if self.fails.get(method) == "hang":
            return None
        if method == "session/close":
            if self.flags.memory:
                Path(self.flags.memory, "closed").write_text(params["sessionId"])
            return {"result": {}}
        if method == "session/set_mode":
            return self.choose("modes", "currentModeId", params["modeId"])
        if method == "session/set_model":
            return self.choose("models", "currentModelId", params["modelId"])
        if method == "session/set_config_option":
            if params["configId"] in ("mode", "how"):
                mode = {"sessionUpdate": "current_mode_update", "currentModeId": params["value"]}
                self.update(mode)
            for option in self.chosen["configOptions"]:
                if option["id"] == params["configId"]:
                    option["currentValue"] = self.flags.makes or params["value"]
            return {"result": {"configOptions": self.chosen["configOptions"]}}
        if method == "session/prompt":
            self.cancelled.clear()
            threading.Thread(target=self.work, args=(id, params["prompt"]), daemon=True).start()
            return None
        return {"error": {"code": -32601, "message": "Method not found"}}

    def choose(self, what: str, which: str, value: str) -> Any:
        self.chosen[what][which] = value
        return {"result": None}  # as some answer who have nothing to say

    def reopen(self, id: Any, method: str, params: Any) -> Any:
        memory = Path(self.flags.memory or "nowhere", params["sessionId"])
        fault = self.fails.get(method)
        if fault == "hang":
            return None
        if fault == "die":
            os._exit(3)
        if fault == "error" or not memory.exists():
            return {"error": {"code": -32603, "message": "no such session"}}
        self.forgetful = fault == "forgets"
        self.place, self.session = params, params["sessionId"]
        self.past = json.loads(memory.read_text())
        answer = {"jsonrpc": "2.0", "id": id, "result": self.chosen}
        replay = [
            self.told({"sessionUpdate": kind, "content": {"type": "text", "text": text}})
            for text in self.past
            for kind in ("user_message_chunk", "agent_message_chunk")
        ]
        if method == "session/resume":
            replay = []
        if self.flags.replays == "before":
            self.send(*replay, answer)
        else:
            self.send(answer)
            self.replaying = threading.Thread(target=self.replay, args=(replay,), daemon=True)
            self.replaying.start()
        return None

    def replay(self, updates: list[Any]) -> None:
        for update in updates:
            time.sleep(0.1)  # slow enough that a prompt would get in between
            self.send(update)

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
    parser.add_argument("--name", default="fake")
    parser.add_argument("--memory")
    parser.add_argument("--can", default="{}")
    parser.add_argument("--fails", action="append", default=[])
    parser.add_argument("--replays", default="before")
    parser.add_argument("--choices", default=CHOICES)
    parser.add_argument("--opens", action="append", default=[])
    parser.add_argument("--goes-on", default="[]")
    parser.add_argument("--makes")
    flags = parser.parse_args()
    if flags.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Agent(flags).run()
    while flags.stubborn:
        signal.pause()


if __name__ == "__main__":
    main()
