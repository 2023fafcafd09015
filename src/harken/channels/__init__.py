"""How it leaves and comes back: one module a channel, and the sender's loop."""
