"""Where tasks rest: a port, and the stores behind it."""

from a2acore.store.memory import MemoryStore
from a2acore.store.port import Beginning, Entry, Item, Left, Page, Query, Sent, Spot, Store, Told

__all__ = [
    "Beginning",
    "Entry",
    "Item",
    "Left",
    "MemoryStore",
    "Page",
    "Query",
    "Sent",
    "Spot",
    "Store",
    "Told",
]
