"""Webhooks: who registered one hears of the task, off the task's path.

port      a registered webhook, how far it has come, and where both rest
guard     where a webhook may lead: not to this machine, nor to its neighbours
stamp     how letters are signed
patience  how hard a letter is tried, and what may become of it
letters   what is posted: a task's events, in the form of the line that registered the webhook
post      one webhook's post: a letter is tried until it is taken, or given up
walk      how far one webhook has come behind its task, and what it is told next
rounds    all the walks on their way, and those that another server has left
courier   the operations on webhooks
"""

from a2acore.push.courier import Courier, open_courier
from a2acore.push.guard import Guard
from a2acore.push.patience import Patience
from a2acore.push.port import DeadLetter, Webhook, Webhooks
from a2acore.push.stamp import Stamp

__all__ = [
    "Courier",
    "DeadLetter",
    "Guard",
    "Patience",
    "Stamp",
    "Webhook",
    "Webhooks",
    "open_courier",
]
