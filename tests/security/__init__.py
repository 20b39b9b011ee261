"""Attacks: each test is one that somebody tries, and that has to come to nothing.

    doors         into an operation without a credential: paths, verbs, headers, framing, upgrades
    shown         with a credential that is none: tokens, passwords, JWTs
    reach         at random: whatever is asked without a credential, nothing is reached
    owners        at what is somebody else's: tasks, contexts, webhooks, cursors, keys, questions
    answers       at a permission: early, late, doubled, mistaken, misread, misled
    pages         by a page in a browser: origins, names that are rebound, forms, scripts
    webhooks      through our own hands: where a webhook, a link or a redirect leads
    injection     by text that means something where it is put: logs, streams, prompts, terminals
    files         by an agent, at files that are not the workspace's
    commands      by an agent, past the policy, and with what a command is given
    floods        with more than there is room for
    secrets       at what is not to be told
    cards         at the signed card on its way
    processes     what is started, by whom, and what is left of it
    claims        no attack: what docs/security.md claims is tested where it says

A module shares a server where it can: the command `serve`, a process of its own, and the attacker
on a socket. That an attack fails is half of it; the other half is that nothing has happened. So
each is watched (`House.untouched`): no line in the audit log, which has one for each task that is
started and each decision, and no file that is another than before.
"""
