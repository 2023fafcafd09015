"""What goes round: one sender, and what works beside the engine or is its batch."""
