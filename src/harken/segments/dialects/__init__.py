"""The set form's dialects: one small table of SQL phrases an engine."""
