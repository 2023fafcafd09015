"""What `handle` consists of: who enters, what is asked and said, what follows. Pure, like it."""
