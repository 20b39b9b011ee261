"""Asks a server that was started again what it says, and has it compared with what was told.

In each life, the tasks that were told of before it are looked at while the load goes on, until they
have ended and everybody has heard so. What is told meanwhile is compared in the next life.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import trio
from attrs import define, field

from tests.crash.caller import Caller, Talk
from tests.crash.checker import Found, begun_once, brief, examine, in_turn
from tests.crash.ledger import Account, Closing, Hook, Ledger
from tests.crash.letters import examine_hooks, heard_all, owed
from tests.crash.past import BEGINNING, ENDS, Past, Said, past, sight
from tests.crash.site import Site

SECONDS = 5.0
"""In which a server that was started again has brought a task to an honest state, or has told all
that it knows of one."""
CROWD = 8
"""Tasks that are looked at beside each other."""
PAGE = 100
WORK = re.compile(r"done-\w+\.md")
"""The file in a prompt to which its work adds a line."""
WORKS = "working"


@define(eq=False)
class Auditor:
    """Compares, and closes the accounts of tasks of which nothing more is to be expected."""

    site: Site
    ledger: Ledger
    workspace: Path
    compared: int = 0
    """How many times a task was compared."""
    evidence: dict[str, tuple[Account, Found]] = field(factory=dict)
    """What there is of tasks with which something is wrong."""
    _crowd: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(CROWD))
    _looked: dict[str, int] = field(factory=lambda: defaultdict(int))
    """The life in which a task was compared last."""

    async def watch(self) -> None:
        """Compare what is open, in each life anew."""
        while True:
            await self.site.wait_up()
            life = self.site.life
            async with trio.open_nursery() as nursery:
                for account in sorted(self.open(), key=lambda each: self._looked[each.id]):
                    await self._crowd.acquire_on_behalf_of(account)
                    nursery.start_soon(self._look_in, life, account)
            await self.site.wait_after(life)

    def open(self) -> list[Account]:
        """What is to be compared again."""
        known = self.ledger.accounts.values()
        return [each for each in known if each.closed is None and each.id not in self.evidence]

    async def _look_in(self, life: int, account: Account) -> None:
        """Compare a task in this life, or not at all."""
        try:
            if self.site.lives_on(life):
                await self._look(account)
                self._looked[account.id] = life
        finally:
            self._crowd.release_on_behalf_of(account)

    async def conclude(self, patience: float) -> None:
        """Compare everything, when no caller does anything any more.

        Within `patience`, in seconds, all webhooks must have heard all.
        """
        until = trio.current_time() + patience
        while (self.open() or self._owed()) and trio.current_time() < until:
            for account in self.open():
                await self._look(account)
            await trio.sleep(SECONDS / 20)
        for account in self.open():
            await self._look(account, quiet=True)
        for hook in self._owed():
            what = f"it refused the events {sorted(owed(hook))}, and they did not come again"
            self.ledger.fault("webhook", hook.name, what)
        await self._list()
        turns: dict[str, list[Closing]] = defaultdict(list)
        for account in self.ledger.accounts.values():
            if account.closed is not None:
                turns[account.context].append(account.closed)
        for context, closed in turns.items():
            self.ledger.add(in_turn(context, closed))

    async def _look(self, account: Account, *, quiet: bool = False) -> None:
        """Compare one task, if the server lives long enough."""
        until = trio.current_time() + SECONDS
        while True:
            told = account.copy()
            found = await self._find(told)
            if found is None:
                return
            faults = examine(told, found, self.site.lives)
            if {fault.kind for fault in faults} != {"dishonest"} or trio.current_time() > until:
                break
            await trio.sleep(SECONDS / 20)
        self.compared += 1
        events = past(found.events)
        if found.task is not None:
            faults += examine_hooks(told, events, quiet=quiet)
            ended = sight(found.task).state in ENDS and account.says_no_more_than(told)
            if not faults and ended and heard_all(told, events):
                began = next((since for state, since, _ in events.statuses if state == WORKS), "")
                self._close(account, Closing(sight(found.task), began))
        if faults:
            self.evidence[account.id] = (told, found)
            self.ledger.add(faults)

    def _owed(self) -> list[Hook]:
        return [hook for hook in self.ledger.hooks.values() if owed(hook)]

    def _close(self, account: Account, closing: Closing) -> None:
        for hook in account.hooks:
            if not owed(hook):
                hook.letters.clear()
        account.close(closing)

    async def _find(self, told: Account) -> Found | None:
        """What the server says of a task; `None`: it was killed before it had said it."""
        caller, talk, known = Caller(self.site, Ledger()), Talk(told.context), Past()
        await self.site.wait_up()
        life = self.site.life
        task = await caller.ask(talk, "get", id=told.id)
        if task is None:
            return None
        if not task:
            return Found(None)
        now = sight(task)
        numbers = [shown.number or 0 for shown in told.shown]
        last = max([*numbers, *(heard.number for heard in told.heard)], default=0)

        def enough(talk: Talk) -> bool:
            for event in talk.events[len(known.events) :]:
                known.take(event)
            number = len(known.events)
            return now.state not in ENDS and number >= last and known.stood(now, number)

        if last or now.status != BEGINNING:
            behind = {"Last-Event-ID": "0"}
            with trio.move_on_after(SECONDS):
                await caller.hear(talk, "subscribe", headers=behind, enough=enough, id=told.id)
        self.ledger.add(caller.ledger.faults)
        return Found(task, known.events, self._lines(task)) if self.site.lives_on(life) else None

    def _lines(self, task: Said) -> int | None:
        """How often the work of a task was done, if it does any."""
        prompt = "".join(part.get("text", "") for part in task["history"][0]["parts"])
        if not (named := WORK.search(prompt)):
            return None
        file = self.workspace / named[0]
        return len(file.read_text().splitlines()) if file.exists() else 0

    async def _list(self) -> None:
        """See that a list holds each task once, as it ended, and no other one, and that each
        message has begun one."""
        caller, token = Caller(self.site, Ledger()), ""
        found: dict[str, Said] = {}
        while True:
            page = await caller.surely(
                Talk(""), "list", pageSize=PAGE, pageToken=token, includeArtifacts=True
            )
            for task in page["tasks"]:
                if task["id"] in found:
                    self.ledger.fault("doubled", task["id"], "it is listed twice")
                if task["id"] not in self.ledger.accounts:
                    self.ledger.fault("doubled", task["id"], "it is listed, and nobody began it")
                found[task["id"]] = task
            if not (token := page["nextPageToken"]):
                break
            caller.ledger = Ledger()
        self.ledger.add(begun_once(found.values()))
        for account in self.ledger.accounts.values():
            if account.id not in found:
                self.ledger.fault("lost", account.id, "it is not listed")
            elif account.closed is not None and account.closed.sight != sight(found[account.id]):
                seen = brief(sight(found[account.id]))
                self.ledger.fault("lost", account.id, f"it is listed as {seen}")
