"""`a2acode conformance`: asks a server, any server, for what the specification promises.

    command    the command itself
    runner     which checks are played on which interface, and what comes of it
    checks/    a small function for each promise, by topic; `registry` knows them all
    stories    the longer talks with the server that many checks look at
    fixtures, transcripts    what is played from the documents in `spec/`
    shapes     what a document of each type must look like; `shapes03`, `shapes10` are the tables
    peer       the server that is asked; `answer` and `tape` are what it says, `faults` its refusals
    webhook    where its push notifications go
    spelling   how a request is written on each line and binding
    report     the verdicts as text, JSON or JUnit XML, by the ids of `spec/must.toml` (`musts`)

Nothing in here reads an answer with the structs that our own server writes it with: an error in
them would be invisible. Answers are judged as plain JSON, by tables that were written for this.
"""

from a2acli.conformance.command import command as command
