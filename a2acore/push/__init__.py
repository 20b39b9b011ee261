"""Webhooks: who registered one hears of the task, off the task's path.

port      a registered webhook, and where webhooks rest
guard     where a webhook may lead: not to this machine, nor to its neighbours
stamp     how letters are signed
letters   what is posted: a task's events, in the form of the line that registered the webhook
post      one webhook's post: a letter is tried until it is taken, or given up
courier   the operations on webhooks, and a follower for each one of a running task
"""

from a2acore.push.courier import Courier, open_courier
from a2acore.push.guard import Guard
from a2acore.push.port import Webhook, Webhooks
from a2acore.push.post import Patience
from a2acore.push.stamp import Stamp

__all__ = ["Courier", "Guard", "Patience", "Stamp", "Webhook", "Webhooks", "open_courier"]
