"""Columns: every event and every decision, for questions over many customers and long times."""
