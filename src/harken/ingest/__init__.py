"""Events come in: the Segment HTTP API, validation with reasons, the rejected log, file import."""
