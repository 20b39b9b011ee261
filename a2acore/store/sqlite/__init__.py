"""A store in one SQLite file.

opening     how a store is opened, gone on with, and closed
store       the store: what runs is in memory too, what has ended is not
belongings  its other half: webhooks, what was sent, what backends keep
writer      batches on their way to the disk, and trouble with it
batch       what is written in one transaction
lines       a task's log as text
sweep       what is forgotten, and when
reading     what is looked up, beside the writer
recent      the tasks that ended last
hand        a thread of our own
file        the file: its lock, its permissions, its connections
schema      the tables, and those of older versions
sql         how statements are put together
words       what SQLite says went wrong
care        what there is in a store, for whoever cares for it beside the server
dead        letters that were given up, likewise
"""

from a2acore.store.sqlite.opening import open_sqlite
from a2acore.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "open_sqlite"]
