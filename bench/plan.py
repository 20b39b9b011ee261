"""What a run measures: everything, or what two minutes are enough for."""

from __future__ import annotations

from bench.asks import POOL
from bench.speech import FIRST, FORMS
from bench.works import Work

CROWDS = (1, 16, 64)
CHUNKS = (1, 100, 200, 1_000, 4_000, 16_000)
TASKS = (100, 1_000, 10_000)
FOLLOWERS = (1, 10, 100)
STREAMS = 500


def everything() -> list[Work]:
    """All of it, the rows of one kind together."""
    crowded = [
        Work(kind, size, callers)
        for kind, size in (("send", 0), ("stream", 10), ("get", POOL), ("card", 0))
        for callers in CROWDS
    ]
    others = [
        Work(kind, size, 16, form)
        for form in FORMS
        if form != FIRST
        for kind, size in (("send", 0), ("stream", 10), ("get", POOL))
    ]
    return [
        *crowded,
        *others,
        *(Work("stream", chunks) for chunks in CHUNKS),
        Work("stream", 200, 8),
        *(Work("fanout", followers) for followers in FOLLOWERS),
        *(Work("list", tasks) for tasks in TASKS),
        *(Work("get", tasks) for tasks in TASKS[1:]),
        Work("idle", STREAMS),
        Work("start"),
        Work("rss"),
        Work("memory", TASKS[-1]),
    ]


def quick() -> list[Work]:
    """What is looked at first."""
    return [
        Work("send", callers=16),
        Work("stream", 10, 16),
        Work("stream", 200),
        Work("get", POOL, 16),
        Work("card", callers=16),
        Work("start"),
    ]


HEADLINE = [
    Work("send", callers=16),
    Work("stream", 200),
    Work("stream", 16_000),
    Work("get", POOL, 16),
    Work("start"),
    Work("idle", STREAMS),
]
"""What the README shows."""
