"""Channels: how a message leaves, and what comes back of it; one module for each."""
