"""Kill the server, start it again, and compare: nothing that a caller was told may be untrue.

    python -m tests.crash --kills 500 --seed 1

`storm` kills, `scenes` and `caller` are the load, `mailbox` is where webhooks lead, `ledger` is
what callers were told, `auditor` asks the server that was started again, and `checker` and
`letters` compare. `hasty` is a server that promises too early, for seeing that it is caught.
"""
