"""Where tasks rest: a port, and the stores behind it."""

from a2acore.store.memory import MemoryStore
from a2acore.store.port import Entry, Sent, Store

__all__ = ["Entry", "MemoryStore", "Sent", "Store"]
