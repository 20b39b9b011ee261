"""Tools of the tests alone: a scripted model, real coding agents, the official A2A clients."""
