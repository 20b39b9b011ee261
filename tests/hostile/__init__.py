"""An agent that means harm, and what is expected of the server when it does.

`agent.py` is the agent, a program that plays what it is told; `case.py` says what a row is; each of
the other modules is a table of them.
"""

from tests.hostile.answers import FAULTS, RESULTS, STARTS
from tests.hostile.case import Case
from tests.hostile.ends import CANCELLATIONS, DEATHS, HANGS, KIN
from tests.hostile.lines import IDS, NOISE, STDERR
from tests.hostile.questions import QUESTIONS
from tests.hostile.work import FILES, WORK

CASES: list[Case] = [
    *(NOISE + STDERR + IDS),
    *(STARTS + FAULTS + RESULTS),
    *(HANGS + CANCELLATIONS + DEATHS + KIN),
    *(WORK + FILES),
    *QUESTIONS,
]
