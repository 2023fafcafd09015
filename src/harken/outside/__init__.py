"""What we ask of other machines for a message, and which of them may be asked."""
