"""How fast it is, beside others, in one run. `docs/performance.md` tells how, and what came of it.

    python -m bench --quick        # two minutes; a table
    python -m bench                # everything
    python -m bench.count          # counted work: what the regression guard compares

Rules that hold in here:

- Every answer is read and compared with what was asked. One that is not right is an error, is told
  with a sample, and never makes anybody faster.
- Targets are measured in turn, A B A B, and compared within a round. What the machine does besides
  then hits all of them.
- Who cannot do a thing has a dash in the table and a reason below it.
"""
