"""May we: every message passes the same nine gates, and the first that says no decides."""
