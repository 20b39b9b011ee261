"""The methods of other servers by which callers list and answer what is asked: one call each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from a2acore import jsonrpc
from a2acore.compat import shared
from a2acore.errors import A2AError, InternalError
from a2acore.run import Run
from a2acore.service import Caller, Service
from a2acore.wire import shared as wire

METHODS = frozenset(wire.METHODS)

log = logging.getLogger(__name__)


async def respond(service: Service, caller: Caller, called: jsonrpc.Request, line: str) -> bytes:
    """The answer to one of `METHODS`, or why there is none, on a line."""
    try:
        params = wire.read(called.method, called.params)
        if isinstance(params, wire.Listing):
            wanted = {params.type} if params.type else set(wire.ANSWERS.values())
            items = filter(None, map(_item, service.asked(caller)))
            chosen = [item for item in items if item["interrupt_type"] in wanted]
            return wire.listed(called.id, chosen)
        await service.answer(caller, params)
        return wire.answered(called.id, params.request_id)
    except A2AError as error:
        return wire.refusal(called.id, line, error)
    except Exception:  # ours: logged whole and answered briefly
        log.exception("%s failed", called.method)
        return wire.refusal(called.id, line, InternalError())


def _item(run: Run) -> Mapping[str, Any] | None:
    """What a run asks, if their callers know such a thing."""
    asked = shared.interrupt(run.record.status.message)
    return asked and {
        "request_id": asked["request_id"],
        "session_id": run.context_id,
        "interrupt_type": asked["type"],
        "task_id": run.task_id,
        "context_id": run.context_id,
        "details": asked["details"],
        "expires_at": run.questions.expires,
    }
