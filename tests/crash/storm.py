"""The storm: a server under load is killed at random moments, started again, and asked."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import trio
from attrs import asdict, field, frozen

from tests.crash import kept
from tests.crash.auditor import Auditor
from tests.crash.caller import Caller
from tests.crash.checker import Found
from tests.crash.ledger import Account, Fault, Ledger
from tests.crash.mailbox import Mailbox
from tests.crash.orphans import left_of
from tests.crash.scenes import ECHO, Player, Scene
from tests.crash.servers import RESEND, STORE, WORKSPACE
from tests.crash.site import Site, open_site
from tests.receiver import receiving

PHASES: Mapping[str, int] = {
    "starting": 4,
    "ready": 2,
    "anytime": 6,
    "at leisure": 2,
    "asked": 2,
    "answered": 2,
    "told": 3,
    "posted": 2,
    "answering": 2,
    "cancelling": 1,
}
"""When it is killed, and how often: while it starts, as soon as it is there, at any time after
that, not before much could be compared, or right behind something that callers do, or hear."""
USUAL_START = 0.8
"""Seconds that a start takes, or less."""
LONGEST = 1.5
"""Seconds that a life has at most from when the server is there, but for the last one."""
LEISURE = 4.0
"""Seconds that it has when there is time to compare."""
SOON = 0.05
"""Seconds within which that is finished which a moment brings about."""
POSTED = 45.0
"""Seconds in which webhooks hear all after that: the server waits 15 for a letter that hangs."""


@frozen
class Storm:
    """What is done to a server, and how much of it."""

    command: Sequence[str]
    """How it is started, but for its port. Its folder is where it is started."""
    kills: int
    seed: int
    scenes: Mapping[Scene, int] = field(factory=lambda: ECHO)
    callers: int = 12
    quiet: float = 60.0
    """Seconds in which every scene has to come to its end, when nobody kills any more."""


@frozen
class Verdict:
    """What came of it."""

    faults: Sequence[Fault]
    kills: int
    tasks: int
    told: int
    compared: int
    seconds: float

    def __str__(self) -> str:
        kinds = Counter(fault.kind for fault in self.faults)
        what = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "0 faults"
        return (
            f"{self.kills} kills, {self.tasks} tasks, {self.told} things told, "
            f"{self.compared} comparisons, {self.seconds:.0f} s: {what}"
        )


async def blow(storm: Storm, folder: Path, say: Callable[[str], None]) -> Verdict:
    """Let the storm blow in an empty folder; `store.sqlite` and `workspace` are made in it.

    Says a line for each kill, and one for each fault. It is over when the server ends by itself.
    """
    began = time.monotonic()
    workspace, file = folder / WORKSPACE, folder / STORE
    workspace.mkdir()
    ledger, rng = Ledger(say=say), random.Random(storm.seed)
    scope = trio.CancelScope()

    def broke(what: str) -> None:
        ledger.fault("answer", "the server", what)
        scope.cancel()

    with scope:
        async with open_site(storm.command, folder, broke) as site:
            mailbox = Mailbox(ledger, random.Random(rng.random()), site.passes)
            async with receiving(mailbox.answer) as receiver:
                home = receiver.url.partition("?")[0] + "/"
                players = [
                    Player(Caller(site, ledger), random.Random(rng.random()), storm.scenes, home)
                    for _ in range(storm.callers)
                ]
                auditor = Auditor(site, ledger, workspace)
                await rage(storm, players, auditor, rng, say)
                mailbox.healthy.set()
                await resend(folder)
                await auditor.conclude(0 if ledger.faults else POSTED)
                for name in left_of(str(folder), site.life):
                    ledger.fault("orphan", "the server", name)
            await site.stop()
    write(auditor.evidence, folder / "evidence")
    await count(file, ledger)
    seconds = time.monotonic() - began
    told, compared = ledger.told, auditor.compared
    return Verdict(ledger.faults, storm.kills, len(ledger.accounts), told, compared, seconds)


async def rage(
    storm: Storm,
    players: Sequence[Player],
    auditor: Auditor,
    rng: random.Random,
    say: Callable[[str], None],
) -> None:
    """Kill the server while everybody plays, and then leave it alone until all have ended."""
    site, ledger = auditor.site, auditor.ledger
    async with trio.open_nursery() as watching:
        watching.start_soon(auditor.watch)
        async with trio.open_nursery() as load:
            enough = trio.Event()
            for player in players:
                load.start_soon(player.play, enough)
            for number in range(1, storm.kills + 1):
                phase = await one_life(site, rng)
                say(
                    f"kill {number} of {storm.kills}, {phase}: {len(auditor.open())} tasks open, "
                    f"{ledger.told} told, {auditor.compared} compared, {len(ledger.faults)} faults"
                )
            await site.start()
            await site.wait_ready()
            await trio.sleep(LONGEST)
            enough.set()
            load.cancel_scope.deadline = trio.current_time() + storm.quiet
        watching.cancel_scope.cancel()
    for player in players:
        if player.playing:
            ledger.fault("dishonest", player.playing, f"has no end in {storm.quiet:g} s")


async def one_life(site: Site, rng: random.Random) -> str:
    """Start the server, and kill it at some moment; tells which."""
    [phase] = rng.choices([*PHASES], [*PHASES.values()])
    since = trio.current_time()
    await site.start()
    if phase == "starting":
        await trio.sleep(rng.uniform(0, USUAL_START))
    else:
        await site.wait_ready()
    if phase == "ready":
        await trio.sleep(rng.uniform(0, SOON))
    elif phase == "anytime":
        await trio.sleep(rng.uniform(0, LONGEST))
    elif phase == "at leisure":
        await trio.sleep(LEISURE)
    elif phase != "starting":
        with trio.move_on_after(LONGEST):
            for _ in range(rng.randrange(1, 20)):
                await site.wait_for(phase)
            await trio.sleep(rng.uniform(0, SOON))
    await site.kill()
    return f"{phase}, after {trio.current_time() - since:.3f} s"


async def resend(folder: Path) -> None:
    """Have sent again what was given up, as it was refused."""
    await trio.run_process([*RESEND, "--all"], cwd=folder, capture_stdout=True)


async def count(file: Path, ledger: Ledger) -> None:
    """Compare what was told with what stands in the file, when the server has ended in peace."""
    found = await trio.to_thread.run_sync(kept.read, file)
    known = len(ledger.accounts)
    if found.sound != "ok":
        ledger.fault("lost", "the store", found.sound)
    if found.tasks != known:
        kind = "lost" if found.tasks < known else "doubled"
        ledger.fault(kind, "the store", f"{found.tasks} tasks are kept, and {known} were told of")
    if found.unfinished:
        ledger.fault("dishonest", "the store", f"{found.unfinished} tasks have no end")
    if found.dead:
        ledger.fault("webhook", "the store", f"{found.dead} letters are dead")


def write(evidence: Mapping[str, tuple[Account, Found]], folder: Path) -> None:
    """Leave what there is of the tasks with which something is wrong, one file for each."""
    folder.mkdir()
    for id, (told, found) in evidence.items():
        both = {"told": asdict(told), "found": asdict(found)}
        (folder / f"{id}.json").write_text(json.dumps(both, indent=1, default=str))
