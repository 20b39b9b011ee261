"""What callers do: each scene is a task, or some of one context, from its message to its end.

A scene goes on over any number of restarts, with what a caller has in hand: the same idempotency
key, the number of the last event, the request that is asked now. What is random comes from the
player's own generator.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import trio
from attrs import define, frozen

from tests.crash.caller import BREATH, RPC, V03, V10, Caller, Talk
from tests.crash.ledger import Hook
from tests.crash.past import OURS
from tests.edge import Way


@frozen
class Scene:
    """What is said, and what is done about it."""

    prompt: str
    """With `{work}` where the name of a file of its own is put."""
    cancelled: bool = False
    turns: int = 1
    """In one context, said one right after the other."""


ECHO: Mapping[Scene, int] = {
    Scene("edit {work} long:60"): 3,
    Scene("edit {work} slow:1"): 1,
    Scene("paced"): 3,
    Scene("long:300"): 1,
    Scene("sudo edit {work}"): 4,
    Scene("paced questions"): 3,
    Scene("question edit {work} question"): 2,
    Scene("credential edit {work}"): 1,
    Scene("paced", cancelled=True): 2,
    Scene("sudo edit {work}", cancelled=True): 1,
    Scene("edit {work} fail"): 1,
    Scene("edit {work} long:20", turns=3): 2,
    Scene("sudo edit {work}", turns=2): 1,
}
"""What is played with the echo agent and `script.toml`, and how often."""

AGENTS: Mapping[Scene, int] = {
    Scene('[["say", "one "], ["shell", "echo done >> {work}"], ["say", "two"]]'): 3,
    Scene('[["say", "one "], ["shell", "sleep 0.2"], ["say", "two"]]'): 3,
    Scene('[["say", "one "], ["ask", {"toolCallId": "t", "title": "make"}], ["say", "two"]]'): 3,
    Scene('[["background", "background.pid"]]', cancelled=True): 2,
    Scene("hello", turns=2): 1,
}
"""The same with `tests/fake_acp_agent.py`."""

MANNERS = ("send", "send", "at once", "stream", "stream", "stream", "careless")
"""How a message is sent: `careless` is without a key, and who has no answer has to look."""


class Refused(Exception):
    """What had to be granted was not; it is noted."""


@define(eq=False)
class Player:
    """Plays one scene after the other."""

    caller: Caller
    rng: random.Random
    scenes: Mapping[Scene, int]
    mailbox: str
    """The URL below which webhooks lead."""
    playing: str = ""
    """What is played at this moment, to be told if it does not end."""

    async def play(self, enough: trio.Event) -> None:
        """Play until it is enough, and to the end what was begun."""
        while not enough.is_set():
            [scene] = self.rng.choices([*self.scenes], [*self.scenes.values()])
            try:
                await self._play(scene)
            except Refused as refused:
                self.caller.ledger.fault("answer", str(scene), str(refused))
                await trio.sleep(BREATH)
            self.playing = ""

    async def _play(self, scene: Scene) -> None:
        context = self._name()
        self.caller.way = self.rng.choice([V10, RPC])
        self.playing = f"{scene} in {context}"
        talks = []
        for _ in range(scene.turns):
            talks.append(await self._begin(scene, context))
        for talk in talks:
            await self._to_its_end(scene, talk)

    async def _begin(self, scene: Scene, context: str) -> Talk:
        """Say what begins the task, until it is told that it has begun."""
        talk, key = Talk(context), self._name()
        manner = self.rng.choice(MANNERS)
        if scene.cancelled or scene.turns > 1:
            manner = "at once"
        way, hook = self.caller.way, None
        configuration: dict[str, Any] = {}
        if self.rng.random() < 0.3:
            hook = self._hook(old=manner == "at once" and self.rng.random() < 0.5, whole=True)
            way = V03 if hook.old else way
            name = "pushNotificationConfig" if hook.old else "taskPushNotificationConfig"
            configuration[name] = {"url": self.mailbox + hook.name}
        configuration |= way.at_once() if manner == "at once" else {}
        words = scene.prompt.replace("{work}", f"done-{self._name()[:12]}.md")
        say = self._message(way, words, contextId=context)
        said: Any = None
        while not talk.task:
            params: dict[str, Any] = {"message": say, "configuration": configuration}
            if manner == "stream":
                said = await self.caller.hear(talk, "stream", key, **params)
            elif manner == "careless":
                said = await self.caller.ask(talk, "send", way=way, **params)
                if said is None and not await self._find(talk, say["messageId"]):
                    say = self._message(way, words, contextId=context)
            else:
                said = await self.caller.ask(talk, "send", key, way=way, **params)
            if not said and said is not None:
                raise Refused("to begin")
        if hook is not None:
            self._of(talk).hooks.append(hook)
        if manner != "careless" and self.rng.random() < 0.1:
            await self.caller.surely(talk, "send", key, way=way, **params)
        return talk

    async def _find(self, talk: Talk, message_id: str) -> bool:
        """Look whether a message has begun a task."""
        listed = await self.caller.surely(
            talk, "list", contextId=talk.context, includeArtifacts=True
        )
        for task in listed["tasks"]:
            if task["history"][0]["messageId"] == message_id:
                talk.task = task["id"]
                talk.see(task)
        return bool(talk.task)

    async def _to_its_end(self, scene: Scene, talk: Talk) -> None:
        if self.rng.random() < 0.1:
            await self._set_hook(talk)
        if scene.cancelled:
            await trio.sleep(self.rng.uniform(0, 0.3))
        while not talk.over:
            chance = self.rng.random()
            if chance < 0.1:
                await self._look(talk)
            elif chance < 0.15:
                await self.caller.surely(talk, "list", pageSize=5, includeArtifacts=True)
            elif scene.cancelled:
                await self._cancel(talk)
            elif talk.request:
                await self._answer(scene, talk)
            else:
                await self._follow(talk)

    async def _follow(self, talk: Talk) -> None:
        number = talk.number
        headers = {} if number is None else {"Last-Event-ID": str(number)}
        if await self.caller.hear(talk, "subscribe", headers=headers, id=talk.task) is False:
            await self._look(talk)

    async def _answer(self, scene: Scene, talk: Talk) -> None:
        self.caller.site.passes("answering")
        words = self.rng.choice(["allow", "allow", "allow", "no"])
        if "question" in scene.prompt:
            words = f"answer-{self._name()}"
        named = {"metadata": {OURS: {"requestId": talk.request}}}
        say = self._message(self.caller.way, words, taskId=talk.task, **named)
        manner, key = self.rng.choice(MANNERS), self._name()
        said: Any = None
        if manner == "careless":
            said = await self.caller.ask(talk, "send", message=say)
        elif manner == "stream":
            while said is None:
                said = await self.caller.hear(talk, "stream", key, message=say)
        else:
            wait = {"returnImmediately": manner == "at once"}
            said = await self.caller.surely(talk, "send", key, message=say, configuration=wait)
        if not said:
            await self._look(talk)

    async def _cancel(self, talk: Talk) -> None:
        self.caller.site.passes("cancelling")
        said = await self.caller.ask(talk, "cancel", id=talk.task)
        if said and not talk.over:
            self.caller.ledger.fault("answer", talk.task, f"cancelled, it is {talk.state}")
        if not said:
            await self._look(talk)

    async def _look(self, talk: Talk) -> None:
        """After something was refused, or nobody knows: see how it stands."""
        if not await self.caller.surely(talk, "get", id=talk.task):
            raise Refused(f"to get {talk.task}")
        if not talk.over:
            await trio.sleep(BREATH)

    async def _set_hook(self, talk: Talk) -> None:
        """Register a webhook on the way. One that may or may not be registered is left alone."""
        told = None
        while told is None:
            hook = self._hook(old=self.rng.random() < 0.3, whole=False)
            self._of(talk).hooks.append(hook)
            place = {"id": hook.name, "url": self.mailbox + hook.name}
            params = {"pushNotificationConfig": place} if hook.old else place
            way = V03 if hook.old else self.caller.way
            told = await self.caller.ask(talk, "set_push", way=way, taskId=talk.task, **params)
        if not told:
            raise Refused(f"to set a webhook of {talk.task}")
        hook.told = self.caller.ledger.tick()
        await self.caller.surely(talk, "get", id=talk.task)

    def _hook(self, *, old: bool, whole: bool) -> Hook:
        hook = Hook(self._name(), old, whole)
        self.caller.ledger.hooks[hook.name] = hook
        return hook

    def _of(self, talk: Talk) -> Any:
        return self.caller.ledger.accounts[talk.task]

    def _message(self, way: Way, words: str, **members: Any) -> dict[str, Any]:
        return way.message(words, messageId=self._name(), **members)

    def _name(self) -> str:
        return UUID(int=self.rng.getrandbits(128), version=4).hex
