"""Who decides what a task asks: the policy at once, the caller in a while, or the clock at last.

Rule: what is decided is in the audit log before it counts. Where it cannot be written, nothing is
allowed; a no counts all the same, and the log says why it is not there.

Nothing in here waits.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from attrs import frozen

from a2acore.audit import Audit, Line, ToolSeen, Unaudited
from a2acore.backend import Answer, Asking, BackendError, Notice, Permission
from a2acore.lifecycle import Record
from a2acore.pause import Pause
from a2acore.policy import Decision, Policy
from a2acore.work import visible


@frozen
class Decisions:
    """The decisions on what one task asks."""

    record: Record
    workspace: Path
    policy: Policy
    audit: Audit

    def of_policy(self, asking: Permission) -> Decision | None:
        """What the policy decides without the caller, if it does."""
        decision = self.policy.decide(asking, self.workspace)
        return None if decision.verdict == "ask" else decision

    def by_policy(self, asking: Permission, decision: Decision) -> Answer:
        """The answer that a decision of the policy gives.

        Raises:
            BackendError: it allows, and cannot be written to the audit log.
        """
        allowed = decision.verdict == "allow"
        says = decision.says or f"The policy of this server denies it ({decision.rule})."
        answer = Answer(allowed, decision.option, "" if allowed else says)
        try:
            self._write(asking, answer, by=f"policy:{decision.rule}", who=self.record.owner)
        except Unaudited as error:
            if allowed:
                raise BackendError(error.message) from error
        return answer

    def by_caller(self, pause: Pause, answer: Answer, who: str) -> None:
        """What a caller answers to a question.

        Raises:
            Unaudited: it cannot be written to the audit log.
        """
        self._write(pause.asking, answer, by="caller", who=who, request=pause.request_id)

    def by_clock(self, pause: Pause) -> Answer:
        """The answer that nobody gave in time."""
        answer = Answer(False, None, self.policy.time_limit_says or self.too_late())
        with suppress(Unaudited):
            self._write(
                pause.asking,
                answer,
                by="timeout",
                who=self.record.owner,
                request=pause.request_id,
            )
        return answer

    def too_late(self) -> str:
        """What the caller is told then."""
        return f"Nobody answered within {self.policy.time_limit:g} seconds; that is a no."

    def _write(
        self, asking: Asking, answer: Answer, *, by: str, who: str, request: str = ""
    ) -> None:
        tool = ToolSeen.of(asking.tool) if isinstance(asking, Permission) else None
        verdicts = ("deny", "allow") if tool is not None else ("decline", "answer")
        line = Line(
            what="decided",
            who=who,
            task=self.record.id,
            context=self.record.context_id,
            request=request,
            asked=type(asking).__name__.casefold(),
            tool=tool,
            verdict=verdicts[answer.allowed],
            by=by,
            option=answer.option.id if answer.option is not None else "",
        )
        self.audit.write(line)


def notice(asking: Permission, decision: Decision) -> Notice | None:
    """What a caller is told of a decision of the policy's, unless it goes without saying."""
    allowed, tool = decision.verdict == "allow", asking.tool
    if allowed and asking.routine:
        return None
    what = f"{'Allowed' if allowed else 'Denied'} by the policy ({decision.rule})"
    name = visible(tool.title or tool.name or tool.kind)
    data = {"tool": tool.id, "verdict": decision.verdict, "rule": decision.rule}
    return Notice(f"{what}: {name}", "decided", data)
