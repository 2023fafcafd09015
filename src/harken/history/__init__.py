"""History, in columns: every event and decision, for questions about everybody and long times."""
